"""bench trivago: hotels shown, hotels clicked."""
