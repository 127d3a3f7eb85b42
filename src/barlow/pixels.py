"""What an image is: the values of its pixels, and which sizes are small."""

from typing import Any

from barlow.errors import InvalidInput

SMALL = 64
"""Shorter side in pixels up to which an image is small: halving it at once loses too much."""


def is_small(image_shape: tuple[int, ...]) -> bool:
    """Whether the shorter side of images ``(height, width, channels)`` is small.

    Example:
        >>> from barlow import pixels
        >>> pixels.is_small((32, 32, 3)), pixels.is_small((224, 224, 3))
        (True, False)
    """
    return min(image_shape[:2]) <= SMALL


def factor_to_255(values: Any) -> int:
    """Factor that brings pixel values to 0 .. 255.

    Floats that all lie within 0 .. 1 are fractions of 255. Integers stay as they are.

    Args:
        values: NumPy array of pixel values, any shape, any dtype of numbers, not empty.

    Returns:
        1 or 255.

    Raises:
        InvalidInput: If the dtype is not numeric, or values are NaN, below 0 or above 255.

    Example:
        >>> from barlow import pixels
        >>> pixels.factor_to_255(np.array([0.0, 0.5])), pixels.factor_to_255(np.array([0, 1]))
        (255, 1)
    """
    if values.dtype.kind not in "uif":
        raise InvalidInput(f"Pixels must be numbers. Received: dtype {values.dtype}.")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # also where either is NaN
        raise InvalidInput(
            f"Pixels must have values from 0 to 255. Received: values from {low} to {high}. "
            "Rescale them, without subtracting a mean: the encoder does what it needs."
        )
    return 255 if values.dtype.kind == "f" and 0 < high <= 1 else 1
