"""One file, one port on one technology."""
