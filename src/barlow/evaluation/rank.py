"""How many features of an encoder are useful, measured without labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput


def rank_me(features: NDArray[Any]) -> float:
    """Effective rank of features (Garrido et al., 2023, "RankMe", arXiv 2210.02885, eq. 1).

    ``exp(-sum_k p_k log p_k)`` with ``p_k`` the singular values divided by their sum: 1 if all
    features are multiples of one, the smaller side of the matrix if all directions weigh the same.
    Between trainings on the same data a higher rank tends to mean better features.

    Args:
        features: Shape ``[images, features]``; with more images than features the rank does not
            depend on their number.

    Returns:
        The rank; 0 if all features are zero.

    Raises:
        ValueError: If the features are not a matrix of finite numbers.

    Example:
        >>> from barlow import evaluation
        >>> round(evaluation.rank_me(np.eye(8)), 6)
        8.0
    """
    values = np.linalg.svd(_matrix(features), compute_uv=False)
    if not values.any():
        return 0.0
    parts = values / values.sum()
    parts = parts[parts > 0]
    return float(np.exp(-np.sum(parts * np.log(parts))))


def alpha_req(features: NDArray[Any]) -> float:
    """Decay of the spectrum of features (Agrawal et al., 2022, "alpha-ReQ", arXiv 2202.05808).

    The eigenvalues of the covariance of features fall like ``k^-alpha``; ``alpha`` is the negative
    slope of a least-squares line through their logarithms. Good encoders were found to have about
    1: much more means that few features say everything, much less that all of them are noise.

    Args:
        features: Shape ``[images, features]``, of more images than features.

    Returns:
        The exponent; NaN if fewer than two directions vary.

    Raises:
        ValueError: If the features are not a matrix of finite numbers.

    Example:
        >>> from barlow import evaluation
        >>> random = np.random.default_rng(0).normal(size=(10_000, 50))
        >>> round(evaluation.alpha_req(random * np.arange(1, 51) ** -0.5), 1)
        1.0
    """
    matrix = _matrix(features)
    values = np.linalg.svd(matrix - matrix.mean(axis=0), compute_uv=False)
    # The others are rounding.
    values = values[values > values.max(initial=0) * max(matrix.shape) * np.finfo("float64").eps]
    if len(values) < 2:
        return float("nan")
    slope, _ = np.polyfit(np.log(np.arange(1, len(values) + 1)), 2 * np.log(values), 1)
    return float(-slope)


def _matrix(features: NDArray[Any]) -> NDArray[Any]:
    matrix = np.asarray(features, dtype="float64")
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise InvalidInput(
            "Features must be finite numbers of shape [images, features]. Received: shape "
            f"{matrix.shape}{'' if np.isfinite(matrix).all() else ', with NaN or Inf'}."
        )
    return matrix
