"""What a published network computes of the values of an image, as layers of Keras."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike, NDArray


class Preprocessing(NamedTuple):
    """Of a pixel ``[3]``: ``(pixel - mean) / deviation``."""

    flips: bool
    """Whether the channels are flipped first."""
    mean: NDArray[Any]
    deviation: NDArray[Any]

    @property
    def changes(self) -> bool:
        """Whether it changes any value."""
        return bool(self.flips or (self.mean != 0).any() or (self.deviation != 1).any())


def found_in(function: Callable[[NDArray[np.float64]], NDArray[Any]]) -> Preprocessing:
    """What a function computes that maps every pixel alike, and linearly.

    Black and the three colours show it.

    Args:
        function: From images ``[batch, height, width, 3]``, values 0 .. 255, to the same shape.
    """
    found = function(np.vstack([np.zeros(3), 255 * np.eye(3)])[None, None])[0, 0]
    offset, matrix = found[0], (found[1:] - found[0]) / 255
    scale = matrix.sum(0)  # of each output, which has one input
    return Preprocessing(bool(matrix[0, 0] == 0), -offset / scale, 1 / scale)


def prepared(images: Any, how: Preprocessing) -> Any:
    """Images of 3 channels as a network takes them, or grey ones, whose channel is repeated.

    Args:
        images: Values 0 .. 255, symbolic, shape ``[batch, height, width, 1 or 3]``.
        how: What is computed.

    Returns:
        Shape ``[batch, height, width, 3]``.
    """
    if images.shape[-1] == 1:
        images = layers.Concatenate()([images] * 3)
    if not how.changes:
        return images
    if how.flips:
        images = ops.flip(images, axis=-1)
    return normalized(images, how.mean, how.deviation)


def normalized(x: Any, mean: ArrayLike, deviation: ArrayLike) -> keras.KerasTensor:
    """``(x - mean) / deviation`` for each channel, the last axis.

    Not by ``Rescaling``: which axis its scales are for depends on a global setting.
    """
    return layers.Normalization(axis=-1, mean=mean, variance=np.square(deviation))(x)
