"""Labels as people give them: which images of a collection have which label.

A CSV from a spreadsheet with the columns ``path`` and ``label``, class folders, a mapping, or a
label for every image. Images are found by their names, and where these have changed by the
content of their files. Labels are texts; an empty one is none.
"""

import os
import pathlib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import spreadsheets
from barlow.data.folder import list_folder
from barlow.data.manifest import MANIFESTS, read_rows
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput, did_you_mean
from barlow.labelling.labels import (
    NONE,
    as_label,
    of_array,
    same,
    warn_of_encoding,
    warn_of_typos,
)
from barlow.labelling.naming import Names
from barlow.paths import as_path
from barlow.text import printable
from barlow.vectors.facts import content_of_file

_SHOWN = 5  # names in a message
_LOOKED = 10_000  # names among which a near one is looked for


class Given(NamedTuple):
    """Labels of a collection."""

    labels: NDArray[np.object_]
    """Of every image a text, ``""`` if it has none, ``[images]``."""
    listed: NDArray[np.bool_]
    """Whether an image is in the list at all, with or without a label, ``[images]``."""

    @property
    def rows(self) -> NDArray[np.intp]:
        """Rows of the labelled images."""
        return np.flatnonzero(self.labels != NONE)


def read(embeddings: Embeddings, labels: Any) -> Given:
    """Labels of the images of a collection.

    Args:
        embeddings: The collection.
        labels: CSV (``path,label``), another manifest with labels, or a folder of class folders; or
            several of these. A mapping from names of images to labels, or a series of pandas that
            has them as its index. Or a label for every image, ``[images]``. ``None``, ``""``, NaN,
            and ``-1`` among whole numbers, are none. ``None`` for all: those that the collection
            has, if any.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        InvalidInput: If an image is not in the collection, has two labels, or nothing is a label.
    """
    if labels is None:
        labels = embeddings.labels
    if labels is None:
        return _of(embeddings, [])
    if isinstance(labels, Given):
        return labels
    if isinstance(labels, Mapping) or _has_names(labels):
        names, values = zip(*labels.items(), strict=True) if len(labels) else ((), ())
        pairs = [(str(name), label, "") for name, label in zip(names, values, strict=True)]
        return _of(embeddings, _placed(embeddings, pairs, "the labels"))
    if _are_paths(labels):
        sources = [labels] if isinstance(labels, str | os.PathLike) else labels
        return _of(embeddings, [pair for each in sources for pair in _read(embeddings, each)])
    shape = np.asarray(labels, object).shape
    if shape != (len(embeddings),):
        received = f"shape {shape} for {len(embeddings)} images" if shape else repr(labels)
        raise InvalidInput(
            "Labels are a file, a folder, a mapping from names, or a list or array with one for "
            f"every image. Received: {received}."
        )
    texts = enumerate(of_array(labels))
    return _of(embeddings, [(row, text, "") for row, text in texts if text != NONE])


def _has_names(labels: Any) -> bool:
    """Whether they are a series of pandas by the names of images, not one by row."""
    index = getattr(labels, "index", ())
    is_series = hasattr(labels, "items") and np.ndim(labels) == 1
    return is_series and len(index) > 0 and all(isinstance(name, str) for name in index)


def check_names(embeddings: Embeddings) -> None:
    """Refuse a collection in which a name does not say which image is meant.

    Raises:
        InvalidInput: If two images have one name.
    """
    if len(set(embeddings.names)) < len(embeddings):
        ((name, count),) = Counter(embeddings.names).most_common(1)
        raise InvalidInput(
            f"{count} images of the collection are called {printable(name)}, and labels are given "
            "by name. Give every image a name of its own."
        )


def _are_paths(labels: Any) -> bool:
    if isinstance(labels, str | os.PathLike):
        return bool(os.fspath(labels))
    return isinstance(labels, Sequence) and all(isinstance(each, os.PathLike) for each in labels)


def _of(embeddings: Embeddings, placed: Iterable[tuple[int, str, str]]) -> Given:
    """Labels from ``(row, label, where it is written)``.

    Raises:
        InvalidInput: If an image has two labels.
    """
    labels = np.full(len(embeddings), NONE, object)
    listed = np.zeros(len(embeddings), bool)
    written: dict[int, str] = {}
    placed = [*placed]
    texts = same([label for _, label, _ in placed])
    for (row, _, where), label in zip(placed, texts, strict=True):
        listed[row] = True
        if label == NONE or label == labels[row]:
            continue
        if labels[row] != NONE:
            raise InvalidInput(
                f"{printable(embeddings.names[row])} has two labels: {printable(labels[row])!r}"
                f"{written[row]} and {printable(label)!r}{where}. Keep one of them."
            )
        labels[row], written[row] = label, where
    warn_of_typos(labels)
    return Given(labels, listed)


Pair = tuple[str, Any, str]
"""Name of an image, its label, and where that is written, for messages."""


def _read(embeddings: Embeddings, source: Any) -> Iterator[tuple[int, str, str]]:
    path = as_path(source)
    if path.is_dir():
        return _of_folder(embeddings, path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {path}. `barlow suggest VECTORS -n 20 --out {path.name}` writes a list "
            "to fill in; or give a folder with one subfolder per class."
        )
    if path.suffix.lower() not in MANIFESTS:
        raise InvalidInput(
            f"Labels are a list ({', '.join(MANIFESTS)}) with the columns path and label, or a "
            f"folder with one subfolder per class. Received: {path}."
        )
    _check_table(path)
    what = "row" if path.suffix.lower() == ".parquet" else "line"
    pairs = [
        (name, label, f" in {what} {line} of {printable(path)}")
        for name, label, line in read_rows(path)
    ]
    if all(label is None for _, label, _ in pairs):
        raise InvalidInput(
            f"{printable(path)} has no labels: it needs a column that is called `label`, empty "
            f"where you do not know.{_mixed(path)}"
        )
    warn_of_encoding((label for _, label, _ in pairs), printable(path))
    named = [pair for pair in pairs if pair[0] and pair[0].strip()]
    for name, label, where in pairs:
        if not (name and name.strip()) and as_label(label) != NONE:
            raise InvalidInput(f"A label has no image: the path is empty{where}. Fill it in.")
    return _placed(embeddings, named, printable(path))


def _mixed(path: pathlib.Path) -> str:
    """A sentence if the list has two kinds of delimiters, as where one was typed into a cell."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        return ""
    head = ",".join(spreadsheets.read(path).columns)
    if not any(f"label{other}" in head for other in ";\t|"):
        return ""
    return (
        f" Its first line is {head!r}, with two delimiters: the spreadsheet had the whole line in "
        "one cell. Open the list with a comma as the delimiter, and save it again."
    )


def _check_table(path: pathlib.Path) -> None:
    """Refuse what a classifier said as if a person had, and cells that are in no column.

    Raises:
        InvalidInput: If it is a list of predictions, or a row is longer than the named columns.
    """
    if path.suffix.lower() not in (".csv", ".tsv"):
        return
    try:
        columns, rows, lines = spreadsheets.read(path)
    except ValueError:  # reading the list says what is wrong
        return
    if {*columns} >= {"path", "label", "probability", "margin"}:
        raise InvalidInput(
            f"{printable(path)} has what a classifier predicted, no labels of yours. Copy the rows "
            "that you have looked at to your list (path,label)."
        )
    last = max((place for place, name in enumerate(columns, 1) if name), default=len(columns))
    for row, line in zip(rows, lines, strict=True):
        if any(row[last:]):
            raise InvalidInput(
                f"Line {line} of {printable(path)} has more cells than there are columns: "
                f"{printable(next(filter(None, row[last:])))!r}. Put a text with "
                "a comma in quotes, or give the column of your notes a name."
            )


def _placed(
    embeddings: Embeddings, pairs: Sequence[Pair], what: str
) -> Iterator[tuple[int, str, str]]:
    """The pairs by row.

    Raises:
        InvalidInput: If an image is not in the collection.
    """
    check_names(embeddings)
    names = Names(embeddings.names)
    rows = [names.find(name) for name, _, _ in pairs]
    elsewhere = names.elsewhere(name for name, _, _ in pairs)
    rows = [
        None if name in elsewhere else row for (name, _, _), row in zip(pairs, rows, strict=True)
    ]
    lost = [pair for pair, row in zip(pairs, rows, strict=True) if row is None]
    if lost:
        first = lost[0][0]
        shown = ", ".join(f"{printable(name)}{where}" for name, _, where in lost[:_SHOWN])
        raise InvalidInput(
            f"{len(lost)} of {len(pairs)} images of {what} are not in the collection: {shown}."
            f"{did_you_mean(first, map(str, embeddings.names[:_LOOKED]))} Correct or delete these "
            "lines; images that are new must be embedded first."
        )
    texts = of_array(label for _, label, _ in pairs)
    for row, text, (_, _, where) in zip(rows, texts, pairs, strict=True):
        assert row is not None  # noqa: S101 - for the type checker
        yield row, text, where


def _of_folder(embeddings: Embeddings, folder: pathlib.Path) -> Iterator[tuple[int, str, str]]:
    """Labels of the images in class folders.

    Raises:
        InvalidInput: If there are no classes, or no image of them is in the collection.
    """
    entries = list_folder(folder).entries
    if any(entry.label in (None, NONE) for entry in entries):
        raise InvalidInput(
            f"{printable(folder)} needs one subfolder per class, at least two of them, and no "
            "images beside these."
        )
    check_names(embeddings)
    names = Names(embeddings.names)
    contents = [*embeddings.facts.get("content", ())]
    by_content = {content: row for row, content in reversed([*enumerate(contents)])}
    placed, lost = [], []
    for entry in entries:
        row = names.find(entry.name)
        if row is None:
            row = names.find(entry.name.split("/", 1)[1])
        if by_content and isinstance(entry.file, pathlib.Path):
            content = content_of_file(entry.file)
            if row is None or contents[row] != content:
                # Called like it is not enough: every camera numbers from one. But an image that
                # has the same whole path was edited there.
                edited = row is not None and entry.name == embeddings.names[row]
                row = by_content.get(content, row if edited else None)
        where = f" by {printable(folder / entry.name)}"
        (lost if row is None else placed).append((row, as_label(entry.label), where))
    if not placed:
        raise InvalidInput(
            f"None of the {len(entries)} images in {printable(folder)} is in the collection, "
            "neither by name nor by content. Embed these images, or move images of the collection "
            "there."
        )
    if lost:
        warnings.warn(
            f"{len(lost)} of {len(entries)} images in {printable(folder)} are not in the "
            f"collection and are left out, such as{lost[0][2].removeprefix(' by')}. Images are "
            "found by their content where it is known, or by the same whole path. Embed these.",
            stacklevel=4,
        )
    return iter(placed)
