"""The local web server behind engine-serve: an HTTP API, and the page on which holes are painted."""
