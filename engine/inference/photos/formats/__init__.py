"""The file formats of photographs: what Pillow does not keep of a file is kept here, byte for byte."""
