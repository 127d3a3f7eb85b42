"""Labels as texts: what is none, which are the same, and which may be a mistake."""

import difflib
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from barlow.labelling.naming import decoded
from barlow.text import printable
from barlow.vectors.table import as_text

NONE = ""
"""Label of an image that has none."""

_MISSING = ("None", "nan", "NaT", "<NA>")  # as NumPy and pandas show it
_WHOLE = re.compile(r"-?\d+(\.0+)?")
_ASKED = 20  # classes of one image of which it is asked whether they are misspelt


def as_label(label: Any) -> str:
    """A label as text; NaN and ``None``, as of an empty cell, are none.

    However its accents are encoded it is the same label: folders of macOS have them apart from
    their letters, spreadsheets together.
    """
    if isinstance(label, bytes):
        label = label.decode("utf-8", "surrogateescape")
    if not isinstance(label, str) and str(label) in _MISSING:
        return NONE
    if isinstance(label, float | np.floating) and float(label).is_integer():
        label = int(label)  # a column of whole numbers with a gap
    return unicodedata.normalize("NFC", as_text(decoded(str(label))).strip())


def of_array(values: Iterable[Any]) -> list[str]:
    """Labels of a program, one for every image: -1 among whole numbers is none, too."""
    # An array of texts has NaN as one.
    is_text = isinstance(values, np.ndarray) and values.dtype.kind == "U"
    values = list(values)
    none = {NONE, "nan"} if is_text else {NONE}
    if not any(isinstance(label, str | bytes) and label for label in values):
        none.add("-1")
    texts = map(as_label, values)
    return [NONE if text in none else text for text in texts]


def same(labels: Sequence[str]) -> list[str]:
    """The labels, whole numbers without a fraction: a program may have written 1 as 1.0."""
    if any(label != NONE and not _WHOLE.fullmatch(label) for label in labels):
        return [*labels]
    return [label.partition(".")[0] for label in labels]


def warn_of_typos(labels: Iterable[str]) -> None:
    """Ask about classes whose names differ in capitals, spaces, or a letter of a single image.

    Names with digits are numbered, not misspelt; and many classes of one image are rare ones.
    """
    counts = Counter(label for label in labels if label != NONE)
    spellings: dict[str, list[str]] = {}
    for name in (name for name in counts if counts[name] > 1):
        spellings.setdefault(" ".join(name.casefold().split()), []).append(name)
    for names in (names for names in spellings.values() if len(names) > 1):
        several = " and ".join(f"{counts[name]} {printable(name)!r}" for name in names)
        warnings.warn(
            "Labels differ in capitals or spaces alone, and are classes of their own: "
            f"{several}. Write them alike if they are one.",
            stacklevel=5,
        )
    alike = {name.lower(): name for name in counts if counts[name] > 1 and len(name) > 2}
    single = [name for name in counts if counts[name] == 1 and not re.search(r"\d", name)]
    for name in single if len(single) <= _ASKED else ():
        near = difflib.get_close_matches(name.lower(), alike, n=1, cutoff=0.8)
        if near:
            meant = alike[near[0]]
            warnings.warn(
                f"Only one image is labelled {printable(name)!r}, and {counts[meant]} "
                f"{printable(meant)!r}. Is it another class, or misspelt?",
                stacklevel=5,
            )


def warn_of_encoding(labels: Iterable[Any], where: str) -> None:
    """Ask about labels whose bytes are no UTF-8, and are no words in the encoding of Windows."""
    for label in labels:
        if not isinstance(label, str) or decoded(label) == label:
            continue
        letters = [letter for letter in as_label(label) if letter.isalpha()]
        if 2 * sum(not letter.isascii() for letter in letters) > len(letters):
            warnings.warn(
                f"{where} is not UTF-8, and is read as western Windows writes it: a label is "
                f"{printable(as_label(label))!r}. If that is wrong, save the list as CSV UTF-8.",
                stacklevel=5,
            )
            return
