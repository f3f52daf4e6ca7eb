"""The network as a function: batches in, one row of outputs per sample out, checks first."""
