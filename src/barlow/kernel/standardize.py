"""Columns of zero mean and unit deviation, and the gradient through them.

``A = (z - mean(z)) / std(z)`` per column, with the biased variance ``1/N sum (z - mean)^2``.
A column without variance becomes zeros.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from barlow import backend

# A column counts as constant when its deviation is within this many rounding errors of its mean.
# The mean itself is off by up to one, and a value that was computed twice by another.
_ROUNDINGS = 4.0
# Where one operation for all of it pays; below, it costs more to begin than the numbers do.
_FUSED_NUMBERS = 2**18
# Between these no square is near the end of float32, and the epsilon is nothing beside them.
_ORDINARY_VARIANCES = (1e-24, 1e24)
_EPSILON = 1e-36


def standardize(z: Any) -> tuple[Any, Any]:
    """Standardise the columns of a matrix.

    Args:
        z: Matrix of shape ``[samples, features]``, float32 or float64. Of any scale at which
            the sum of a column is a finite number.

    Returns:
        The standardised matrix, same shape, and ``1 / std`` per column, shape ``[features]``;
        both are zero where a column is constant to rounding.
    """
    mean = column_mean(z)
    centred = z - mean
    if not _fuses(z):
        return _in_units(centred, mean)
    # Batch normalisation of what is centred takes the mean of what is left as well, and is as
    # exact; a constant column and a scale that overflows are not for it.
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


def _fuses(z: Any) -> bool:
    large = z.shape[0] is None or math.prod(z.shape) >= _FUSED_NUMBERS
    return large and backend.fuses_exact_batch_normalization(z)


def _in_units(centred: Any, mean: Any) -> tuple[Any, Any]:
    """`standardize` of a matrix less its mean, for any scale, in several passes."""
    # The mean is rounded relative to its own size. Where that is large against the deviation,
    # the mean of what is left removes the error.
    centred = centred - column_mean(centred)
    largest = ops.maximum(ops.max(centred, axis=0), -ops.min(centred, axis=0))
    varies = largest > _rounding(mean) * ops.abs(mean)
    # In units of its largest value no column overflows or vanishes when it is squared. The result
    # does not depend on the unit, and neither does its gradient.
    unit = ops.stop_gradient(ops.where(varies, largest, 1.0))
    centred /= unit
    variance = column_mean(centred * centred)
    # The inner `where` keeps the gradient of the branch not taken finite.
    inverse_std = ops.where(varies, ops.rsqrt(ops.where(varies, variance, 1.0)), 0.0)
    return centred * inverse_std, inverse_std / unit


def _rounding(z: Any) -> float:
    return _ROUNDINGS * float(np.finfo(keras.backend.standardize_dtype(z.dtype)).eps)


def standardize_gradient(gradient: Any, standardized: Any, inverse_std: Any) -> Any:
    """Pull a gradient with respect to standardised columns back to the columns themselves.

    ``dz = (dA - mean(dA) - A o mean(dA o A)) / std``, zero where a column is constant.

    Args:
        gradient: ``dA``, shape ``[samples, features]``.
        standardized: ``A``, as :func:`standardize` gave it.
        inverse_std: ``1 / std``, as :func:`standardize` gave it.

    Returns:
        ``dz``, shape ``[samples, features]``.
    """
    along = column_mean(gradient * standardized)
    return (gradient - column_mean(gradient) - standardized * along) * inverse_std


def column_mean(z: Any) -> Any:
    """Mean over samples, in the precision of ``z``: ``ops.mean`` rounds float64 to float32."""
    return ops.sum(z, axis=0) / samples(z)


def samples(z: Any) -> Any:
    """Number of rows, as a Python number where it is known, to be calculated with."""
    return z.shape[0] or ops.cast(ops.shape(z)[0], z.dtype)


def widen(z: Any) -> Any:
    """Half precision to float32; float32 and float64 as they are.

    Keras' own promotion, and its ``matmul`` on PyTorch, would turn float64 into float32.
    """
    is_double = keras.backend.standardize_dtype(z.dtype) == "float64"
    return z if is_double else ops.cast(z, "float32")
