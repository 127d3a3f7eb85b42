"""Search: the images of a collection that are most similar to others."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from barlow import data, embedding, resizing, vectors
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput, did_you_mean
from barlow.neighbours.kept import near
from barlow.paths import as_path
from barlow.progress import Track, silent
from barlow.vectors.table import as_text


class Found(NamedTuple):
    """What is most similar to one query, the most similar first."""

    query: str
    rows: list[int]
    """Rows of the collection, ``[k]``."""
    names: list[str]
    similarities: list[float]
    """Cosine similarities, ``[k]``."""
    recall: float | None
    """Fraction of the true neighbours that an index finds; ``None``: they are exact."""


def search(
    collection: Embeddings | str | os.PathLike[str],
    queries: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    k: int = 12,
    *,
    encoder: keras.Model | str | os.PathLike[str] | None = None,
    track: Track = silent,
) -> list[Found]:
    """The images of a collection that are most similar to others.

    Exactly; or, of millions of images and thousands of queries, by an index that finds 99 % of
    them, see :mod:`barlow.neighbours.index`.

    Args:
        collection: File of vectors, or the vectors.
        queries: Names of images of the collection, or image files.
        k: Images to find for each, >= 1. Defaults to 12. A query that is in the collection does not
            find itself.
        encoder: The encoder that made the vectors, or where it is; needed for image files only.
            Defaults to ``None``: where it was when they were made.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        What is found, by query in their order. Images of the same similarity come in the order of
        the collection.

    Raises:
        FileNotFoundError: If a query is neither in the collection nor a file.
        InvalidInput: If a query cannot be read, ``k`` is below 1, or the encoder is another one.

    Example:
        >>> encoder, digits = barlow.models.encoder("conv", (8, 8, 1)), barlow.data.digits()
        >>> found = barlow.search(barlow.embed(encoder, digits), "17", k=3)
        >>> found[0].query, len(found[0].names)
        ('17', 3)
    """
    if k < 1:
        raise InvalidInput(f"`k`, the number of images, must be at least 1. Received: {k}.")
    embeddings = vectors.as_embeddings(collection)
    wanted = [queries] if isinstance(queries, str | os.PathLike) else [*queries]
    texts = [as_text(os.fspath(query)) for query in wanted]
    places = {as_text(name): row for row, name in enumerate(embeddings.names)}
    own = np.array([places.get(text, -1) for text in texts], np.intp)
    found = np.empty((len(wanted), embeddings.vectors.shape[1]), "float32")
    found[own >= 0] = embeddings.vectors[own[own >= 0]]
    files = [query for query, row in zip(wanted, own, strict=True) if row < 0]
    if files:
        _check_there(files, embeddings)
        found[own < 0] = _embedded(files, embeddings, encoder)
    more = k + bool(np.any(own >= 0))  # for the query itself
    hits = near(collection, embeddings.vectors, found, more, track=track)
    results = []
    for text, itself, rows, alike in zip(texts, own, hits.rows, hits.similarities, strict=True):
        others = np.flatnonzero(rows != itself)[:k]
        names = [str(name) for name in embeddings.names[rows[others]]]
        results.append(
            Found(text, rows[others].tolist(), names, alike[others].tolist(), hits.recall)
        )
    return results


def _check_there(files: Sequence[Any], embeddings: Embeddings) -> None:
    for file in files:
        if not as_path(file).is_file():
            raise FileNotFoundError(
                f"There is no image {file}, neither in the collection nor as a file."
                + did_you_mean(os.fspath(file), map(str, embeddings.names[:_LOOKED]))
            )


def _embedded(
    files: Sequence[Any],
    embeddings: Embeddings,
    encoder: keras.Model | str | os.PathLike[str] | None,
) -> Any:
    """Vectors of image files, ``[files, features]``."""
    model = vectors.encoder_of(embeddings, encoder)
    reading = {"resize": resizing.named(embeddings.resize), **embeddings.origin.get("reading", {})}
    reading |= {"memory": 0, "split": None, "pages": "first"}  # a file is one query
    height, width, channels = embeddings.image_shape
    images = data.load([as_path(file) for file in files], (height, width), channels, **reading)
    found = embedding.embed(model, images)
    if len(found) < len(files):
        raise InvalidInput("; ".join(f"{where}: {why}" for where, why in found.skipped) + ".")
    return found.vectors


_LOOKED = 10_000  # names among which a near one is looked for
