"""Outliers: images far from all others, and those that are plainly odd.

The distance to the k-th neighbour, divided by the mean of that of its neighbours: 1 in the middle
of images that lie equally close, larger for those that lie apart from where their neighbours are.
Distances are those between unit vectors, ``sqrt(2 - 2 s)`` with ``s`` the cosine similarity.
"""

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import vectors
from barlow.embedding import Embeddings
from barlow.neighbours.kept import graph
from barlow.progress import Track, silent

_BLANK = 2.0  # levels of contrast
_DARK, _BRIGHT = 16.0, 239.0  # levels of brightness
_APART = 1e-6  # distance of images that are no exact copies
_TINY = 0.5  # of the size that the encoder takes


class Outlier(NamedTuple):
    """An image that is far from all others."""

    row: int
    path: str
    score: float
    """Its distance to its k-th neighbour, by that of its neighbours that are no exact copies."""
    nearest: str
    """The image that is most similar to it."""


class Oddities(NamedTuple):
    """What is odd in a collection."""

    outliers: list[Outlier]
    """All images, the farthest first."""
    plain: dict[str, list[str]]
    """Names of images by what is plainly odd: ``"blank"``, ``"dark"``, ``"bright"``, ``"tiny"``."""


def outliers(
    collection: Embeddings | str | os.PathLike[str], k: int = 10, *, track: Track = silent
) -> Oddities:
    """What is odd in a collection: images far from all others; blank, dark, bright and tiny ones.

    Blank: a contrast below 2 of 255. Dark and bright: a mean below 16 and above 239. Tiny: less
    than half as high or as wide as what the encoder takes.

    Args:
        collection: File of vectors, or vectors.
        k: Neighbour whose distance counts, >= 1. Defaults to 10. A group of fewer images than that
            is found, if it lies apart.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        All images by their score, and the plainly odd ones, of vectors with facts.

    Raises:
        InvalidInput: If ``k`` is below 1, or the file is not one of vectors.

    Example:
        >>> vectors = np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
        >>> vectors[:, 0] += 10
        >>> vectors[42] = [-1, 0, 0]
        >>> names = np.arange(100).astype(str).astype(object)
        >>> embeddings = barlow.Embeddings(vectors, names, None, "", (8, 8, 1), "")
        >>> barlow.outliers(embeddings).outliers[0].path
        '42'
    """
    embeddings = vectors.as_embeddings(collection)
    near = graph(collection, k, track=track)
    if not near.rows.shape[1]:
        return Oddities([], _plain(embeddings))
    distance = np.sqrt(np.maximum(0, 2 - 2 * near.similarities[:, -1]))
    # Among exact copies an image is in their midst, not far, and they say nothing of others.
    apart = distance > _APART
    counts = apart[near.rows].sum(axis=1)
    sums = np.where(apart, distance, 0)[near.rows].sum(axis=1)
    overall = distance[apart].mean() if apart.any() else 1.0
    usual = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    score = np.where(apart, distance / usual, 0)
    names = embeddings.names
    return Oddities(
        [
            Outlier(int(row), str(names[row]), float(score[row]), str(names[near.rows[row, 0]]))
            for row in np.argsort(-score, kind="stable")
        ],
        _plain(embeddings),
    )


def _plain(embeddings: Embeddings) -> dict[str, list[str]]:
    """Names of the images that are plainly odd."""
    facts = embeddings.facts
    if "contrast" not in facts:
        return {}
    blank = facts["contrast"] < _BLANK
    odd: dict[str, NDArray[np.bool_]] = {
        "blank": blank,
        "dark": ~blank & (facts["brightness"] < _DARK),
        "bright": ~blank & (facts["brightness"] > _BRIGHT),
    }
    if len(embeddings.image_shape) == 3:
        height, width, _ = embeddings.image_shape
        odd["tiny"] = (facts["height"] < _TINY * height) | (facts["width"] < _TINY * width)
    return {name: [*map(str, embeddings.names[rows])] for name, rows in odd.items() if rows.any()}
