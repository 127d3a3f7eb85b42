"""Pictures of structure: shapes of many colours on a gradient, none like another."""

import numpy as np
from PIL import Image, ImageDraw


def draw(seed, size=96):
    """A picture that no other seed has."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 256, (3, 3, 3)).astype("uint8"))
    image = image.resize((size, size), Image.Resampling.BICUBIC)
    drawing = ImageDraw.Draw(image)
    for _ in range(8):
        left, top = random.uniform(0, 0.8 * size, 2)
        width, height = random.uniform(0.1 * size, 0.5 * size, 2)
        shape = (drawing.ellipse, drawing.rectangle)[random.integers(2)]
        shape((left, top, left + width, top + height), fill=tuple(random.integers(0, 256, 3)))
    return image
