"""What scikit-learn calls ``X``: arrays of images, rows of pixels, paths, rows of a table."""

import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import data, pixels, resizing
from barlow.errors import InvalidInput

Shape = tuple[int | None, ...]
"""Of one input; ``None`` is any size. ``()``: not known."""

Check = Callable[..., NDArray[Any]]
"""Checks an array of two axes as scikit-learn does, for a ``dtype``."""


def as_inputs(
    x: Any,
    shape: Shape,
    check: Check,
    scale: pixels.Scale | None = None,
    options: Mapping[str, str] = resizing.RECOMMENDED,
    start: Shape = (),
) -> tuple[data.Images, pixels.Scale]:
    """Inputs as an encoder takes them, and what brings their values to 0 .. 255.

    Args:
        x: Inputs, see :class:`barlow.estimator.BarlowTransformer`.
        shape: Their shape, as far as it is known.
        check: What checks rows.
        scale: What brought the values of the first inputs to 0 .. 255. Defaults to ``None``: these
            are the first.
        options: How image files come to their size, as for :func:`barlow.data.load`.
        start: Shape of what the weights to start from take: of files of which nothing says it.

    Raises:
        ValueError: If they are nothing that an encoder takes, or of another shape.
    """
    if isinstance(x, str | os.PathLike):
        raise InvalidInput(
            "`X` must have one entry for every image, such as the paths "
            f"sorted(pathlib.Path({os.fspath(x)!r}).rglob('*.jpg')). Received: one path."
        )
    axes, is_image = x.ndim if hasattr(x, "ndim") else np.asarray(x).ndim, len(shape) == 3
    if axes == 1 and all(isinstance(path, str | os.PathLike) for path in x):
        found = _load([*x], shape or start, options)
        return _of_shape(found, shape), scale or pixels.EIGHT_BITS
    if axes < 3:
        x = check(x, dtype="numeric" if is_image else "float32")
        x = _unflattened(x, shape) if is_image else x
    x = np.asarray(x)
    if x.ndim < 3 or len(shape) == 2:  # rows of a table; signals, for an encoder of these
        inputs = data.Images(x.astype("float32", copy=False))
        return _of_shape(inputs, shape), pixels.EIGHT_BITS
    if scale is None:
        return _of_shape(data.from_array(x), shape), pixels.scale_for(pixels.range_of(x))
    x = x[..., None] if x.ndim == 3 else x
    return _of_shape(data.Images(_scaled(x, scale)), shape), scale


def as_shape(image_shape: Any) -> Shape:
    """The shape of images that a user gives: ``()`` for ``None``."""
    if image_shape is None:
        return ()
    if (
        not isinstance(image_shape, Sequence)
        or len(image_shape) not in (2, 3)
        or not all(isinstance(size, int | np.integer) and size > 0 for size in image_shape)
    ):
        raise InvalidInput(
            "`image_shape` must be (height, width) or (height, width, channels), whole numbers. "
            f"Received: {image_shape!r}."
        )
    return (*image_shape, None)[:3]


def joined(shape: Shape, other: Shape) -> Shape:
    """A shape whose open sizes are those of another one."""
    if not shape or not other:
        return shape or other
    if len(shape) != len(other):
        raise InvalidInput(
            f"The encoder takes inputs of shape {shape}, not images of shape {other}: leave "
            "`image_shape` out."
        )
    return tuple(size or more for size, more in zip(shape, other, strict=True))


def check_read(skipped: Sequence[tuple[str, str]]) -> None:
    """Refuse images that cannot be read: a row of the result would be missing.

    Args:
        skipped: Where each of them is, and why.
    """
    for where, why in skipped[:1]:
        raise InvalidInput(
            f"Images that cannot be read: {len(skipped)}. Every input must have a vector, so leave "
            f"them out of `X`. The first is {where}: {why}"
        )


def _load(paths: list[Any], shape: Shape, options: Mapping[str, Any]) -> data.Images:
    """Images of files, one each."""
    height, width, channels = shape if len(shape) == 3 else (None, None, None)
    size = None if height is None or width is None else (height, width)
    images = data.load(paths, size, channels, **options)
    check_read(images.skipped)
    if len(images) != len(paths):
        raise InvalidInput(
            f"Every path must be one image. Received: {len(paths)} paths of {len(images)} images. "
            "List the files of a folder one by one."
        )
    return dataclasses.replace(images, size_is_open=False)  # later ones are brought to this size


def _unflattened(rows: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Rows of pixels as images; if the number of channels is open it is 1."""
    sizes = [size or 1 for size in shape]
    if None in shape[:2] or math.prod(sizes) != rows.shape[1]:
        raise InvalidInput(
            f"Rows of pixels of images {tuple(sizes)} (height, width, channels) have "
            f"{math.prod(sizes)} values. Received: rows of {rows.shape[1]}. Set `image_shape` to "
            "the shape of the images."
        )
    return rows.reshape(-1, *sizes)


def _of_shape(inputs: data.Images, shape: Shape) -> data.Images:
    """The inputs, if they have the shape."""
    found = tuple(inputs.pixels.shape[1:])
    fits = len(found) == len(shape) and all(
        size in (None, own) for size, own in zip(shape, found, strict=True)
    )
    if shape and not fits:
        raise InvalidInput(
            f"Inputs must have the shape {shape}, of which None is any size. Received: inputs of "
            f"shape {found}."
        )
    return inputs


def _scaled(values: NDArray[Any], scale: pixels.Scale) -> NDArray[Any]:
    """Values of images brought to 0 .. 255 as those of the first images were.

    Later images may be dark, or few: what their values are is not to be seen from them.
    """
    found, is_float = pixels.range_of(values), values.dtype.kind == "f"
    beyond = pixels.BEYOND * scale.top if is_float else 0
    inside = -beyond <= found.low and found.high <= scale.top + beyond  # False for NaN
    fractions = is_float and scale.top > 1 and 0 < found.high <= 1
    if not inside or fractions:
        raise InvalidInput(
            f"The images of `fit` had values from 0 to {scale.top:g}. Received: values from "
            f"{found.low:.6g} to {found.high:.6g}. Give all images on the same scale, without NaN."
        )
    return scale(values)
