"""What made vectors, and those that a file has already."""

import hashlib
import importlib.metadata
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import data, embedding
from barlow.errors import InvalidInput, extra
from barlow.vectors import table
from barlow.vectors.facts import MEASURES, Facts, Look

with extra("data", "A file of vectors"):
    import pyarrow.parquet as pq

SAME = ("encoder", "image_shape", "resize", "reading")
"""What must be the same for two vectors to be compared."""

WHAT = {
    "encoder": "the encoder's weights",
    "image_shape": "the size of the images",
    "resize": "the way images were resized",
    "reading": "the options of reading, or the range of values in the set",
    "rows": "the number of images of the source",
    "names": "the names of the images of the source",
}
"""In words, for a message."""


def made_by(
    encoder: keras.Model,
    images: data.Images,
    shard: tuple[int, int] | None,
    origin: Mapping[str, Any],
) -> dict[str, Any]:
    """What makes the vectors of some images.

    Args:
        encoder: The encoder.
        images: All images of the source.
        shard: The part of them, as for :func:`barlow.vectors.write`.
        origin: Where encoder and images are, see :mod:`barlow.vectors.origin`.
    """
    read = getattr(images.read, "keywords", {})
    reading = {name: repr(read[name]) for name in ("background", "deep", "plain") if name in read}
    names = hashlib.blake2b(digest_size=16)
    for name in images.names:
        names.update(table.as_text(name).encode() + b"\0")
    return {
        "barlow": importlib.metadata.version("barlow"),
        "encoder": embedding.weights_hash(encoder),
        "image_shape": list(images.pixels.shape[1:]),
        "resize": images.resize,
        "reading": reading,
        "rows": len(images),
        "names": names.hexdigest(),
        "shard": None if shard is None else list(shard),
        "skipped": [],
        "origin": dict(origin),
    }


class Known:
    """The vectors of the file of before, by the content of the image.

    Args:
        folder: Where a copy of them goes that is read in any order.
        path: The file, which may not be there.
        made_by: What makes the vectors now.

    Raises:
        InvalidInput: If the file is of another encoder.
    """

    def __init__(self, folder: pathlib.Path, path: pathlib.Path, made_by: dict[str, Any]):
        self._content: dict[str, str] = {}
        self._rows: dict[str, int] = {}
        self._vectors = np.empty((0, 0), "float32")
        self._copy = folder / "before.npy"
        self._measures: list[list[float]] = []
        self._facts: list[NDArray[Any]] = []
        self._places: dict[str, int] = {}
        if not path.exists():
            return
        before = table.read_made_by(path)
        for name in (*SAME, "shard"):
            if before.get(name) != made_by[name]:
                what = WHAT.get(name, "the shard")
                raise InvalidInput(
                    f"{path} is there and differs in {what}. Choose another file, or delete it."
                )
        columns = pq.read_table(path, columns=["path", *Facts._fields, *MEASURES])
        contents = columns["content"].to_pylist()
        self._facts = [columns[name].to_numpy() for name in Facts._fields]
        self._measures = [columns[name].to_pylist() for name in MEASURES]
        names = columns["path"].to_pylist()
        self._content = dict(zip(names, contents, strict=True))
        self._places = {name: row for row, name in enumerate(names)}
        self._rows = {content: row for row, content in enumerate(contents)}
        features = pq.read_schema(path).field("vector").type.list_size
        copy = np.lib.format.open_memmap(self._copy, "w+", "float32", (len(contents), features))
        start = 0
        for group in table.groups(path):
            copy[start : start + len(group)] = table.vectors_of(group)
            start += len(group)
        self._vectors = copy

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_vectors": None}  # another process opens the copy itself

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        if self._rows:
            self._vectors = np.load(self._copy, mmap_mode="r")

    def find(self, content: str) -> Look | None:
        """What is known of an image, or ``None``."""
        row = self._rows.get(content)
        if row is None:
            return None
        return Look(self._vectors[row], *(values[row] for values in self._measures))

    def facts(self, name: str) -> Facts | None:
        """What was known of the file of a name, or ``None``."""
        row = self._places.get(table.as_text(name))
        return None if row is None else Facts(*(values[row] for values in self._facts))

    def compare(self, path: pathlib.Path) -> tuple[int, int, int, int, int]:
        """Rows of the file now; and how many were there, are new, changed, and gone."""
        columns = pq.read_table(path, columns=["path", "content"])
        now = dict(zip(columns["path"].to_pylist(), columns["content"].to_pylist(), strict=True))
        there = sum(self._content.get(name) == content for name, content in now.items())
        new = sum(name not in self._content for name in now)
        gone = sum(name not in now for name in self._content)
        return len(columns), there, new, len(now) - there - new, gone
