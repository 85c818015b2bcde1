"""Texture for what the network completed: structure from the network, detail from patches of the photo.

`fill_with_texture` (synthesis.py) is the way in: it draws a hole again with the photo's own patches, coarse to fine,
guided at every scale by the network's completion. `detail.py` decides where that is wanted, `grain.py` adds the noise
that the surroundings have.
"""
