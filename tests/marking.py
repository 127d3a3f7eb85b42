"""Small grey images that tests tell apart by their first pixel."""

import numpy as np
from PIL import Image


def marked(value):
    """A grey image of 4 x 4 pixels, neither constant nor dark, whose first pixel is the value."""
    pixels = np.arange(0, 256, 16, dtype="uint8").reshape(4, 4)
    pixels[0, 0] = value
    return Image.fromarray(pixels)
