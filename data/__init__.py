"""Photographs on disk become batches of crops, in an order that a seed decides."""

from data.loading import Batch, Loader
from data.open import open_loader

__all__ = ["Batch", "Loader", "open_loader"]
