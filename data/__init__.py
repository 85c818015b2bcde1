"""Photographs on disk become batches of crops, in an order that a seed decides."""
