"""Masks as people have them: pictures, labels, layers and annotations."""
