"""The log becomes a bundle."""
