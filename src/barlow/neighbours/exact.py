"""The nearest neighbours of vectors by cosine similarity, exactly, in blocks.

``s(a, b) = <a, b> / (|a| |b|)``, 0 where a vector is zero. float32 finds the candidates: all rows
whose similarity may be among the k largest, by the bound of its rounding. float64 decides between
them. So the result depends neither on the blocks nor on the rest of the rows. Rows of the same
similarity come in their order. Memory is that of a block, however many rows there are.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput
from barlow.progress import Track, silent

_QUERIES = 256  # of a block
_ROWS, _FIRST = 8192, 2048  # of a tile, and of the first one
_PAIRS = 4096  # at a time in float64
_WAITING = 2**19  # pairs, before float64 decides between them
_NEVER = -4  # less than any similarity
_SUMMED = 4  # roundings of a product but for those of its sum: two norms, two divisions

Vectors = NDArray[np.float32]


class Neighbours(NamedTuple):
    """The neighbours of every query, the most similar first."""

    rows: NDArray[np.intp]
    """Shape ``[queries, k]``."""
    similarities: NDArray[np.float64]
    """Cosine similarities, shape ``[queries, k]``."""
    recall: float | None = None
    """Fraction of the true neighbours that are found, on a sample; ``None``: they are exact."""


def nearest(
    vectors: Vectors,
    queries: Vectors,
    k: int,
    *,
    own: NDArray[np.intp] | None = None,
    track: Track = silent,
) -> Neighbours:
    """The k rows that are most similar to every query; rows of the same similarity by number.

    Args:
        vectors: Shape ``[rows, features]``, float32, finite; an array or a memory map.
        queries: Shape ``[queries, features]``, float32, finite.
        k: Neighbours of each, >= 1; all rows, if there are fewer.
        own: The row that each query is, which is not its own neighbour; shape ``[queries]``.
            Defaults to ``None``: queries are no rows.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        Rows and similarities.

    Raises:
        InvalidInput: If shapes do not match, ``k`` is below 1, or a value is NaN or Inf.

    Example:
        >>> vectors = np.float32([[1, 0], [0, 1], [1, 0.1], [2, 0]])
        >>> barlow.neighbours.nearest(vectors, vectors[:1], k=3).rows.tolist()
        [[0, 3, 2]]
    """
    check(vectors, queries, k)
    k = max(0, min(k, len(vectors) - (own is not None)))
    norms = _norms(vectors)
    found_rows = np.empty((len(queries), k), np.intp)
    found = np.empty((len(queries), k))
    for start in track(range(0, len(queries), _QUERIES), "Comparing") if k else ():
        block = slice(start, start + _QUERIES)
        own_rows = None if own is None else own[block]
        found_rows[block], found[block] = _of_block(vectors, norms, queries[block], k, own_rows)
    return Neighbours(found_rows, found)


def at_least(vectors: Vectors, query: Vectors, similarity: float) -> NDArray[np.intp]:
    """All rows that are at least so similar to one query, shape ``[found]``, in their order.

    Args:
        vectors: Shape ``[rows, features]``, float32.
        query: Shape ``[features]``, float32.
        similarity: The smallest cosine similarity.

    Example:
        >>> from barlow.neighbours import exact
        >>> exact.at_least(np.float32([[1, 0], [0, 1], [1, 0.1]]), np.float32([1, 0]), 0.9)
        array([0, 2])
    """
    unit = _unit(query[None].astype("float64"), _norms(query[None]))[0]
    found = []
    for start in range(0, len(vectors), _ROWS):
        tile = vectors[start : start + _ROWS].astype("float64")
        exact = np.einsum("nd,d->n", _unit(tile, _norms(tile)), unit)
        found.append(start + np.flatnonzero(exact >= similarity))
    return np.concatenate(found) if found else np.empty(0, np.intp)


def similarities(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    """Cosine similarity of each row with the row of the same number, shape ``[rows]``."""
    found = np.empty(len(one))
    for start in range(0, len(one), _PAIRS):
        a, b = (each[start : start + _PAIRS].astype("float64") for each in (one, other))
        found[start : start + _PAIRS] = np.einsum(
            "nd,nd->n", _unit(a, _norms(a)), _unit(b, _norms(b))
        )
    return found


def check(vectors: Vectors, queries: Vectors, k: int) -> None:
    """Refuse what cannot be compared.

    Raises:
        InvalidInput: As :func:`nearest` says.
    """
    if k < 1:
        raise InvalidInput(f"`k`, the number of neighbours, must be at least 1. Received: {k}.")
    if vectors.ndim != 2 or queries.ndim != 2 or vectors.shape[1] != queries.shape[1]:
        raise InvalidInput(
            "Vectors and queries must be of shapes [rows, features] and [queries, features]. "
            f"Received: {vectors.shape} and {queries.shape}."
        )
    for each in (vectors, queries):
        for block in _blocks(each):
            if not np.isfinite(block).all():
                raise InvalidInput(
                    "Vectors hold NaN or Inf. `barlow embed` writes none: embed the images again."
                )


def _of_block(
    vectors: Vectors,
    norms: NDArray[np.float64],
    queries: Vectors,
    k: int,
    own: NDArray[np.intp] | None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows and similarities of the neighbours of some queries, each ``[queries, k]``."""
    exact_queries = _unit(queries.astype("float64"), _norms(queries))
    rounded = exact_queries.astype("float32")
    margin = np.float32(2 * (vectors.shape[1] + _SUMMED) * np.finfo("float32").eps)
    best, largest = Best(len(queries), k), _Largest(len(queries), k)
    waiting: list[tuple[NDArray[np.intp], NDArray[np.intp], Vectors]] = []  # for float64

    def decide() -> None:
        places, rows, rough = map(np.concatenate, zip(*waiting, strict=True))
        chosen = rough >= largest.smallest[places] - margin
        places, rows = places[chosen], rows[chosen]
        best.add(places, rows, _exact(exact_queries, vectors, norms, places, rows))
        waiting.clear()

    start = 0
    while start < len(vectors):
        # Each tile doubles what has been seen, so that few of its rows are candidates.
        stop = start + min(_ROWS, max(_FIRST, start))
        tile = vectors[start:stop]
        if tile.dtype != np.float64:  # half precision and whole numbers would round too much
            tile = tile.astype("float32", copy=False)
        tile = _unit(tile, norms[start:stop])
        rough = rounded @ tile.T
        if own is not None:
            inside = np.flatnonzero((own >= start) & (own < start + len(tile)))
            rough[inside, own[inside] - start] = _NEVER
        limits = largest.smallest
        if start == 0 and len(tile) > k:
            limits = np.partition(rough, -k, axis=1)[:, -k]
        hits = np.flatnonzero(rough >= np.maximum(limits - margin, _NEVER / 2)[:, None])
        places, columns = np.divmod(hits, len(tile))
        found = rough.reshape(-1)[hits]
        largest.add(places, found)
        waiting.append((places, start + columns, found))
        if sum(len(each) for each, _, _ in waiting) > _WAITING or stop >= len(vectors):
            decide()
        start = stop
    return best.rows.reshape(-1, k), best.similarities.reshape(-1, k)


class _Largest:
    """The k largest values of every query so far."""

    def __init__(self, queries: int, k: int):
        self._values = np.full((queries, k), -np.inf, "float32")
        self.smallest = self._values[:, 0]
        """The k-th largest value of every query, -Inf while there are fewer."""

    def add(self, places: NDArray[np.intp], values: Vectors) -> None:
        """Take the values of queries, sorted by query."""
        queries, k = self._values.shape
        counts = np.bincount(places, minlength=queries)
        firsts = np.cumsum(counts) - counts
        every = np.full((queries, k + counts.max()), -np.inf, "float32")
        every[:, :k] = self._values
        every[places, k + np.arange(len(places)) - firsts[places]] = values
        self._values = np.partition(every, -k, axis=1)[:, -k:]
        self.smallest = self._values[:, 0]


class Best:
    """The best candidates of every query so far, sorted by query, similarity and row."""

    def __init__(self, queries: int, k: int):
        self._k = k
        self.places = np.empty(0, np.intp)
        self.rows = np.empty(0, np.intp)
        self.similarities = np.empty(0)
        self.smallest = np.full(queries, -np.inf)
        """The k-th largest similarity of every query, -Inf while there are fewer."""

    def add(
        self,
        places: NDArray[np.intp],
        rows: NDArray[np.intp],
        similarities: NDArray[np.float64],
    ) -> None:
        """Keep the best k of each query."""
        places = np.concatenate([self.places, places])
        rows = np.concatenate([self.rows, rows])
        similarities = np.concatenate([self.similarities, similarities])
        order = np.lexsort((rows, -similarities, places))
        starts = np.searchsorted(places[order], places[order])  # of the same query
        rank = np.arange(len(order)) - starts
        kept = order[rank < self._k]
        self.places, self.rows = places[kept], rows[kept]
        self.similarities = similarities[kept]
        last = order[rank == self._k - 1]
        self.smallest[places[last]] = similarities[last]


def _exact(
    exact_queries: NDArray[np.float64],
    vectors: Vectors,
    norms: NDArray[np.float64],
    places: NDArray[np.intp],
    rows: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Similarities of pairs of a query and a row in float64, shape ``[pairs]``."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), _PAIRS):
        pairs = slice(start, start + _PAIRS)
        chosen = _unit(vectors[rows[pairs]].astype("float64"), norms[rows[pairs]])
        found[pairs] = np.einsum("nd,nd->n", exact_queries[places[pairs]], chosen)
    return found


def _norms(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Lengths of vectors, 1 for those of zeros; shape ``[rows]``."""
    parts = []
    for block in _blocks(vectors):
        exact = block.astype("float64")
        parts.append(np.sqrt(np.einsum("nd,nd->n", exact, exact)))
    norms = np.concatenate(parts) if parts else np.empty(0)
    return np.where(norms == 0, 1.0, norms)


def _unit(vectors: NDArray[Any], norms: NDArray[np.float64]) -> NDArray[Any]:
    return vectors / norms[:, None].astype(vectors.dtype)


def _blocks(vectors: NDArray[np.floating]) -> Iterator[NDArray[np.floating]]:
    return (vectors[start : start + _ROWS] for start in range(0, len(vectors), _ROWS))
