"""Analyses: what follows from similarities; they see samples through a Source alone."""
