"""Completing photographs with a trained network."""
