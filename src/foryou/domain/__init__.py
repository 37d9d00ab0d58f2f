"""The nouns, and the seams between the parts."""
