"""Streaming over rows of features that do not fit into memory: top-K, moments, map, graph."""
