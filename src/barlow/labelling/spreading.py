"""Labels spread over the graph of nearest neighbours.

With the weights ``W`` of the symmetric graph, ``W_ij = 1`` if ``i`` is among the neighbours of
``j`` or the other way round, its degrees ``D`` and ``S = D^-1/2 W D^-1/2``, the scores ``F`` of the
labels ``Y`` are the fixed point of ``F = alpha S F + (1 - alpha) Y`` (Zhou et al., 2004, "Learning
with local and global consistency"). They are linear in ``Y``: leaving labels out needs no other
spreading, but the scores of these to be kept apart.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import errors

with errors.extra("cli", "Labelling"):
    from scipy import sparse

NEIGHBOURS = 10
"""Nearest neighbours of an image that its label spreads to."""

ALPHA = 0.9
"""Share of a score that comes from the neighbours."""

_STEPS = 60  # alpha to this power is 0.002
_VALUES = 2**26  # scores in memory at a time


def operator(neighbours: NDArray[np.intp]) -> Any:
    """``S`` of a graph as a sparse matrix, ``[rows, rows]``.

    Args:
        neighbours: Rows of the nearest neighbours of every row, ``[rows, k]``.
    """
    count, k = neighbours.shape
    rows = np.repeat(np.arange(count), k)
    ones = np.ones(count * k, "float32")
    near = sparse.csr_matrix((ones, (rows, neighbours.reshape(-1))), shape=(count, count))
    weights = near.maximum(near.T)
    scale = sparse.diags(1 / np.sqrt(np.maximum(np.asarray(weights.sum(axis=1)).ravel(), 1)))
    return (scale @ weights @ scale).tocsr().astype("float32")


def spread(graph: Any, labels: NDArray[np.float32], alpha: float = ALPHA) -> NDArray[np.float32]:
    """The scores ``F``, of the shape of the labels.

    Args:
        graph: Of :func:`operator`.
        labels: ``Y``, ``[rows, classes]``.
        alpha: Share of a score that comes from the neighbours, 0 <= alpha < 1. Defaults to 0.9.

    Example:
        >>> from barlow.labelling import spreading
        >>> pairs = spreading.operator(np.array([[1], [0], [3], [2]]))  # 0 - 1, 2 - 3
        >>> scores = spreading.spread(pairs, np.float32([[1], [0], [0], [0]]))
        >>> (scores[:, 0] > 0).tolist()
        [True, True, False, False]
    """
    scores = labels
    for _ in range(_STEPS):
        scores = alpha * (graph @ scores) + (1 - alpha) * labels
    return scores


def spread_to(
    graph: Any, rows: NDArray[np.intp], columns: NDArray[np.intp], anchors: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The scores of some rows, and the sums of all, with the memory of some columns at a time.

    Args:
        graph: Of :func:`operator`.
        rows: Rows that have a label, ``[labels]``.
        columns: The column of ``Y`` that each label is in, ``[labels]``.
        anchors: Rows whose scores are wanted.

    Returns:
        Scores ``[anchors, columns]``, and for every column the sum of its scores.
    """
    count = int(columns.max()) + 1
    scores, mass = np.empty((len(anchors), count), "float32"), np.empty(count)
    step = max(1, _VALUES // graph.shape[0])
    for start in range(0, count, step):
        own = (columns >= start) & (columns < start + step)
        labels = np.zeros((graph.shape[0], min(step, count - start)), "float32")
        labels[rows[own], columns[own] - start] = 1
        found = spread(graph, labels)
        scores[:, start : start + step] = found[anchors]
        mass[start : start + step] = found.sum(axis=0)
    return scores, mass
