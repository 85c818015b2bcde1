"""Many photos in one command: found, completed in turn, and divided among processes."""
