"""An index of a large collection (faiss): fast, and nearly exact.

Vectors are sorted into cells around centroids; a query looks into the nearest cells. How many is
chosen by trying: until, on a sample, 99 % of the true neighbours are found. Similarities are those
of :mod:`barlow.neighbours.exact`. The index is kept beside the file of vectors. Vectors that are
new are added to it, those that are gone are removed; it is built anew only if most have changed.
"""

import contextlib
import hashlib
import math
import os
import pathlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import lock
from barlow.errors import extra
from barlow.neighbours.exact import Best, Neighbours, check, nearest, similarities
from barlow.paths import replacing
from barlow.progress import Track, silent

with extra("search", "An index"):
    import faiss

_FILE = "index.faiss"
_LEARNED = 64  # vectors for each cell, from which its centroid is learned
_SAMPLE = 64  # queries on which the recall is measured
_RECALL = 0.99
_NEIGHBOURS = 10  # of each of them
_QUERIES = 1024  # of a block
_ADDED = 2**16  # vectors at a time
_MORE = 16  # candidates than neighbours that are asked for


class Index:
    """An index of vectors.

    Args:
        vectors: Shape ``[rows, features]``, float32, finite; at least one.
        folder: Where it is kept, see :func:`barlow.neighbours.kept.kept_beside`. Defaults to
            ``None``: nowhere.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Raises:
        MissingPackage: If faiss is not installed.

    Example:
        >>> vectors = np.random.default_rng(0).normal(size=(1000, 16)).astype("float32")
        >>> barlow.neighbours.Index(vectors).nearest(vectors[:2], k=3).rows[:, 0].tolist()
        [0, 1]
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        folder: pathlib.Path | None = None,
        track: Track = silent,
    ):
        check(vectors, vectors[:0], 1)
        self._vectors = vectors
        keys = _keys(vectors)
        self._rows = np.argsort(keys, kind="stable")
        self._keys = keys[self._rows]
        index = None if folder is None else _read(folder, vectors.shape[1])
        if index is None or _changed(_keys_in(index), self._keys).sum() > len(vectors):
            index = _trained(vectors)
        self._index = index
        self.added, self.removed = self._update(_keys_in(index), track)
        """Numbers of vectors that were added to those kept, and removed."""
        if folder is not None and (self.added or self.removed):
            _write(folder, index)
        self.recall = self._tuned()
        """Fraction of the true neighbours that are found, on a sample."""

    def nearest(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        own: NDArray[np.intp] | None = None,
        track: Track = silent,
    ) -> Neighbours:
        """As :func:`barlow.neighbours.nearest`, but for some neighbours that are not found."""
        check(self._vectors[:0], queries, k)  # the others were checked
        k = max(0, min(k, len(self._vectors) - (own is not None)))
        rows, found = np.empty((len(queries), k), np.intp), np.empty((len(queries), k))
        for start in track(range(0, len(queries), _QUERIES), "Searching") if k else ():
            block = np.arange(start, min(start + _QUERIES, len(queries)))
            places, candidates = self._candidates(queries[block], k)
            if own is not None:
                others = candidates != own[block][places]
                places, candidates = places[others], candidates[others]
            exact = similarities(queries[block[places]], self._vectors[candidates])
            best = Best(len(block), k)
            best.add(places, candidates, exact)
            whole = np.isfinite(best.smallest)
            complete = whole[best.places]
            rows[block[whole]] = best.rows[complete].reshape(-1, k)
            found[block[whole]] = best.similarities[complete].reshape(-1, k)
            if not whole.all():  # cells with too few vectors
                rest = block[~whole]
                own_rows = None if own is None else own[rest]
                rows[rest], found[rest], _ = nearest(self._vectors, queries[rest], k, own=own_rows)
        return Neighbours(rows, found, self.recall)

    def _candidates(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs of a query and a row, by number; equal vectors in the order of their rows."""
        _, keys = self._index.search(_unit(queries), min(k + _MORE, self._index.ntotal))
        places = np.repeat(np.arange(len(queries)), keys.shape[1])[keys.ravel() >= 0]
        keys = keys.ravel()[keys.ravel() >= 0]
        order = np.lexsort((keys, places))
        places, keys = places[order], keys[order]
        is_new = np.concatenate([[True], (keys[1:] != keys[:-1]) | (places[1:] != places[:-1])])
        numbers = np.arange(len(keys))
        rank = numbers - np.maximum.accumulate(np.where(is_new, numbers, 0))
        return places, self._rows[np.searchsorted(self._keys, keys) + rank]

    def _update(self, kept: NDArray[np.int64], track: Track) -> tuple[int, int]:
        """Bring the index from the vectors that it has to those that there are."""
        gone = np.unique(kept[_changed(kept, self._keys)])
        new = np.flatnonzero(_changed(self._keys, kept))
        if len(gone):
            self._index.remove_ids(faiss.IDSelectorBatch(gone))
        for start in track(range(0, len(new), _ADDED), "Indexing"):
            some = new[start : start + _ADDED]
            self._index.add_with_ids(_unit(self._vectors[self._rows[some]]), self._keys[some])
        return len(new), len(gone)

    def _tuned(self) -> float:
        """Look into more cells until the recall is high; returns the recall."""
        random = np.random.default_rng(0)
        own = random.permutation(len(self._vectors))[:_SAMPLE]
        queries = self._vectors[own]
        expected = nearest(self._vectors, queries, _NEIGHBOURS, own=own)
        self.recall, self._index.nprobe = 0.0, 1
        while True:
            found = self.nearest(queries, _NEIGHBOURS, own=own)
            limits = expected.similarities[:, -1:]  # another one that is as near is right, too
            right = found.similarities >= limits
            recall = float(right.mean()) if right.size else 1.0
            if recall >= _RECALL or self._index.nprobe >= self._index.nlist:
                return recall
            self._index.nprobe = min(2 * self._index.nprobe, self._index.nlist)


def _trained(vectors: NDArray[np.float32]) -> Any:
    """An index with cells, without vectors in them."""
    rows, features = vectors.shape
    cells = max(1, min(4 * math.isqrt(rows), rows // _LEARNED))
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(features), features, cells, faiss.METRIC_INNER_PRODUCT
    )
    some = np.random.default_rng(0).permutation(rows)[: _LEARNED * cells]
    index.cp.max_points_per_centroid = _LEARNED
    index.cp.min_points_per_centroid = 1
    index.train(_unit(vectors[np.sort(some)]))
    return index


def _changed(keys: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the keys are not as often among the others; both are sorted."""
    counts = [
        np.searchsorted(each, keys, "right") - np.searchsorted(each, keys)
        for each in (keys, others)
    ]
    return counts[0] != counts[1]


def _keys(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """A hash of each vector, ``>= 0``."""
    rows = np.ascontiguousarray(vectors + np.float32(0))  # -0 is 0
    digests = b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, np.int64) & np.int64(2**63 - 1)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors.astype("float64"), axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(norms, 1e-30), "float32")


def _keys_in(index: Any) -> NDArray[np.int64]:
    """Keys of the vectors that an index has, sorted."""
    cells = [np.empty(0, np.int64)]
    for cell in range(index.nlist):
        if size := index.invlists.list_size(cell):
            cells.append(faiss.rev_swig_ptr(index.invlists.get_ids(cell), size).copy())
    return np.sort(np.concatenate(cells))


def _read(folder: pathlib.Path, features: int) -> Any:
    """An index that is kept, or ``None``."""
    try:
        index = faiss.read_index(os.fspath(folder / _FILE))
    except RuntimeError:  # there is none, or it cannot be read
        return None
    return index if index.d == features else None


def _write(folder: pathlib.Path, index: Any) -> None:
    with (
        contextlib.suppress(OSError, RuntimeError),
        lock.locked(folder, f"{folder} is being written"),
        replacing(folder / _FILE) as temporary,
    ):
        faiss.write_index(index, os.fspath(temporary))
