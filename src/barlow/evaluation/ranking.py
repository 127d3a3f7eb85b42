"""What features are worth to a search: are the most similar images of the same class?

Every test image is a query, and the training images are the gallery, by descending cosine
similarity of their features, as `barlow search` ranks them. Similarities are compared to the ninth
digit; rows of the same one come in their order.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput
from barlow.evaluation.labels import common_numbers
from barlow.progress import Track, silent

RANKS = (1, 5, 10)
_PAIRS = 2**22  # of a query and an image, at a time: 32 MiB of similarities
_STEPS = 2**30  # in which similarities from 0 to 1 are compared; twice as many would overflow


class Retrieval(NamedTuple):
    """How well a search finds images of the class of the query."""

    recall: dict[int, float]
    """Recall@k by k: the fraction of queries with an image of their class among the k nearest."""
    mean_average_precision: float
    """Mean over the queries of the average precision of the whole ranking."""
    queries: int
    """Queries that count."""
    left_out: int
    """Queries of classes that the gallery does not have."""


def retrieval(
    gallery: NDArray[Any],
    labels: NDArray[Any],
    queries: NDArray[Any],
    query_labels: NDArray[Any],
    *,
    ranks: Sequence[int] = RANKS,
    track: Track = silent,
) -> Retrieval:
    """Recall@k and mean average precision of a search by cosine similarity.

    Recall@k is that of metric learning (Jégou et al., 2011, "Product quantization for nearest
    neighbor search"; Oh Song et al., 2016, "Deep metric learning via lifted structured feature
    embedding"): a query counts as 1 if at least one of the k nearest images has its class. The
    average precision of a query with R images of its class, at the ranks ``r_1 < ... < r_R``, is
    ``1/R sum_i i / r_i``. Memory grows with the images, not with their square.

    Args:
        gallery: Features of the images to find, ``[images, features]``.
        labels: Their labels, ``[images]``, of any type.
        queries: Features of the queries, ``[queries, features]``.
        query_labels: Their labels, ``[queries]``.
        ranks: Values of k, >= 1. Defaults to 1, 5 and 10.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        Both measures; NaN if no query has a class of the gallery.

    Raises:
        InvalidInput: If shapes do not match, a rank is below 1, or features are NaN or Inf.

    Example:
        >>> from barlow import evaluation
        >>> gallery = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> found = evaluation.retrieval(gallery, ["a", "b", "a"], gallery[:1] + 0.1, ["a"])
        >>> found.recall[1], round(found.mean_average_precision, 4)
        (1.0, 0.8333)
    """
    if min(ranks, default=0) < 1:
        raise InvalidInput(f"`ranks` must be one or more numbers >= 1. Received: {tuple(ranks)}.")
    numbers, query_numbers, _ = common_numbers(np.asarray(labels), np.asarray(query_labels))
    unit, unit_queries = _unit(gallery, len(numbers)), _unit(queries, len(query_numbers))
    if unit.shape[1] != unit_queries.shape[1]:
        raise InvalidInput(
            "Images and queries must have the same number of features. Received: "
            f"{unit.shape[1]} and {unit_queries.shape[1]}."
        )
    counts = np.isin(query_numbers, numbers)
    unit_queries, query_numbers = unit_queries[counts], query_numbers[counts]
    size = max(1, _PAIRS // max(1, len(unit)))
    blocks = [slice(start, start + size) for start in range(0, len(unit_queries), size)]
    first, precision = [np.empty(0, np.intp)], [np.empty(0)]
    for block in track(blocks, "Searching"):
        relevant = numbers[_ranking(unit_queries[block] @ unit.T)] == query_numbers[block, None]
        found = np.cumsum(relevant, axis=1)
        first.append(relevant.argmax(axis=1))
        at_rank = found / np.arange(1, len(unit) + 1)
        precision.append(np.sum(at_rank, axis=1, where=relevant) / found[:, -1])
    ranked, precisions = np.concatenate(first), np.concatenate(precision)
    if not len(ranked):
        return Retrieval(dict.fromkeys(ranks, np.nan), np.nan, 0, int((~counts).sum()))
    recall = {int(k): float(np.mean(ranked < k)) for k in ranks}
    return Retrieval(recall, float(precisions.mean()), len(ranked), int((~counts).sum()))


def _ranking(similarities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows by descending similarity, then by number, ``[queries, images]``."""
    # One number for both is sorted in half the time of a stable sort of one by the other.
    keys = np.rint(similarities * -_STEPS).astype("int64") << 32
    keys |= np.arange(similarities.shape[1])
    keys.sort(axis=1)
    return keys & (2**32 - 1)


def _unit(features: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Features of length 1 in float64, zeros as they are."""
    unit = np.array(features, "float64")
    if unit.ndim != 2 or len(unit) != count or not np.isfinite(unit).all():
        raise InvalidInput(
            f"Features must be finite numbers of shape [{count}, features], one row per label. "
            f"Received: shape {unit.shape}{'' if np.isfinite(unit).all() else ', with NaN or Inf'}."
        )
    norms = np.linalg.norm(unit, axis=1, keepdims=True)
    return np.divide(unit, norms, out=unit, where=norms > 0)
