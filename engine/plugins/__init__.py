"""Plug-ins for paint programs, which remove what is selected from a layer by way of engine-serve.

`krita` and `gimp` are what runs in these programs, with `engine_client` beside it: in their own Python, without the
engine's packages. `install.py` writes them where the programs look.
"""
