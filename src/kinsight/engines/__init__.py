"""Where the shards of a job are computed: this process, or the workers of a Ray cluster."""
