"""A query becomes a slate."""
