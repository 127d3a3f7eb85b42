"""What an image is: which values its pixels may have, and which sizes are small.

One rule brings values to 0 .. 255, for arrays and for files, and always for a whole set:

| values of the set | what they are | they become |
|---|---|---|
| booleans, or integers 0 and 1 | masks | times 255 |
| integers from 0 to at least 32, at most 255 | 8 bits | as they are |
| integers above 255 | 10, 12, 14 or 16 bits, the fewest that hold them | times 255 / (2^bits - 1) |
| floats from 0 to 1 | fractions | times 255 |
| floats from 0 to at least 32, at most 255 | 8 bits | as they are |

Floats may exceed their range a little, as after a bicubic resize: they are clipped. All else is
refused: it could be classes, shades of few bits, images without their mean, or Hounsfield units.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput

SMALL = 64
"""Shorter side in pixels up to which an image is small: halving it at once loses too much."""

_DEPTHS = (10, 12, 14, 16)  # bits
_CHANNELS = (1, 2, 3, 4)
_FEW = 32  # shades: with fewer it is not known what they are
BEYOND = 0.25  # of a range: floats may exceed it by so much,
_RARE = 0.05  # if no more than this fraction of them does
_CHUNK = 2**22  # values to work on at a time
_ENOUGH = 2**18  # values that tell what the others are like
_DARK, _FLAT = 32, 2  # of 255: nearly black below the one, nearly constant below the other


def is_small(image_shape: tuple[int, ...]) -> bool:
    """Whether the shorter side of images ``(height, width, channels)`` is small.

    Example:
        >>> from barlow import pixels
        >>> pixels.is_small((32, 32, 3)), pixels.is_small((224, 224, 3))
        (True, False)
    """
    return min(image_shape[:2]) <= SMALL


def check_order(shape: tuple[int | None, ...]) -> None:
    """Refuse images whose channels come first, as in PyTorch.

    Args:
        shape: Of images.

    Raises:
        InvalidInput: If it is ``[images, channels, height, width]``.
    """
    if len(shape) != 4:
        return
    _, first, *_, last = shape
    if first in _CHANNELS and last is not None and last > _CHANNELS[-1]:
        raise InvalidInput(
            f"The channels of images come last. Received: shape {tuple(shape)}, where they seem "
            "to come first: take np.transpose(images, (0, 2, 3, 1))."
        )


@dataclasses.dataclass(frozen=True)
class Range:
    """Which values there are, of an image or of a set: ``a + b`` is that of both.

    Args:
        kind: ``"b"`` booleans, ``"i"`` integers, ``"f"`` floats.
        low: Smallest value; NaN if there is any.
        high: Largest value.
        count: Number of values.
        beyond_1: Number of floats outside 0 .. 1.
        beyond_255: Number of floats outside 0 .. 255.
    """

    kind: str
    low: float
    high: float
    count: int
    beyond_1: int = 0
    beyond_255: int = 0

    def __add__(self, other: "Range") -> "Range":
        return Range(
            max(self.kind, other.kind, key="bif".index),
            float(np.minimum(self.low, other.low)),  # of NaN and a number it is NaN
            float(np.maximum(self.high, other.high)),
            self.count + other.count,
            self.beyond_1 + other.beyond_1,
            self.beyond_255 + other.beyond_255,
        )


@dataclasses.dataclass(frozen=True)
class Scale:
    """How the values of a set become 0 .. 255: clipped to ``0 .. top``, times ``255 / top``.

    Args:
        top: Value that becomes 255.
        note: What is done, one sentence; ``""`` if nothing.
    """

    top: float = 255
    note: str = ""

    @property
    def changes(self) -> bool:
        """Whether any value becomes another."""
        return bool(self.note)

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values 0 .. 255: of floats as float32, of others as uint8. No copy if none is needed."""
        dtype = "float32" if values.dtype.kind == "f" else "uint8"
        if not self.changes:
            return values.astype(dtype, copy=False)
        scaled = np.empty(values.shape, dtype)
        for rows in _chunks(values):
            part = np.clip(values[rows], 0, self.top).astype("float32") * np.float32(255 / self.top)
            scaled[rows] = part if dtype == "float32" else np.rint(part)
        return scaled


EIGHT_BITS = Scale()
"""Changes nothing."""

SIXTEEN_BITS = Scale(2**16 - 1, "Values of 16 bits were multiplied by 255 / 65535.")
"""Divides by 257."""

MASK = Scale(1, "Integers 0 and 1 were multiplied by 255.")
"""Makes 1 white."""


def range_of(values: NDArray[Any]) -> Range:
    """Range of the values of an array, with little memory beside it.

    Args:
        values: Any shape, not empty.

    Raises:
        InvalidInput: If they are not numbers.

    Example:
        >>> from barlow import pixels
        >>> pixels.range_of(np.array([0.0, 0.5, 1.25])).beyond_1
        1
    """
    if values.dtype.kind not in "buif":
        raise InvalidInput(f"Pixels must be numbers. Received: dtype {values.dtype}.")
    kind, values = values.dtype.kind.replace("u", "i"), np.atleast_1d(values)
    whole = Range(kind, float(values.min()), float(values.max()), values.size)
    if kind != "f" or (whole.low >= 0 and whole.high <= 1):
        return whole
    beyond = [0, 0]
    for rows in _chunks(values):
        part = values[rows]
        for place, top in enumerate((1, 255)):
            beyond[place] += int(np.count_nonzero((part < 0) | (part > top)))
    return dataclasses.replace(whole, beyond_1=beyond[0], beyond_255=beyond[1])


def scale_for(values: Range) -> Scale:
    """The rule of this module.

    Args:
        values: Range of the whole set.

    Raises:
        InvalidInput: If it is not known what the values are.

    Example:
        >>> from barlow import pixels
        >>> pixels.scale_for(pixels.Range("i", 0, 4000, 100)).note
        'Values up to 4000 are of 12 bits: they were multiplied by 255 / 4095.'
    """
    low, high = values.low, values.high
    if values.kind == "b":
        return Scale(1, "Booleans were multiplied by 255.")
    if 0 <= low == high <= 255 and not (values.kind == "f" and 0 < high <= 1):
        return Scale()  # constant
    scale = _of_floats(values) if values.kind == "f" else _of_integers(values)
    if scale is None:
        raise InvalidInput(
            "Pixels must have values from 0 to 255, or fractions from 0 to 1, or be integers of "
            f"10 to 16 bits. Received: values from {low:.6g} to {high:.6g}. {_way_out(values)}"
        )
    return scale


def is_mask(values: Range) -> bool:
    """Whether all values are 0 and 1.

    A file of 8 bits says what its values are, so that few shades are dark images, and a mask alone
    is not taken at its word.
    """
    return values.kind == "b" or (values.kind == "i" and (values.low, values.high) == (0, 1))


def is_dark(values: Range) -> bool:
    """Whether values are so small that they may not be of 8 bits."""
    return values.high < _FEW


def check_possible(values: Range) -> None:
    """Refuse an image as no set can have it, whatever the other images are.

    Args:
        values: Range of an image.

    Raises:
        InvalidInput: If values are NaN, negative, or have more than 16 bits.
    """
    lowest = -BEYOND * 255 if values.kind == "f" else 0
    if not (lowest <= values.low and values.high < 2 ** _DEPTHS[-1]):
        scale_for(dataclasses.replace(values, beyond_1=values.count, beyond_255=values.count))


def doubts(values: NDArray[Any]) -> list[str]:
    """Sentences, with figures, on images from which there is nearly nothing to learn.

    Args:
        values: Some images of a set, values 0 .. 255, any shape.

    Example:
        >>> from barlow import pixels
        >>> pixels.doubts(np.zeros((2, 8, 8, 1)))
        ['The images are nearly constant: the standard deviation of their values is 0.0 of 255.']
    """
    if not values.size:
        return []
    some = values.reshape(-1)[:: values.size // _ENOUGH | 1]  # odd: of all channels
    deviation, bright = float(np.std(some)), float(np.quantile(some, 0.99))
    if deviation < _FLAT:
        return [
            "The images are nearly constant: the standard deviation of their values is "
            f"{deviation:.1f} of 255."
        ]
    if bright < _DARK:
        return [f"The images are nearly black: 99 % of their values are at most {bright:.0f}."]
    return []


def _of_integers(values: Range) -> Scale | None:
    low, high = values.low, values.high
    if low < 0 or not high < 2 ** _DEPTHS[-1] or 1 < high < _FEW or 255 < low == high:
        return None
    if high == 1:
        return MASK
    if high <= 255:
        return Scale()
    depth = next(bits for bits in _DEPTHS if high < 2**bits)
    top = 2**depth - 1
    note = f"Values up to {high:.0f} are of {depth} bits: they were multiplied by 255 / {top}."
    return Scale(top, note)


def _of_floats(values: Range) -> Scale | None:
    low, high = values.low, values.high
    for top, beyond in ((1, values.beyond_1), (255, values.beyond_255)):
        few = top > 1 and high < _FEW
        near = -BEYOND * top <= low and high <= (1 + BEYOND) * top  # False for NaN
        if few or not near or beyond > _RARE * values.count:
            continue
        clipped = f" Values beyond that were clipped: {beyond}." if beyond else ""
        if top == 1:
            return Scale(1, f"Values from 0 to 1 were multiplied by 255.{clipped}")
        return Scale(255, f"Values are from 0 to 255.{clipped}") if beyond else Scale()
    return None


def _way_out(values: Range) -> str:
    low, high = values.low, values.high
    if not (math.isfinite(low) and math.isfinite(high)):
        return "Replace NaN and Inf first."
    if -1.01 <= low < 0 and high <= 1.01:
        return "Are they scaled to -1 .. 1? Then take (images + 1) / 2."
    if low < 0:
        return (
            "Shift and divide them so that 0 is the smallest possible value and 1 the largest, "
            "without subtracting a mean: the encoder does what it needs."
        )
    if high < _FEW:
        return (
            "Are they classes, or few shades? Divide them by their largest possible value, such "
            "as images / 16, if they are images at all."
        )
    return "Divide them by their largest possible value."


def _chunks(values: NDArray[Any]) -> Iterable[slice]:
    """Parts of an array along its first axis, of each of which copies take little memory."""
    rows = max(1, _CHUNK * len(values) // max(1, values.size))
    return [slice(first, first + rows) for first in range(0, len(values), rows)]
