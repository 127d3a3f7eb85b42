"""Columns of zero mean and unit deviation, and the gradient through them.

``A = (z - mean(z)) / std(z)`` per column, with the biased variance ``1/N sum (z - mean)^2``.
A column without variance becomes zeros.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

# A column counts as constant when its deviation is within this many rounding errors of its mean.
# The mean itself is off by up to one, and a value that was computed twice by another.
_ROUNDINGS = 4.0


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
    # The mean is rounded relative to its own size. Where that is large against the deviation,
    # the mean of what is left removes the error.
    centred -= column_mean(centred)
    largest = ops.maximum(ops.max(centred, axis=0), -ops.min(centred, axis=0))
    rounding = _ROUNDINGS * float(np.finfo(keras.backend.standardize_dtype(z.dtype)).eps)
    varies = largest > rounding * ops.abs(mean)
    # In units of its largest value no column overflows or vanishes when it is squared. The result
    # does not depend on the unit, and neither does its gradient.
    unit = ops.stop_gradient(ops.where(varies, largest, 1.0))
    centred /= unit
    variance = column_mean(centred * centred)
    # The inner `where` keeps the gradient of the branch not taken finite.
    inverse_std = ops.where(varies, ops.rsqrt(ops.where(varies, variance, 1.0)), 0.0)
    return centred * inverse_std, inverse_std / unit


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
