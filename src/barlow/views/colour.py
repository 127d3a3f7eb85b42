"""Changes of the colours of a view.

Brightness, contrast, saturation, hue and grey are linear in the channels of a pixel: together they
are one small matrix and one offset per view.
"""

import math

import numpy as np
from keras import ops

from barlow.backend import Tensor

# From red, green and blue to luma and chroma (YIQ). The first row has the weights of grey.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_SOLARIZE_FROM = 128.0


def change_colours(
    views: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor
) -> Tensor:
    """Change brightness, contrast, saturation and hue, in this order, without clipping.

    Pillow and torchvision do the same, but clip in between, and turn the hue in HSV. In YIQ it is
    linear.

    Args:
        views: Shape ``[batch, views, width, channels, height]``. Saturation and hue need three
            channels; others keep theirs.
        brightness: Factor of the values, shape ``[batch, views]``, as the next three.
        contrast: Factor of the distance from the view's mean grey.
        saturation: Factor of the distance from the pixel's grey; with 0 the view is grey.
        hue: Rotation of the hue, as a fraction of the full circle.

    Returns:
        Views of the same shape.
    """
    channels = views.shape[3]
    grey = _TO_YIQ[0] if channels == 3 else np.full(channels, 1 / channels)
    mean = ops.sum(ops.mean(views, axis=(2, 4)) * ops.convert_to_tensor(grey, "float32"), axis=-1)
    gain = (brightness * contrast)[..., None, None, None]
    offset = (brightness * (1.0 - contrast) * mean)[..., None, None, None]
    if channels != 3:
        return gain * views + offset
    # Greys stay; the plane of chroma is rotated and scaled.
    still, along, across = (
        ops.convert_to_tensor(_FROM_YIQ @ np.array(part) @ _TO_YIQ, "float32")
        for part in (
            [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
            [[0, 0, 0], [0, 1, 0], [0, 0, 1]],
            [[0, 0, 0], [0, 0, 1], [0, -1, 0]],
        )
    )
    angle = 2.0 * math.pi * hue
    cosine, sine = (
        (saturation * part)[..., None, None] for part in (ops.cos(angle), ops.sin(angle))
    )
    matrix = still + cosine * along + sine * across
    matrix = gain * matrix[:, :, None]
    # Products with the matrix on the left would be many small ones, which XLA does not fuse.
    parts = (matrix[..., i : i + 1] * views[:, :, :, i : i + 1] for i in range(channels))
    return sum(parts, start=offset)


def solarize(views: Tensor, chosen: Tensor) -> Tensor:
    """Invert values from 128 on, as in an overexposed photograph.

    Args:
        views: Shape ``[batch, views, width, channels, height]``, values 0 .. 255.
        chosen: Whether a view is solarized, boolean, shape ``[batch, views]``.

    Returns:
        Views of the same shape.
    """
    inverted = chosen[..., None, None, None] & (views >= _SOLARIZE_FROM)
    return ops.where(inverted, 255.0 - views, views)
