"""What the plug-ins share, in the paint program's own Python, from 3.8 on, with the standard library alone."""
