"""Texture for what the network completed: structure from the network, detail from patches of the photo.

`TextureStage` (stage.py) is the way in, hole by hole. `sources.py` says what may be copied, `synthesis.py` draws a hole
again with the photo's own patches, coarse to fine, guided by the network's completion, `detail.py` measures how much
detail belongs there, and `grain.py` adds the noise that the surroundings have.
"""
