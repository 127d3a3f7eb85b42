"""Columns of zero mean and unit deviation, and the gradient through them.

``A = (z - mean(z)) / std(z)`` per column, with the biased variance ``1/N sum (z - mean)^2``.
A column without variance becomes zeros.
"""

import math

import keras
import numpy as np
from keras import ops

from barlow import backend
from barlow.backend import Tensor

# A column counts as constant if its deviation is within this many rounding errors of its mean. The
# mean itself is off by up to one, and a value that was computed twice by another.
_ROUNDINGS = 4.0
_LIMITS = {dtype: np.finfo(dtype) for dtype in ("float32", "float64")}
# Size of a matrix from which one fused operation is faster.
_FUSED_NUMBERS = 2**18
# Between these no square is near the limits of float32, and the epsilon is negligible.
_ORDINARY_VARIANCES = (1e-24, 1e24)
_EPSILON = 1e-36
# The same in units of the largest value, where a variance is 1 / (2 N) or more.
_EPSILON_IN_UNITS = 1e-24


def standardize(z: Tensor, share: backend.Share | None = None) -> tuple[Tensor, Tensor]:
    """Standardise the columns of a matrix.

    Args:
        z: Matrix of shape ``[samples, features]``, float32 or float64, of any scale at which the
            sum of a column is finite.
        share: The share of these rows in the matrix of all replicas, whose columns are meant; not
            to be differentiated then. Defaults to ``None``: they are the matrix.

    Returns:
        The standardised matrix, same shape, and ``1 / std`` per column, shape ``[features]``;
        both are zero where a column is constant to rounding.
    """
    mean = column_mean(z, share)
    centred = z - mean
    if share is not None or not _fuses(z):
        return _in_units(centred, mean, share)
    # Batch normalisation of centred columns subtracts their remaining mean too, and is as exact as
    # the passes below. It fails on constant columns and on scales that overflow.
    fused, _, variance = backend.batch_normalization(
        centred[:, None, None, :], ops.ones_like(mean), ops.zeros_like(mean), _EPSILON
    )
    least, most = _ORDINARY_VARIANCES
    least = ops.maximum(least, ops.square(_rounding(z) * mean))
    return backend.cond(
        ops.all((variance > least) & (variance < most)),
        lambda: (fused[:, 0, 0, :], ops.rsqrt(variance)),
        lambda: _in_units(centred, mean),
    )


def standardize_both(
    za: Tensor, zb: Tensor, few: bool
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """:func:`standardize` of two matrices of one shape.

    Args:
        za: Matrix of shape ``[samples, features]``.
        zb: Another.
        few: In few operations, of any scale, whose results are not asked for: both matrices in one
            array, and batch normalisation as one operation where there is one.
    """
    if not few:
        return standardize(za), standardize(zb)
    z = backend.stack(za, zb)
    mean = backend.mean(z, 1)[:, None]
    z = z - mean
    largest = ops.stop_gradient(backend.largest(z))
    # In infinite units a constant column is zeros, and so are its 1 / std and its gradient.
    unit = backend.fill(largest, largest <= _rounding(z) * abs(mean), float("inf"))
    z /= unit
    z, inverse_std = backend.normalize_columns(z, _EPSILON_IN_UNITS)
    return (z[0], inverse_std[0] / unit[0, 0]), (z[1], inverse_std[1] / unit[1, 0])


def _fuses(z: Tensor) -> bool:
    if not backend.fuses_exact_batch_normalization(z):
        return False  # asked first: with JAX a size may be a symbol, which has no order
    return z.shape[0] is None or math.prod(z.shape) >= _FUSED_NUMBERS


def _in_units(
    centred: Tensor, mean: Tensor, share: backend.Share | None = None
) -> tuple[Tensor, Tensor]:
    """`standardize` of a centred matrix, for any scale, in several passes."""
    # The mean is rounded relative to its own size. Where that is large against the deviation,
    # subtracting the remaining mean removes the error.
    centred = centred - column_mean(centred, share)
    if share is None:
        largest = ops.maximum(ops.max(centred, axis=0), -ops.min(centred, axis=0))
    else:  # a replica may have no rows, of which Keras has no maximum of each column with PyTorch
        own = ops.zeros_like(mean)[None]
        if centred.shape[0] != 0:
            own = ops.max(ops.abs(centred), axis=0, keepdims=True, initial=0.0)
        largest = ops.max(backend.share(1).gather(own), axis=0)
    constant = ~(largest > _rounding(mean) * abs(mean))
    # In units of its largest value no column overflows or vanishes when it is squared. Neither the
    # result nor its gradient depends on the unit.
    unit = ops.stop_gradient(backend.fill(largest, constant, 1.0))
    centred /= unit
    variance = column_mean(centred * centred, share)
    # The inner `fill` keeps the gradient of the branch not taken finite.
    inverse_std = backend.fill(ops.rsqrt(backend.fill(variance, constant, 1.0)), constant, 0.0)
    return centred * inverse_std, inverse_std / unit


def _rounding(z: Tensor) -> float:
    return _ROUNDINGS * float(_limits(z).eps)


def _limits(z: Tensor) -> np.finfo:
    return _LIMITS[keras.backend.standardize_dtype(z.dtype)]


def standardize_gradients(
    gradients: list[Tensor],
    standardized: list[Tensor],
    inverse_stds: list[Tensor],
    few: bool,
    centred: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gradients with respect to columns, from those with respect to the standardised columns.

    ``dz = (dA - mean(dA) - A o mean(dA o A)) / std``, zero where a column is constant.

    Args:
        gradients: ``dA`` and ``dB``, ``[samples, features]``.
        standardized: ``A`` and ``B``, from :func:`standardize_both`.
        inverse_stds: ``1 / std`` of both, which may be scaled.
        few: As for :func:`standardize_both`.
        centred: Whether ``mean(dA)`` is known to be zero. Defaults to ``False``.

    Returns:
        ``dza`` and ``dzb``, ``[samples, features]``.
    """
    if few:
        first, second = backend.normalize_columns_gradients(
            gradients, standardized, inverse_stds, centred=centred
        )
        return first, second

    def gradient(dx: Tensor, x: Tensor, inverse_std: Tensor) -> Tensor:
        return (dx - column_mean(dx) - x * column_mean(dx * x)) * inverse_std

    first, second = map(gradient, gradients, standardized, inverse_stds)
    return first, second


def column_mean(z: Tensor, share: backend.Share | None = None) -> Tensor:
    """Mean over samples, ``[features]``. Unlike `ops.mean` it keeps float64."""
    if share is None:
        return backend.mean(z, 0)
    return backend.total(ops.sum(z, axis=0)) / ops.cast(share.total, z.dtype)


def samples(z: Tensor) -> Tensor:
    """Number of rows: a Python number where it is known, else a scalar of the dtype of ``z``."""
    return z.shape[0] or ops.cast(ops.shape(z)[0], z.dtype)


def widen(z: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 stay as they are.

    Keras' own promotion, and its ``matmul`` on PyTorch, would turn float64 into float32.
    """
    is_wide = keras.backend.standardize_dtype(z.dtype) in _LIMITS
    return z if is_wide else ops.cast(z, "float32")
