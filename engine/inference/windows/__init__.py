"""Windows: the parts of a photo that the network runs on."""
