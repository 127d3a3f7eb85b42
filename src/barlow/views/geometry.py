"""Where the pixels of a view come from, as matrices.

Resampling along one axis is a matrix with one row of weights per output pixel. Along two axes at
once, ``rows @ image @ columns'`` is every crop, zoom, flip and blur. Rotation and shear tie the
axes together: there each output pixel has a row and a column of weights of its own.

Weights are those of a triangle filter which widens with the reduction, so that a reduced image
has no aliasing (Pillow's and TensorFlow's antialiased bilinear resampling).
"""

from typing import Any

from keras import ops


def triangle_weights(centres: Any, footprint: Any, size: int) -> Any:
    """Antialiased bilinear weights of ``size`` pixels for samples at ``centres``.

    Args:
        centres: Positions in pixels; pixel ``k`` covers ``k .. k + 1``. Shape ``[batch, points]``.
            Positions outside the image take its border.
        footprint: Distance between neighbouring samples, in pixels, shape ``[batch, 1]``.
        size: Number of pixels along the axis.

    Returns:
        Weights of shape ``[batch, points, size]`` which sum to one over the last axis.
    """
    centres = ops.clip(centres, 0.5, size - 0.5)
    support = ops.maximum(footprint, 1.0)[..., None]
    pixels = ops.arange(size, dtype="float32") + 0.5
    weights = ops.relu(1.0 - ops.abs(pixels - centres[..., None]) / support)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def gaussian_weights(sigma: Any, size: int) -> Any:
    """Blur along one axis, the border continued by what is inside.

    Args:
        sigma: Standard deviation in pixels, > 0, shape ``[batch, 1]``.
        size: Number of pixels along the axis.

    Returns:
        Weights of shape ``[batch, size, size]`` which sum to one over the last axis.
    """
    pixels = ops.arange(size, dtype="float32")
    distance = (pixels[:, None] - pixels[None, :]) / sigma[..., None]
    weights = ops.exp(-0.5 * ops.square(distance))
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def resample_axes(images: Any, rows: Any, columns: Any) -> Any:
    """``rows @ image @ columns'`` for every image and channel.

    Args:
        images: Shape ``[batch, height, width, channels]``.
        rows: Weights of shape ``[batch, new height, height]``.
        columns: Weights of shape ``[batch, new width, width]``.

    Returns:
        Images of shape ``[batch, new height, new width, channels]``.
    """
    images = ops.einsum("byh,bhwc->bywc", rows, images)
    return ops.einsum("bxw,bywc->byxc", columns, images)


def resample_points(images: Any, rows: Any, columns: Any) -> Any:
    """Sample every image at points, each the product of one row and one column of weights.

    Args:
        images: Shape ``[batch, height, width, channels]``.
        rows: Weights of shape ``[batch, points, height]``.
        columns: Weights of shape ``[batch, points, width]``.

    Returns:
        Values of shape ``[batch, points, channels]``.
    """
    lines = ops.einsum("bph,bhwc->bpwc", rows, images)
    return ops.einsum("bpw,bpwc->bpc", columns, lines)
