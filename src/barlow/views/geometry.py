"""Where the pixels of a view come from, as matrices.

Resampling along one axis is a matrix with one row of weights per output pixel. Along two axes at
once, ``rows @ image @ columns'`` is every crop, zoom, flip and blur. Rotation and shear tie the
axes together: there each output pixel takes the few pixels of the image that it needs.

Weights are those of a triangle (bilinear) or of a cubic that widens with the reduction, so that a
reduced image has no aliasing; they agree with Pillow's resampling.
"""

import math
from collections.abc import Callable
from typing import Any

from keras import ops


def triangle(distance: Any) -> Any:
    """Weight of a pixel in bilinear interpolation, by its distance, >= 0."""
    return ops.relu(1.0 - distance)


def cubic(distance: Any) -> Any:
    """Weight of a pixel in bicubic interpolation, by its distance, >= 0.

    The kernel of Keys (1981, "Cubic convolution interpolation for digital image processing"),
    with a = -1/2. Its two pieces are written as powers of what is left to the ends of both.
    """
    far, near = ops.relu(2.0 - distance), ops.relu(1.0 - distance)
    return 0.5 * far * far * (far - 1.0) + near * near * (1.0 - 2.0 * near)


FILTERS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "bilinear": (triangle, 1),
    "bicubic": (cubic, 2),
}
"""Weight by distance, and the distance at which it has come to zero; both in pixels."""


def axis_weights(centres: Any, footprint: Any, size: int, interpolation: str) -> Any:
    """Antialiased weights of the ``size`` pixels of an axis, for samples at ``centres``.

    Args:
        centres: Positions in pixels; pixel ``k`` covers ``k .. k + 1``. Shape ``[..., points]``.
            Positions outside the image count as on its border.
        footprint: Distance between neighbouring samples, in pixels, shape ``[..., 1]``.
        size: Number of pixels along the axis.
        interpolation: A key of ``FILTERS``.

    Returns:
        Weights of shape ``[..., points, size]`` which sum to one over the last axis.
    """
    weight, _ = FILTERS[interpolation]
    centres = ops.clip(centres, 0.0, size)
    widening = ops.maximum(footprint, 1.0)[..., None]
    pixels = ops.arange(size, dtype="float32") + 0.5
    weights = weight(ops.abs(pixels - centres[..., None]) / widening)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def gaussian_weights(sigma: Any, size: int) -> Any:
    """Blur along one axis, the border continued by what is inside.

    Args:
        sigma: Standard deviation in pixels, > 0, shape ``[..., 1]``. Far below one pixel it
            leaves everything as it is.
        size: Number of pixels along the axis.

    Returns:
        Weights of shape ``[..., size, size]`` which sum to one over the last axis.
    """
    pixels = ops.arange(size, dtype="float32")
    distance = (pixels[:, None] - pixels[None, :]) / sigma[..., None]
    weights = ops.exp(-0.5 * ops.square(distance))
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def resample_axes(images: Any, rows: Any, columns: Any) -> Any:
    """``rows @ image @ columns'`` for every image, view and channel.

    The channels of the views are between rows and columns, so that both products are plain
    products of large matrices: several times as fast as with the channels last.

    Args:
        images: Shape ``[batch, height, width, channels]``.
        rows: Weights of shape ``[batch, views, new height, height]``.
        columns: Weights of shape ``[batch, views, new width, width]``.

    Returns:
        Views of shape ``[batch, views, new height, channels, new width]``.
    """
    height, width, channels = images.shape[1:]
    views, new_height = rows.shape[1:3]
    lines = ops.matmul(
        ops.reshape(rows, (-1, views * new_height, height)),
        ops.reshape(ops.transpose(images, (0, 1, 3, 2)), (-1, height, channels * width)),
    )
    columns = ops.transpose(columns, (0, 1, 3, 2))
    views_ = ops.matmul(ops.reshape(lines, (-1, views, new_height * channels, width)), columns)
    return ops.reshape(views_, (-1, views, new_height, channels, columns.shape[-1]))


def resample_points(
    images: Any,
    y: Any,
    x: Any,
    footprint_y: Any,
    footprint_x: Any,
    largest: float,
    interpolation: str,
) -> Any:
    """Sample every image at points, each with the weights of :func:`axis_weights` along both axes.

    Args:
        images: Shape ``[batch, height, width, channels]``.
        y: Rows of the points, as ``centres`` of :func:`axis_weights`, ``[batch, views, points]``.
        x: Their columns, likewise.
        footprint_y: Distance between neighbouring samples along y, ``[batch, views, 1]``.
        footprint_x: The same along x.
        largest: No footprint is larger.
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
    centres: Any, footprint: Any, size: int, largest: float, interpolation: str
) -> list[tuple[Any, Any]]:
    """The pixels of an axis that samples take: their indices and weights."""
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
