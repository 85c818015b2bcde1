"""Texture for what the network completed: structure from the network, detail from patches of the photo.

`TextureStage` (stage.py) is the way in, hole by hole. `sources.py` says what may be copied, `pyramid.py` makes
the scales, `synthesis.py` draws a hole again with the photo's own patches, coarse to fine, guided by the network's
completion, `matching.py` says which patches are alike and `field.py` looks for them, `detail.py` measures how much
detail belongs there, and `grain.py` adds the noise that the surroundings have.

All of it computes with NumPy, or on a CUDA device with PyTorch, by the same lines: both have the array API.
"""
