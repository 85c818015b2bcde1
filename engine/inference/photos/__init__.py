"""Files of photos: read whole, and written in their own format."""
