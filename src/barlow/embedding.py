"""Vectors of images: see `embed`."""
