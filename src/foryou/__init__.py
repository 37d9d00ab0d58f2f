"""A self-hosted recommendation system in Python: actions come in, explained recommendations go out."""

__version__ = "0.1.0"
