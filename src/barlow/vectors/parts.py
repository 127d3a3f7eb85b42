"""Embed a part of the images into a file of its own, in this process or in another."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from barlow import data, embedding, runs
from barlow.embedding import Embeddings
from barlow.errors import extra
from barlow.vectors import table
from barlow.vectors.facts import Facts, as_columns, facts_of, looks_of
from barlow.vectors.known import SAME, Known

with extra("data", "A file of vectors"):
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
        """Write the rows of some images, unless they are written."""
        file, images = task
        settings = self._settings
        facts = facts_of(images, settings.max_pixels, settings.before.facts)
        skipped = [(each.source, each.reason) for each in facts if isinstance(each, data.BadImage)]
        rows = [row for row, each in enumerate(facts) if isinstance(each, Facts)]
        good = [each for each in facts if isinstance(each, Facts)]
        images = images[rows]
        if _is_written(file, images, good, settings.made_by):
            return skipped
        looks = [settings.before.find(each.content) for each in good]
        missing = np.array([place for place, look in enumerate(looks) if look is None], np.intp)
        wanted = data.Images(images[missing].pixels, names=missing.astype(str))
        for batch, bad in data.read_in_order(wanted, settings.batch_size):
            skipped += [(each.source, each.reason) for each in bad]
            if not len(batch):
                continue
            places = batch.names.astype(int)
            found = embedding.vectors(self._encoder, batch, settings.batch_size)
            embedding.check_finite(found, images.names[places])
            for place, look in zip(places, looks_of(found, batch.pixels[:]), strict=True):
                looks[place] = look
        kept = [place for place, look in enumerate(looks) if look is not None]
        seen = [look for look in looks if look is not None]
        part = Embeddings(
            np.array([look.vector for look in seen], "float32").reshape(
                len(kept), self._encoder.output_shape[-1]
            ),
            images.names[kept],
            None if images.labels is None else images.labels[kept],
            settings.made_by["encoder"],
            tuple(settings.made_by["image_shape"]),
            settings.made_by["resize"],
            facts=as_columns([good[place] for place in kept], seen),
        )
        table.write_tables(file, [table.as_table(part)], settings.made_by, compress=False)
        return skipped


def _is_written(
    file: pathlib.Path, images: data.Images, facts: Sequence[Facts], made_by: dict[str, Any]
) -> bool:
    """Whether a part that was left by an interrupted call has these images."""
    if not file.exists():
        return False
    before = table.read_made_by(file)
    if any(before.get(name) != made_by[name] for name in SAME):
        return False
    found = pq.read_table(file)
    return (
        found["path"].to_pylist() == [table.as_text(name) for name in images.names]
        and found["content"].to_pylist() == [each.content for each in facts]
        and ("label" in found.column_names) == (images.labels is not None)
        and (images.labels is None or found["label"].equals(table.labels_of(images.labels)))
    )
