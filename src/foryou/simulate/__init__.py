"""Worlds in which the right answer is known."""
