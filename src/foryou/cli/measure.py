"""bench: speed and accuracy, measured by commands that anyone can run."""
