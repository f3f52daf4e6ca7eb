"""What numbers came from: digests of networks, data and functions, versions of what computed."""
