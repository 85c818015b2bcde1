"""Photos in object stores, and photos for many machines: what there is to do, the bytes of each, and who does it."""
