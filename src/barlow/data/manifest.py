"""Image files that a manifest lists: a text file, a table, or a Parquet file."""

import csv
import io
import pathlib
import re
from collections.abc import Iterator, Sequence

from barlow.data.listing import Entry, Label, Listing, labelled
from barlow.errors import InvalidInput, extra

_PATH, _LABEL = "path", "label"


def list_manifest(manifest: pathlib.Path) -> Listing:
    """Files that a manifest lists, in its order, named by their paths as written in it.

    ``.txt`` has a path on every line, and optionally a label after a tab; the others are tables
    with the column ``path`` and optionally ``label``. Relative paths start from the folder of the
    manifest. Text is UTF-8; a name that is not keeps its bytes, as surrogates.

    Raises:
        InvalidInput: If it is damaged, names no files, or has no column ``path``.
        MissingPackage: If it is a Parquet file and pyarrow is not installed.
    """
    read = {".parquet": _read_parquet, ".txt": _read_lines}.get(
        manifest.suffix.lower(), _read_table
    )
    try:
        rows = list(read(manifest))
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidInput(f"Cannot read the manifest {manifest}: {error}") from error
    if not rows:
        raise InvalidInput(f"The manifest {manifest} names no files.")
    entries = [Entry(path, manifest.parent / path, label) for path, label in rows if path]
    skipped = [
        (f"{manifest}, entry {number}", "it names no file")
        for number, (path, _) in enumerate(rows, start=1)
        if not path
    ]
    return labelled(entries, skipped)


def _read_lines(manifest: pathlib.Path) -> Iterator[tuple[str, Label]]:
    for line in re.split("\r?\n", _text(manifest)):  # names may hold other line breaks
        if line.strip():
            path, _, label = line.partition("\t")
            yield path, label


def _read_table(manifest: pathlib.Path) -> Iterator[tuple[str, Label]]:
    delimiter = "\t" if manifest.suffix.lower() == ".tsv" else ","
    rows = csv.reader(io.StringIO(_text(manifest), newline=""), delimiter=delimiter)
    columns = [name.strip() for name in next(rows, [])]
    _check_columns(columns)
    for row in rows:
        if row:  # an empty line
            cells = dict(zip(columns, row, strict=False))
            yield cells.get(_PATH, ""), cells.get(_LABEL)


def _read_parquet(manifest: pathlib.Path) -> Iterator[tuple[str, Label]]:
    with extra("data", f"Reading {manifest}"):
        from pyarrow import parquet  # noqa: PLC0415 - optional
    with parquet.ParquetFile(manifest) as table:
        columns = table.schema_arrow.names
        _check_columns(columns)
        read = table.read(columns=[name for name in (_PATH, _LABEL) if name in columns])
    paths = read[_PATH].to_pylist()
    if not all(isinstance(path, str | None) for path in paths):
        raise InvalidInput(f"its column `{_PATH}` must hold texts. Received: {read[_PATH].type}.")
    labels = read[_LABEL].to_pylist() if _LABEL in columns else [None] * len(paths)
    yield from zip(paths, labels, strict=True)


def _text(manifest: pathlib.Path) -> str:
    with manifest.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        return file.read()


def _check_columns(columns: Sequence[str]) -> None:
    if _PATH not in columns:
        raise InvalidInput(
            f"its first line must name a column `{_PATH}`, and may name a column `{_LABEL}`. "
            f"Received: {', '.join(columns) or 'an empty file'}."
        )
