"""What every source of image files becomes: a list of entries, each a file and its name."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow.data.decoding import File
from barlow.text import printable

Label = str | int | None
Skipped = list[tuple[str, str]]

_WHOLE_NUMBER = re.compile("0|-?[1-9][0-9]{0,17}")  # at most 64 bits; "007" is a name


class Entry(NamedTuple):
    """An image file of a source."""

    name: str
    """Its name in the source; if it is not UTF-8, with surrogates for the other bytes."""
    file: File
    label: Label = None
    """``None`` and an empty text are no label."""


class Listing(NamedTuple):
    """Image files of a source, none of them opened yet."""

    entries: Sequence[Entry]
    skipped: Sequence[tuple[str, str]] = ()
    """What cannot even be listed: where it is, and why."""
    notes: Sequence[str] = ()
    passed_over: Mapping[str, int] = {}
    """Number of files that are not images, by kind; see :func:`barlow.data.formats.kind_of`."""


def settle_labels(entries: Sequence[Entry]) -> tuple[NDArray[Any] | None, list[str]]:
    """Labels of the images if every one has a label, else ``None``, and sentences on them.

    Texts that are all whole numbers become numbers.
    """
    without = [entry for entry in entries if entry.label in (None, "")]
    if len(without) == len(entries):
        return None, []
    if without:
        some = f"{len(entries) - len(without)} of {len(entries)} images have one"
        return None, [f"Labels are left out: {some}; {printable(without[0].name)} has none."]
    labels: list[Any] = [entry.label for entry in entries]
    if not all(isinstance(label, str | int) for label in labels):
        return None, ["Labels are left out: they are neither texts nor whole numbers."]
    numbers = all(_WHOLE_NUMBER.fullmatch(str(label)) for label in labels)
    settled = np.array([int(label) for label in labels] if numbers else [*map(str, labels)])
    classes = np.unique(settled)
    if len(classes) == 1:
        return settled, [f"All images have the same label, {printable(classes[0])}."]
    return settled, []
