"""Kernel values from tangent features: whitening, Gram blocks, density, neighbours, sources."""
