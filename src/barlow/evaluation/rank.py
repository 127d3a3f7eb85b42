"""How many features of an encoder are useful, measured without labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput

_DELTA = 1e-4


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
    return _effective(values)


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


def lidar(features: NDArray[Any], delta: float = _DELTA) -> float:
    """Rank of what tells images apart (Thilak et al., 2023, "LiDAR", arXiv 2312.04000).

    Every image is a class of its own, and its views are the samples of the class. With ``S_b`` the
    covariance of the means of the images, and ``S_w`` the mean covariance of the views of an image
    plus ``delta I``, it is the effective rank of linear discriminant analysis:
    ``exp(-sum_k p_k log p_k)`` with ``p_k`` the eigenvalues of ``S_w^-1/2 S_b S_w^-1/2`` divided by
    their sum. Other than :func:`rank_me` it does not count directions that only the views differ
    in. It can be compared between encoders of the same number of features, on the same images, with
    the same kind and number of views.

    Args:
        features: Shape ``[images, views, features]``, at least two images and two views; best more
            images than features.
        delta: Added to the variance within an image, > 0, in the square of the features' unit.
            Defaults to 1e-4.

    Returns:
        The rank; at most the number of features, and one less than the number of images. 0 if all
        images have the same mean.

    Raises:
        ValueError: If the shape is another one, or features are NaN or Inf.

    Example:
        >>> from barlow import evaluation
        >>> random = np.random.default_rng(0)
        >>> means, noise = random.normal(size=(2000, 1, 8)), random.normal(size=(2000, 10, 8))
        >>> round(evaluation.lidar(means + 0.1 * noise))
        8
    """
    views = np.asarray(features, dtype="float64")
    if views.ndim != 3 or min(views.shape[:2]) < 2 or not np.isfinite(views).all():
        raise InvalidInput(
            "Features must be finite numbers of shape [images, views, features], of at least two "
            f"images and two views. Received: shape {views.shape}"
            f"{'' if np.isfinite(views).all() else ', with NaN or Inf'}."
        )
    means = views.mean(axis=1)
    within = (views - means[:, None]).reshape(-1, views.shape[2])
    between = means - means.mean(axis=0)
    values, directions = np.linalg.eigh(within.T @ within / len(within))
    # The square of a matrix of these singular values is the one of the definition.
    whitened = between @ (directions / np.sqrt(np.maximum(values, 0) + delta))
    return _effective(np.square(np.linalg.svd(whitened, compute_uv=False)))


def _effective(values: NDArray[np.float64]) -> float:
    """The exponential of the entropy of values divided by their sum; 0 if all are 0."""
    if not values.any():
        return 0.0
    parts = values / values.sum()
    parts = parts[parts > 0]
    return float(np.exp(-np.sum(parts * np.log(parts))))


def _matrix(features: NDArray[Any]) -> NDArray[Any]:
    matrix = np.asarray(features, dtype="float64")
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise InvalidInput(
            "Features must be finite numbers of shape [images, features]. Received: shape "
            f"{matrix.shape}{'' if np.isfinite(matrix).all() else ', with NaN or Inf'}."
        )
    return matrix
