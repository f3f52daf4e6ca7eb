"""Per-sample gradients of f in factored form, read off the autograd graph of one forward pass."""
