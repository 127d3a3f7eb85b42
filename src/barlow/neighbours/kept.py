"""The neighbour graph of a collection: computed once, kept beside its file of vectors.

The folder ``.photos.parquet.kept`` beside ``photos.parquet`` has what is slow to compute. It can be
deleted at any time; what was made of other vectors is never used.
"""

import contextlib
import hashlib
import importlib.util
import os
import pathlib
import zipfile

import numpy as np
from numpy.typing import NDArray

from barlow import lock, vectors
from barlow.embedding import Embeddings
from barlow.neighbours.exact import Neighbours, check, nearest
from barlow.paths import as_path, replacing
from barlow.progress import Track, silent

NEIGHBOURS = 16
"""Neighbours of each image in the graph."""

EXACT = 2e12
"""Products of numbers up to which neighbours are exact: about a minute on two cores."""

_FILE = "graph.npz"
_BLOCK = 2**16  # rows to hash at a time


def graph(
    collection: Embeddings | str | os.PathLike[str],
    k: int = NEIGHBOURS,
    *,
    track: Track = silent,
) -> Neighbours:
    """The k nearest neighbours of every image of a collection, without itself.

    Time grows with the square of the number of images, memory with the number.

    Args:
        collection: File of vectors, beside which the graph is kept; or the vectors themselves.
        k: Neighbours of each, >= 1. Defaults to 16; all others, if there are fewer.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        Rows and similarities, each ``[images, k]``.

    Raises:
        InvalidInput: If ``k`` is below 1, or the file is not one of vectors.

    Example:
        >>> digits = barlow.embed(barlow.models.encoder("conv", (8, 8, 1)), barlow.data.digits())
        >>> barlow.neighbours.graph(digits, k=3).rows.shape
        (1797, 3)
    """
    embeddings = vectors.as_embeddings(collection)
    values = embeddings.vectors
    check(values, values[:0], k)
    if isinstance(collection, Embeddings):
        return near(collection, values, values, k, own=np.arange(len(values)), track=track)
    place, made_of = kept_beside(collection), content_of(values)
    found = _read(place / _FILE, made_of, min(k, max(0, len(values) - 1)))
    if found is None:  # of as many as any command asks for, so that it is computed once
        wide = max(k, NEIGHBOURS)
        found = near(collection, values, values, wide, own=np.arange(len(values)), track=track)
        kept = {**found._asdict(), "recall": np.nan if found.recall is None else found.recall}
        with (
            contextlib.suppress(OSError),
            lock.locked(place, f"{place} is being written"),
            replacing(place / _FILE) as temporary,
        ):
            np.savez(temporary, made_of=made_of, **kept)
    return found._replace(rows=found.rows[:, :k], similarities=found.similarities[:, :k])


def near(
    collection: Embeddings | str | os.PathLike[str],
    values: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    *,
    own: NDArray[np.intp] | None = None,
    track: Track = silent,
) -> Neighbours:
    """The k nearest neighbours: exact, or by an index where that would take minutes.

    Args:
        collection: File of vectors, beside which an index is kept; or vectors.
        values: Its vectors.
        queries: As for :func:`barlow.neighbours.nearest`.
        k: As there.
        own: As there.
        track: As there.
    """
    work = len(values) * len(queries) * values.shape[-1]
    if work <= EXACT or importlib.util.find_spec("faiss") is None:
        return nearest(values, queries, k, own=own, track=track)
    from barlow.neighbours.index import Index  # noqa: PLC0415 - optional

    place = None if isinstance(collection, Embeddings) else kept_beside(collection)
    return Index(values, place, track).nearest(queries, k, own=own, track=track)


def kept_beside(path: str | os.PathLike[str]) -> pathlib.Path:
    """Folder of what is kept beside a file of vectors."""
    path = as_path(path)
    return path.with_name(f".{path.name}.kept")


def content_of(values: NDArray[np.float32]) -> str:
    """Hash of vectors, by which what was made of them is known."""
    digest = hashlib.blake2b(f"{values.shape}".encode(), digest_size=16)
    for start in range(0, len(values), _BLOCK):
        digest.update(np.ascontiguousarray(values[start : start + _BLOCK]).data)
    return digest.hexdigest()


def _read(path: pathlib.Path, made_of: str, k: int) -> Neighbours | None:
    """A graph that is kept, if it is of these vectors and has enough neighbours."""
    try:
        # Opened here, because NumPy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            recall = float(kept["recall"])
            if str(kept["made_of"]) == made_of and kept["rows"].shape[1] >= k:
                rows, similarities = kept["rows"][:, :k], kept["similarities"][:, :k]
                return Neighbours(rows, similarities, None if np.isnan(recall) else recall)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # there is none, or what is there cannot be read
    return None
