"""A page that completes photos in the browser, without a server: what `engine-export --to web` writes."""
