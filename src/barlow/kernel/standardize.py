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
# Size of a matrix from which one fused operation is faster.
_FUSED_NUMBERS = 2**18
# Between these no square is near the limits of float32, and the epsilon is negligible.
_ORDINARY_VARIANCES = (1e-24, 1e24)
_EPSILON = 1e-36


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


def _fuses(z: Tensor) -> bool:
    large = z.shape[0] is None or math.prod(z.shape) >= _FUSED_NUMBERS
    return large and backend.fuses_exact_batch_normalization(z)


def _in_units(
    centred: Tensor, mean: Tensor, share: backend.Share | None = None
) -> tuple[Tensor, Tensor]:
    """`standardize` of a centred matrix, for any scale, in several passes."""
    # The mean is rounded relative to its own size. Where that is large against the deviation,
    # subtracting the remaining mean removes the error.
    centred = centred - column_mean(centred, share)
    if share is None:
        largest = ops.maximum(ops.max(centred, axis=0), -ops.min(centred, axis=0))
    else:  # a replica may have no rows
        own = ops.max(ops.abs(centred), axis=0, keepdims=True, initial=0.0)
        largest = ops.max(backend.share(1).gather(own), axis=0)
    varies = largest > _rounding(mean) * ops.abs(mean)
    # In units of its largest value no column overflows or vanishes when it is squared. Neither the
    # result nor its gradient depends on the unit.
    unit = ops.stop_gradient(ops.where(varies, largest, 1.0))
    centred /= unit
    variance = column_mean(centred * centred, share)
    # The inner `where` keeps the gradient of the branch not taken finite.
    inverse_std = ops.where(varies, ops.rsqrt(ops.where(varies, variance, 1.0)), 0.0)
    return centred * inverse_std, inverse_std / unit


def _rounding(z: Tensor) -> float:
    return _ROUNDINGS * float(np.finfo(keras.backend.standardize_dtype(z.dtype)).eps)


def standardize_gradient(gradient: Tensor, standardized: Tensor, inverse_std: Tensor) -> Tensor:
    """Gradient with respect to columns, from that with respect to the standardised columns.

    ``dz = (dA - mean(dA) - A o mean(dA o A)) / std``, zero where a column is constant.

    Args:
        gradient: ``dA``, shape ``[samples, features]``.
        standardized: ``A``, from :func:`standardize`.
        inverse_std: ``1 / std``, from :func:`standardize`.

    Returns:
        ``dz``, shape ``[samples, features]``.
    """
    along = column_mean(gradient * standardized)
    return (gradient - column_mean(gradient) - standardized * along) * inverse_std


def column_mean(z: Tensor, share: backend.Share | None = None) -> Tensor:
    """Mean over samples, ``[features]``. Unlike `ops.mean` it keeps float64."""
    if share is None:
        return ops.sum(z, axis=0) / samples(z)
    return backend.total(ops.sum(z, axis=0)) / ops.cast(share.total, z.dtype)


def samples(z: Tensor) -> Tensor:
    """Number of rows: a Python number where it is known, else a scalar of the dtype of ``z``."""
    return z.shape[0] or ops.cast(ops.shape(z)[0], z.dtype)


def widen(z: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 stay as they are.

    Keras' own promotion, and its ``matmul`` on PyTorch, would turn float64 into float32.
    """
    is_double = keras.backend.standardize_dtype(z.dtype) == "float64"
    return z if is_double else ops.cast(z, "float32")
