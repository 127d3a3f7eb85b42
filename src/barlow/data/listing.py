"""What every source of image files becomes: a list of entries, each a file and its name."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from barlow.data.decoding import File

Label = str | int | None
Skipped = list[tuple[str, str]]

_WHOLE_NUMBER = re.compile("0|-?[1-9][0-9]{0,17}")  # at most 64 bits; "007" is a name


class Entry(NamedTuple):
    """An image file of a source."""

    name: str
    """Its name in the source; if it is not UTF-8, with surrogates for the other bytes."""
    file: File
    label: Label = None


class Listing(NamedTuple):
    """Image files of a source, none of them opened yet."""

    entries: Sequence[Entry]
    """Either all have a label, all texts or all whole numbers, or none has one."""
    skipped: Sequence[tuple[str, str]] = ()
    """What cannot even be listed: where it is, and why."""
    notes: Sequence[str] = ()


def labelled(entries: Sequence[Entry], skipped: Sequence[tuple[str, str]] = ()) -> Listing:
    """Entries with their labels if every entry has one, else without, and a note says so.

    ``None`` and an empty text are no label. Texts that are all whole numbers become numbers.
    """
    known = [entry.label for entry in entries if entry.label not in (None, "")]
    note = None
    if len(known) < len(entries):
        note = f"Labels are left out: {len(known)} of {len(entries)} images have one."
    elif not all(isinstance(label, str | int) for label in known):
        note = "Labels are left out: they are neither texts nor whole numbers."
    if note:
        unlabelled = [entry._replace(label=None) for entry in entries]
        return Listing(unlabelled, skipped, [note] if known else [])
    numbers = all(_WHOLE_NUMBER.fullmatch(str(label)) for label in known)
    kind = int if numbers else str
    return Listing([entry._replace(label=kind(str(entry.label))) for entry in entries], skipped)
