"""How many of the features of an encoder are of use, without labels."""

import numpy as np

from barlow.errors import InvalidInput


def rank_me(features: np.ndarray) -> float:
    """Effective rank of features (Garrido et al., 2023, "RankMe", arXiv 2210.02885, eq. 1).

    ``exp(-sum_k p_k log p_k)`` with ``p_k`` the singular values over their sum: from 1, where all
    features are multiples of one, to the smaller side of the matrix, where none is of less weight
    than another. Between trainings of the same data a higher one tends to mean better features.

    Args:
        features: Shape ``[images, features]``, of more images than features for a rank that does
            not depend on their number.

    Returns:
        The rank; 0 where all features are zero.

    Raises:
        ValueError: If the features are no matrix of finite numbers.

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


def alpha_req(features: np.ndarray) -> float:
    """Decay of the spectrum of features (Agrawal et al., 2022, "alpha-ReQ", arXiv 2202.05808).

    The eigenvalues of the covariance of features fall about as ``k^-alpha``, and ``alpha`` is the
    negative slope of a line through their logarithms, by least squares. Good encoders were found
    to have about 1: much more is a few features that say everything, much less is noise in all.

    Args:
        features: Shape ``[images, features]``, of more images than features.

    Returns:
        The exponent; not a number where fewer than two directions vary.

    Raises:
        ValueError: If the features are no matrix of finite numbers.

    Example:
        >>> from barlow import evaluation
        >>> random = np.random.default_rng(0).normal(size=(10_000, 50))
        >>> round(evaluation.alpha_req(random * np.arange(1, 51) ** -0.5), 1)
        1.0
    """
    matrix = _matrix(features)
    values = np.linalg.svd(matrix - matrix.mean(axis=0), compute_uv=False)
    # What is left of the others is rounding.
    values = values[values > values.max(initial=0) * max(matrix.shape) * np.finfo("float64").eps]
    if len(values) < 2:
        return float("nan")
    slope, _ = np.polyfit(np.log(np.arange(1, len(values) + 1)), 2 * np.log(values), 1)
    return float(-slope)


def _matrix(features: np.ndarray) -> np.ndarray:
    matrix = np.asarray(features, dtype="float64")
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise InvalidInput(
            "Features must be finite numbers of shape [images, features]. Received: shape "
            f"{matrix.shape}{'' if np.isfinite(matrix).all() else ', with values that are not'}."
        )
    return matrix
