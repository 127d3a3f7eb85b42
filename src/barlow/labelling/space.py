"""The space in which images are compared: principal components, half whitened, of unit length.

Directions in which vectors vary much outweigh all others in a cosine, whatever they are about.
Dividing each principal component by the square root of its standard deviation goes half of the way
to equal weights. ``benchmarks/labelling.py --ablate`` has what that is worth.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import errors

with errors.extra("cli", "Labelling"):
    from sklearn.decomposition import PCA

_COMPONENTS = 128
_TINY = 1e-6  # of the largest deviation: components of rounding errors
_BLOCK = 2**13  # rows at a time


class Space(NamedTuple):
    """A linear map, after which rows are brought to unit length."""

    matrix: NDArray[np.float32]
    """Shape ``[features, components]``."""
    bias: NDArray[np.float32]
    """Shape ``[components]``."""

    def __call__(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """Unit vectors in this space, ``[rows, components]``; zeros stay zeros.

        Args:
            vectors: Shape ``[rows, features]``.
        """
        found = np.empty((len(vectors), len(self.bias)), "float32")
        for start in range(0, len(vectors), _BLOCK):
            # In float64, so that a row is the same whatever rows are beside it.
            part = np.asarray(vectors[start : start + _BLOCK], "float64") @ self.matrix + self.bias
            lengths = np.linalg.norm(part, axis=1, keepdims=True)
            found[start : start + _BLOCK] = part / np.maximum(lengths, np.finfo("float32").tiny)
        return found


def fit(vectors: NDArray[Any], seed: int = 0) -> Space:
    """The space of a collection; needs no labels.

    Args:
        vectors: Shape ``[rows, features]``.
        seed: Of the components of many rows. Defaults to 0.

    Example:
        >>> from barlow.labelling import space
        >>> vectors = np.random.default_rng(0).normal(size=(50, 8))
        >>> space.fit(vectors)(vectors).shape
        (50, 8)
    """
    sample = np.asarray(vectors, "float64")
    mean = sample.mean(axis=0)
    scale = sample.std(axis=0)
    scale[scale <= _TINY * scale.max(initial=0)] = np.inf  # what never varies says nothing
    sample = (sample - mean) / scale
    if not np.any(sample):
        identity = np.eye(vectors.shape[1], dtype="float32")
        return Space(identity, np.zeros(len(identity), "float32"))
    count = min(_COMPONENTS, *sample.shape)
    solver = "randomized" if min(sample.shape) > 4 * _COMPONENTS else "full"
    found = PCA(count, svd_solver=solver, random_state=seed).fit(sample)
    deviation = np.sqrt(found.explained_variance_)
    kept = deviation > _TINY * deviation[0]
    matrix = (found.components_[kept] / np.sqrt(deviation[kept])[:, None] / scale).T
    return Space(matrix.astype("float32"), (-mean @ matrix).astype("float32"))
