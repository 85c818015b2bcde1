"""Plug-ins for paint programs, which remove what is selected from a layer by way of engine-serve.

`krita` is what runs in that program, with `engine_client` beside it: in its own Python, without the engine's packages.
`install.py` writes them where the program looks.
"""
