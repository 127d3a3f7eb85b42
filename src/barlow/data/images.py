"""Images in memory, in the one format that everything after them expects."""

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of one size, and their labels if the source has any.

    Args:
        pixels: Shape ``[images, height, width, channels]``, values 0 .. 255, uint8 or float32.
        labels: One label per image, shape ``[images]``, or ``None``.
        notes: What was done to the images on the way, one sentence each.
    """

    pixels: np.ndarray
    labels: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)


def from_array(array: Any, labels: Any = None) -> Images:
    """Images from an array, checked.

    Args:
        array: Shape ``[images, height, width]`` or ``[images, height, width, channels]`` with 1
            or 3 channels. Values 0 .. 255; a float array within 0 .. 1 is recognised.
        labels: One label per image, shape ``[images]`` or ``[images, 1]``, or ``None``.

    Returns:
        The images: integers as uint8, floats as float32.

    Raises:
        ValueError: If the shape, the values or the number of labels do not fit.

    Example:
        >>> barlow.data.from_array(np.zeros((10, 8, 8))).pixels.shape
        (10, 8, 8, 1)
    """
    array, notes = np.asarray(array), []
    shape = array.shape
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise ValueError(
            "Images must be an array of shape [images, height, width] or [images, height, "
            f"width, channels] with 1 or 3 channels. Received: shape {shape}."
        )
    if array.dtype.kind not in "uif":
        raise ValueError(f"Pixels must be numbers. Received: dtype {array.dtype}.")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):  # also where either is not a number
        raise ValueError(
            f"Pixels must lie between 0 and 255. Received: values from {low} to {high}; "
            "rescale them."
        )
    if array.dtype.kind == "f":
        array = array.astype("float32")
        if 0 < high <= 1:
            array *= 255
            notes.append("Values lie between 0 and 1: they were multiplied by 255.")
    else:
        array = array.astype("uint8")
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape == (len(array), 1):  # as in keras.datasets.cifar10
            labels = labels[:, 0]
        if labels.shape != (len(array),):
            raise ValueError(
                f"There must be one label per image, shape ({len(array)},). "
                f"Received: labels of shape {labels.shape}."
            )
    return Images(array, labels, tuple(notes))
