"""Embed a part of the images into a file of its own, in this process or in another."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import data, embedding, runs
from barlow.data.lazy import BadImage
from barlow.embedding import Embeddings
from barlow.errors import extra
from barlow.vectors import table
from barlow.vectors.facts import MEASURES, Facts, Look, Seen, as_columns, looks_of, read_rows
from barlow.vectors.known import SAME, Known

with extra("data", "A file of vectors"):
    import pyarrow as pa
    import pyarrow.parquet as pq

Task = tuple[pathlib.Path, data.Images]
"""The file of a part, and its images."""

Skipped = list[tuple[str, str]]
"""Images that cannot be read: where each is, and why."""


class Settings(NamedTuple):
    """What is the same for all parts."""

    batch_size: int
    before: Known
    made_by: dict[str, Any]
    max_pixels: int


@dataclasses.dataclass(frozen=True)
class Ray:
    """Embed on a Ray cluster, which has the images and the file of vectors at the same paths.

    It needs ``pip install 'barlow[ray]'``. Each worker loads the encoder once and writes whole
    parts, so that a job which was interrupted is resumed, and a worker that is lost costs one part.
    Ray's usage statistics are switched off.

    Args:
        address: Of the cluster: ``"auto"`` on one of its machines, or ``"ray://host:port"``.
            Defaults to ``None``: a cluster of this machine alone, ended afterwards.
        workers: Processes that embed. Defaults to ``None``: one for each GPU, or where there is
            none, one for each machine.
    """

    address: str | None = None
    workers: int | None = None


class Embedder:
    """Embeds parts.

    Args:
        encoder: The encoder, or where it is.
        settings: What is the same for all parts.
    """

    def __init__(self, encoder: keras.Model | str | os.PathLike[str], settings: Settings):
        is_model = isinstance(encoder, keras.Model)
        self._encoder: Any = encoder if is_model else runs.load_encoder(encoder)
        self._settings = settings

    def __call__(self, task: Task) -> Skipped:
        """Write the rows of some images. Of those that are written only the files are read."""
        file, images = task
        settings = self._settings
        own = _looks_in(file, settings.made_by)
        found: Iterator[Seen | BadImage] = read_rows(
            images,
            settings.max_pixels,
            settings.before.facts,
            lambda content: own.get(content) or settings.before.find(content),
        )
        rows: list[int] = []
        facts: list[Facts] = []
        looks: list[Look | None] = []
        waiting: list[tuple[int, NDArray[Any]]] = []  # to be embedded: place, and pixels
        skipped: Skipped = []

        def embed() -> None:
            places = [place for place, _ in waiting]
            pixels = np.stack([each for _, each in waiting])
            vectors = embedding.vectors(self._encoder, data.Images(pixels), settings.batch_size)
            embedding.check_finite(vectors, images.names[[rows[place] for place in places]])
            for place, look in zip(places, looks_of(vectors, pixels), strict=True):
                looks[place] = look
            waiting.clear()

        for row, seen in enumerate(found):
            if isinstance(seen, BadImage):
                skipped.append((seen.source, seen.reason))
                continue
            rows.append(row)
            facts.append(seen.facts)
            looks.append(seen.look)
            if seen.pixels is not None:
                waiting.append((len(rows) - 1, seen.pixels))
                if len(waiting) == settings.batch_size:
                    embed()
        if waiting:
            embed()
        table.write_tables(
            file,
            [self._table(images[rows], facts, [look for look in looks if look is not None])],
            settings.made_by,
            compress=False,
        )
        return skipped

    def _table(self, images: data.Images, facts: list[Facts], looks: list[Look]) -> pa.Table:
        made_by = self._settings.made_by
        vectors = np.empty((len(looks), self._encoder.output_shape[-1]), "float32")
        for place, look in enumerate(looks):
            vectors[place] = look.vector
        return table.as_table(
            Embeddings(
                vectors,
                images.names,
                images.labels,
                made_by["encoder"],
                tuple(made_by["image_shape"]),
                made_by["resize"],
                facts=as_columns(facts, looks),
            )
        )


def _looks_in(file: pathlib.Path, made_by: dict[str, Any]) -> dict[str, Look]:
    """What a part that was left by an interrupted call knows, by content."""
    if not file.exists():
        return {}
    before = table.read_made_by(file)
    if any(before.get(name) != made_by[name] for name in SAME):
        return {}
    found = pq.read_table(file)
    if not len(found):
        return {}
    measures = (found[name].to_pylist() for name in MEASURES)
    looks = map(Look, table.vectors_of(found), *measures)
    return dict(zip(found["content"].to_pylist(), looks, strict=True))
