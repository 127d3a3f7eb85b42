"""Where the pixels of a view come from, as matrices.

Resampling along one axis is a matrix with one row of weights per output pixel. Along both axes,
``rows @ image @ columns'`` is any crop, zoom, flip and blur. Rotation and shear couple the axes:
there each output pixel gathers the few pixels of the image that it needs.

Weights are those of a triangle (bilinear) or a cubic that widens as the image is reduced, so that
there is no aliasing. They agree with Pillow's resampling.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from keras import ops

from barlow.backend import Tensor

_BLOCK = 20  # points; shorter blocks copy more pixels, longer ones multiply by more zeros
_BLUR_REACH = 4  # standard deviations; less than 1e-4 of a blur lies beyond


def triangle(distance: Tensor) -> Tensor:
    """Weight of a pixel in bilinear interpolation, by its distance, >= 0."""
    return ops.relu(1.0 - distance)


def cubic(distance: Tensor) -> Tensor:
    """Weight of a pixel in bicubic interpolation, by its distance, >= 0.

    The kernel of Keys (1981, "Cubic convolution interpolation for digital image processing"),
    with a = -1/2. Its two pieces are polynomials in the distances to their ends.
    """
    far, near = ops.relu(2.0 - distance), ops.relu(1.0 - distance)
    return 0.5 * far * far * (far - 1.0) + near * near * (1.0 - 2.0 * near)


FILTERS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "bilinear": (triangle, 1),
    "bicubic": (cubic, 2),
}
"""Weight by distance, and the distance from which it is zero, both in pixels; by interpolation."""


class AxisWeights(NamedTuple):
    """Weights of the pixels of an axis for the points of views, in blocks of neighbouring points.

    A point takes few of the pixels, and a block of points few more. A block holds these alone.
    """

    first: Tensor | None
    """First pixel of each block, shape ``[batch, views, blocks]``; ``None`` where a single block
    takes all pixels."""
    weights: Tensor
    """Shape ``[batch, views, blocks, points, pixels]``, with sum 1 over the last axis."""
    points: int
    """Points of all blocks. The last block may have more, without meaning."""


def axis_weights(
    middle: Tensor,
    step: Tensor,
    points: int,
    size: int,
    interpolation: str,
    largest: float,
    sigma: Tensor | None = None,
    largest_sigma: float = 0.0,
) -> AxisWeights:
    """Antialiased weights of the pixels of an axis for evenly spaced points, maybe blurred.

    Args:
        middle: Middle of the points, in pixels; pixel ``k`` covers ``k .. k + 1``. Shape
            ``[batch, views]``. Points outside the image take its border.
        step: Distance from a point to the next, in pixels, negative for a flip, ``[batch, views]``.
        points: Number of points.
        size: Number of pixels along the axis.
        interpolation: A key of ``FILTERS``.
        largest: Upper bound of the steps, in pixels.
        sigma: Standard deviation of a Gaussian blur of the points, in points, > 0, shape
            ``[batch, views]``; far below 1 it has no effect. The blur ends at the first and the
            last point. Defaults to ``None``, no blur.
        largest_sigma: Upper bound of the standard deviations, in points. Defaults to 0.
    """
    weight, support = FILTERS[interpolation]
    reach = support * max(largest, 1.0)
    blocks = math.ceil(points / _BLOCK)
    length = math.ceil(points / blocks)
    margin = 0 if sigma is None else math.ceil(_BLUR_REACH * largest_sigma)
    window = math.ceil((length - 1 + 2 * margin) * largest + 2 * reach) + 1
    if blocks == 1 or window > size / 2:  # blocks would save little
        blocks, length, margin, window = 1, points, 0, size
    # The points of each block, with margins on both sides for the blur.
    point = length * ops.arange(blocks, dtype="float32")[:, None] - margin
    point = point + ops.arange(length + 2 * margin, dtype="float32")
    middle, step = middle[..., None, None], step[..., None, None]
    centres = ops.clip(middle + step * (point - (points - 1) / 2), 0.0, size)
    pixels = ops.arange(window, dtype="float32") + 0.5
    first = None
    if blocks > 1:
        first = ops.floor(ops.min(centres, axis=-1) - reach + 0.5)
        first = ops.clip(first, 0.0, size - window)
        pixels = first[..., None, None] + pixels
        first = ops.cast(first, "int32")
    widening = ops.maximum(ops.abs(step), 1.0)[..., None]
    weights = _to_sum_of_one(weight(ops.abs(pixels - centres[..., None]) / widening))
    if sigma is not None:
        inside = ops.cast((point >= 0) & (point < points), "float32")[:, None, :]
        distance = margin + np.subtract.outer(np.arange(length), np.arange(length + 2 * margin))
        distance = ops.convert_to_tensor(distance, "float32") / sigma[..., None, None, None]
        blur = _to_sum_of_one(inside * ops.exp(-0.5 * ops.square(distance)))
        weights = ops.matmul(blur, weights)  # cheaper than blurring: the matrices are smaller
    return AxisWeights(first, weights, points)


def _to_sum_of_one(weights: Tensor) -> Tensor:
    """Weights with sum 1 over the last axis; all zeros remain."""
    return weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1e-30)


def resample_axes(images: Tensor, rows: AxisWeights, columns: AxisWeights) -> Tensor:
    """``rows @ image @ columns'`` for every image, view and channel.

    The channels of the views lie between columns and rows. So all products are plain products of
    large matrices, several times as fast as with the channels last, and all transpositions are
    those of plain matrices.

    Args:
        images: Shape ``[batch, height, width, channels]``.
        rows: Weights of the new rows.
        columns: Weights of the new columns.

    Returns:
        Views of shape ``[batch, views, new width, channels, new height]``.
    """
    height, width, channels = images.shape[1:]
    lines = ops.reshape(images, (-1, height, width * channels))
    if rows.first is None and columns.first is None:
        # Both views of an image in one product, and no transposition between the axes.
        views = columns.weights.shape[1]
        lines = ops.matmul(
            ops.reshape(columns.weights, (-1, views * columns.points, width)),
            ops.reshape(ops.transpose(lines, (0, 2, 1)), (-1, width, channels * height)),
        )
        views_ = ops.matmul(
            ops.reshape(lines, (-1, views, columns.points * channels, height)),
            ops.transpose(rows.weights[:, :, 0], (0, 1, 3, 2)),
        )
    else:
        lines = _resample_first_axis(lines[:, None], rows)
        views = lines.shape[1]
        lines = ops.transpose(lines, (0, 1, 3, 2))
        lines = ops.reshape(lines, (-1, views, width, channels * rows.points))
        views_ = _resample_first_axis(lines, columns)
    return ops.reshape(views_, (-1, views, columns.points, channels, rows.points))


def _resample_first_axis(lines: Tensor, axis: AxisWeights) -> Tensor:
    """From ``[batch, views or 1, pixels, values]`` to ``[batch, views, points, values]``."""
    given, pixels, values = lines.shape[1:]
    views, blocks, length, window = axis.weights.shape[1:]
    if axis.first is None:
        blocks_of_lines = lines[:, :, None]
    else:
        start = pixels * ops.arange(given * ops.shape(lines)[0], dtype="int32")
        start = ops.reshape(start, (-1, given, 1)) + axis.first
        taken = start[..., None] + ops.arange(window, dtype="int32")
        blocks_of_lines = ops.take(ops.reshape(lines, (-1, values)), taken, axis=0)
    resampled = ops.matmul(axis.weights, blocks_of_lines)
    resampled = ops.reshape(resampled, (-1, views, blocks * length, values))
    return resampled[:, :, : axis.points]


def resample_points(
    images: Tensor,
    y: Tensor,
    x: Tensor,
    footprint_y: Tensor,
    footprint_x: Tensor,
    largest: float,
    interpolation: str,
) -> Tensor:
    """Sample every image at points, each with the weights of :func:`axis_weights` along both axes.

    Args:
        images: Shape ``[batch, height, width, channels]``.
        y: Rows of the points, in pixels as ``middle`` of :func:`axis_weights`, shape
            ``[batch, views, points]``.
        x: Columns of the points, likewise.
        footprint_y: Distance between neighbouring samples along y, ``[batch, views, 1]``.
        footprint_x: The same along x.
        largest: Upper bound of the footprints.
        interpolation: A key of ``FILTERS``.

    Returns:
        Values of shape ``[batch, views, points, channels]``.
    """
    batch, (height, width, channels) = ops.shape(images)[0], images.shape[1:]
    pixels = ops.reshape(images, (-1, channels))
    first = height * width * ops.arange(batch, dtype="int32")[:, None, None]
    rows = _taps(y, footprint_y, height, largest, interpolation)
    columns = _taps(x, footprint_x, width, largest, interpolation)
    values = 0.0
    for row, row_weight in rows:
        line = 0.0
        for column, column_weight in columns:
            taken = ops.take(pixels, first + row * width + column, axis=0)
            line += column_weight[..., None] * taken
        values += row_weight[..., None] * line
    return values


def _taps(
    centres: Tensor, footprint: Tensor, size: int, largest: float, interpolation: str
) -> list[tuple[Tensor, Tensor]]:
    """Pixels of an axis that samples take: indices and weights, of the shape of ``centres``."""
    weight, support = FILTERS[interpolation]
    reach = support * max(largest, 1.0)
    centres = ops.clip(centres, 0.0, size)
    widening = ops.maximum(footprint, 1.0)
    first = ops.floor(centres - reach + 0.5)
    taps = []
    for tap in range(math.ceil(2 * reach)):
        pixel = first + tap
        inside = ops.cast((pixel >= 0) & (pixel < size), "float32")
        weights = inside * weight(ops.abs(pixel + 0.5 - centres) / widening)
        taps.append((ops.cast(ops.clip(pixel, 0, size - 1), "int32"), weights))
    total = sum(weights for _, weights in taps)
    return [(pixel, weights / total) for pixel, weights in taps]
