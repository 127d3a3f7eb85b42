"""Tables that people edit in a spreadsheet, as CSV: read in any of its dialects, written for all.

A spreadsheet takes a cell for a formula that begins with ``=``, ``+``, ``-`` or ``@``, as a file
name or a label may. Such a cell is written with an apostrophe before it, which reading takes away.
"""

import codecs
import csv
import io
import os
import pathlib
import re
import string
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from barlow.errors import InvalidInput
from barlow.paths import as_path

_DELIMITERS = ",;\t|"
_FIRST = 4096  # bytes that tell whether a file is text
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what looks like one, or has been marked already
_SEPARATOR = re.compile(r"sep=.?(\r\n|\r|\n)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+([.,]\d*)?")


class Table(NamedTuple):
    """A table as it is in a file."""

    columns: list[str]
    """Their names, in lower case; empty of those that rows have beyond the first line."""
    rows: list[list[str]]
    """Those that are not empty, all of one length."""
    lines: list[int]
    """Of each row, the line of the file in which it begins; the first is 1."""


def read(path: pathlib.Path) -> Table:
    """The table of a file.

    The delimiter is a comma, a semicolon, a tab or ``|``, whichever the first line has most of, and
    in ``.tsv`` a tab. Text is as :func:`text_of` reads it.

    Raises:
        InvalidInput: If it is not a text file, or a quote does not end.
    """
    text, before = text_of(path), 0
    if mark := _SEPARATOR.match(text):  # a line for spreadsheets alone
        text, before = text[mark.end() :], 1
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    table, line = Table([], [], []), before + 1
    try:
        for row in reader:
            cells = [*map(from_cell, row)]
            while cells and not cells[-1]:
                cells.pop()
            if cells and not table.columns:
                table.columns.extend(name.strip().lower() for name in cells)
            elif cells:
                table.rows.append(cells)
                table.lines.append(line)
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise InvalidInput(
            f"the row that begins in line {line} has a quote in a wrong place, or one that does "
            f"not end ({error}). Correct it, or write the list anew from a spreadsheet."
        ) from error
    width = max(map(len, [table.columns, *table.rows]))
    for cells in (table.columns, *table.rows):
        cells.extend([""] * (width - len(cells)))
    return table


def delimiter_of(path: pathlib.Path) -> str:
    """What is between the cells of a table.

    Raises:
        InvalidInput: If it is not a text file.
    """
    text = text_of(path)
    mark = _SEPARATOR.match(text)
    return _delimiter(text[mark.end() :] if mark else text)


def _delimiter(text: str) -> str:
    # Of a spreadsheet that begins further down, the first lines are empty.
    lines = io.StringIO(text, newline=None)
    head = next((line for line in lines if line.strip(_DELIMITERS + string.whitespace)), "")
    return max(_DELIMITERS, key=head.count)  # the first of equals


def write(
    path: pathlib.Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    delimiter: str = ",",
) -> None:
    """Write a table in UTF-8, with the mark by which spreadsheets know that, where they need it.

    Args:
        path: The file. To write it whole or not at all: one of :func:`barlow.paths.replacing`.
        columns: Names of the columns.
        rows: Cells; ``str`` of each is taken.
        delimiter: Between the cells. Defaults to a comma.

    Raises:
        OSError: If it cannot be written.
    """
    stream = io.StringIO(newline="")
    plain = csv.writer(stream, delimiter=delimiter)
    quoted = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    plain.writerow(columns)
    for row in rows:
        cells = [as_cell(str(cell)) for cell in row]
        # Some spreadsheets end a cell at each of the delimiters, whichever the file has.
        is_plain = not any(delimiter in cell for cell in cells for delimiter in _DELIMITERS)
        (plain if is_plain else quoted).writerow(cells)
    text = stream.getvalue()
    encoding = "utf-8" if text.isascii() else "utf-8-sig"
    path.write_bytes(text.encode(encoding, "backslashreplace"))


def check_place(path: str | os.PathLike[str], what: str) -> pathlib.Path:
    """The path, if a table can have it; to be asked before computing.

    Args:
        path: The file.
        what: What the table is, for messages, such as ``"A plan"``.

    Raises:
        FileNotFoundError: If its folder is not there.
        InvalidInput: If it is not called ``*.csv``, or is a folder.
    """
    path = as_path(path)
    if path.suffix.lower() != ".csv":
        raise InvalidInput(f"{what} is called *.csv. Received: {path}.")
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder. Choose another name for it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for {path.name}.")
    return path


def text_of(path: pathlib.Path) -> str:
    """The text of a file: UTF-8, or UTF-16 with its mark; other bytes as surrogates.

    Raises:
        InvalidInput: If it is not a text file.
    """
    with path.open("rb") as file:
        first = file.read(_FIRST)
    if first.startswith(b"PK\x03\x04"):
        raise InvalidInput("it is not a text file but a workbook. Save it as CSV UTF-8.")
    wide = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in first and not wide:
        raise InvalidInput("it is not a text file.")
    encoding = "utf-16" if wide else "utf-8-sig"
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        return file.read()


def as_cell(text: str) -> str:
    """A text as no spreadsheet takes it for a formula.

    Example:
        >>> from barlow.spreadsheets import as_cell
        >>> as_cell("=1+1.png"), as_cell("-1"), as_cell("a.png")
        ("'=1+1.png", '-1', 'a.png')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def from_cell(text: str) -> str:
    """The text of a cell that :func:`as_cell` made; any other one as it is.

    Example:
        >>> from barlow.spreadsheets import from_cell
        >>> from_cell("'=1+1.png"), from_cell("'tis.png")
        ('=1+1.png', "'tis.png")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
