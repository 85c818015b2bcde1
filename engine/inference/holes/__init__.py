"""Holes as arrays: their shapes, scales and borders, and what fills and joins them without the network."""
