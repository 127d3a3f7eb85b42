"""Image files that a manifest lists: a text file, a table, or a Parquet file."""

import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from barlow import spreadsheets
from barlow.data.listing import Entry, Label, Listing
from barlow.errors import InvalidInput, extra
from barlow.paths import as_path
from barlow.text import printable

MANIFESTS = (".txt", ".csv", ".tsv", ".parquet")
"""Extensions of manifests."""

_PATHS, _LABEL = ("path", "file_name", "filename"), "label"
"""Names of the columns of a table; the first of those of paths that is there counts."""

_LOOKS = 20  # lines that are looked at


class Row(NamedTuple):
    """A row of a manifest; either of its texts may be empty."""

    path: str
    label: Label
    line: int
    """The line of the file, or the number of the row in a Parquet file; the first is 1."""


def list_manifest(manifest: pathlib.Path) -> Listing:
    """Files that a manifest lists, in its order, named by their paths as written in it.

    ``.txt`` has a path on every line, and optionally a label after a tab or, as ImageNet's lists, a
    space; the others are tables with the column ``path`` and optionally ``label``. Relative paths
    start from the folder of the manifest. Text is UTF-8, or UTF-16 with its mark; a name that is
    not UTF-8 keeps its bytes, as surrogates.

    Raises:
        InvalidInput: If it is damaged, names no files, or has no column ``path``.
        MissingPackage: If it is a Parquet file and pyarrow is not installed.
    """
    rows = read_rows(manifest)
    entries = [Entry(path, _file(manifest.parent, path), label) for path, label, _ in rows if path]
    skipped = [
        (f"{printable(manifest)}, entry {number}", "it names no file")
        for number, row in enumerate(rows, start=1)
        if not row.path
    ]
    return Listing(entries, skipped)


def read_rows(manifest: pathlib.Path) -> list[Row]:
    """Paths and labels as they are written in a manifest, in its order.

    Raises:
        InvalidInput: If it is damaged, has no rows, or has no column ``path``.
        MissingPackage: If it is a Parquet file and pyarrow is not installed.
    """
    read = {".parquet": _read_parquet, ".txt": _read_lines}.get(
        manifest.suffix.lower(), _read_table
    )
    try:
        rows = list(read(manifest))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"Cannot read the manifest {printable(manifest)}: {error}") from error
    if not rows:
        raise InvalidInput(f"The manifest {printable(manifest)} names no files.")
    return rows


def _file(folder: pathlib.Path, path: str) -> pathlib.Path:
    """The file of an entry; backslashes of Windows separate folders where that finds a file."""
    file = folder / path
    if path.startswith("~/") and as_path(path).is_file():
        return as_path(path)
    if "\\" in path and not file.exists():
        turned = folder / path.replace("\\", "/")
        return turned if turned.is_file() else file
    return file


def _read_lines(manifest: pathlib.Path) -> Iterator[Row]:
    every = enumerate(re.split("\r?\n", spreadsheets.text_of(manifest)), 1)
    lines = [(number, line) for number, line in every if line.strip()]
    looked_at = [line for _, line in lines[:_LOOKS] if "\t" not in line]
    spaces = bool(looked_at) and all(
        not _file(manifest.parent, line).exists()
        and _file(manifest.parent, line.rpartition(" ")[0]).is_file()
        for line in looked_at
    )
    for number, line in lines:
        path, _, label = line.rpartition(" ") if spaces else line.partition("\t")
        yield Row(path, label, number)


def _read_table(manifest: pathlib.Path) -> Iterator[Row]:
    columns, rows, lines = spreadsheets.read(manifest)
    path, label = columns_of(columns)
    place, other = columns.index(path), columns.index(label) if label else None
    for row, line in zip(rows, lines, strict=True):
        yield Row(row[place], None if other is None else row[other], line)


def _read_parquet(manifest: pathlib.Path) -> Iterator[Row]:
    with extra("data", f"Reading {manifest}"):
        from pyarrow import parquet  # noqa: PLC0415 - optional
    with parquet.ParquetFile(manifest) as table:
        path, label = columns_of(table.schema_arrow.names)
        read = table.read(columns=[path, label] if label else [path])
    paths = read[path].to_pylist()
    if not all(isinstance(each, str | None) for each in paths):
        raise InvalidInput(f"its column `{path}` must hold texts. Received: {read[path].type}.")
    labels = read[label].to_pylist() if label else [None] * len(paths)
    yield from map(Row, paths, labels, range(1, len(paths) + 1))


def columns_of(columns: Sequence[str]) -> tuple[str, str | None]:
    """Names of the columns of paths and of labels, if there are labels.

    Args:
        columns: All names, in any case.

    Raises:
        InvalidInput: If none is one of paths.
    """
    by_name = {name.lower(): name for name in reversed(columns)}  # the first of equals
    path = next((by_name[name] for name in _PATHS if name in by_name), None)
    if path is None:
        received = ", ".join(filter(None, columns)) or "an empty file"
        raise InvalidInput(
            f"its first line must name a column `{_PATHS[0]}` (or {', '.join(_PATHS[1:])}), and "
            f"may name a column `{_LABEL}`. Received: {received}."
        )
    return path, by_name.get(_LABEL)
