"""Sketched tangent features of a whole data set, from a kernel into a store."""
