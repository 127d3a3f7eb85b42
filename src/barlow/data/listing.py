"""What every source of image files comes down to: files, and their labels if all have one."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from barlow.data.decoding import File

Label = str | int | None

_WHOLE_NUMBER = re.compile("0|-?[1-9][0-9]{0,17}")  # of at most 64 bits; "007" is a name


class Listing(NamedTuple):
    """Image files of a source, none of them opened yet."""

    files: Sequence[File]
    labels: np.ndarray | None = None
    """One label per file, shape ``[files]``."""
    skipped: Sequence[tuple[str, str]] = ()
    """What cannot even be listed: where it is, and why not."""
    notes: Sequence[str] = ()


def labelled(
    files: Sequence[File], labels: Sequence[Label], skipped: Sequence[tuple[str, str]] = ()
) -> Listing:
    """Files with their labels if every file has one, else without, and it is said.

    ``None`` and an empty text are no label. Texts that are all whole numbers become numbers.
    """
    known = [label for label in labels if label not in (None, "")]
    if len(known) < len(labels):
        note = f"Labels are left out: {len(known)} of {len(labels)} images have one."
        return Listing(files, None, skipped, [note] if known else [])
    if not all(isinstance(label, str | int) for label in known):
        note = "Labels are left out: they are neither texts nor whole numbers."
        return Listing(files, None, skipped, [note])
    if all(_WHOLE_NUMBER.fullmatch(str(label)) for label in known):
        return Listing(files, np.array([int(label) for label in known], "int64"), skipped)
    return Listing(files, np.array([str(label) for label in known]), skipped)
