"""What a run remembers of its images: whether those of another day are the same."""

import os
import pathlib
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow.data.images import Images
from barlow.data.lazy import LazyPixels
from barlow.data.reading import read_all
from barlow.errors import InvalidInput
from barlow.progress import Track, silent

_PART = 2**16  # bytes
_LOOKS = 1024  # at images that a function makes
_UNREAD = 0
_NAMES = 3  # in a message


class Fingerprint(NamedTuple):
    """Hashes of images, in their order, each of shape ``[images]``."""

    names: NDArray[np.uint64]
    content: NDArray[np.uint64]
    """0 for an image that was not read."""


def fingerprint(images: Images, track: Track = silent) -> Fingerprint:
    """Hash the name and the content of every image.

    The content is that of the file, so images in memory and lazy ones have the same: its size, its
    first 64 KiB and its last. Images that come from no file are taken for their pixels. Of lazy
    ones, which a function makes, at most 1,024 are read. Times of files play no part: a copy is
    the same.

    Args:
        images: Images with pixels in memory or lazy ones.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        Hashes of 64 bits (BLAKE2b, RFC 7693). A file that cannot be read has the content 0.

    Example:
        >>> from barlow.data.fingerprint import fingerprint
        >>> digits = barlow.data.digits()
        >>> names, content = fingerprint(digits)
        >>> bool((fingerprint(digits[:9]).content == content[:9]).all())
        True
    """
    names = [_hash(name.encode("utf-8", "backslashreplace")) for name in images.names]
    content = np.full(len(images), _UNREAD, "uint64")
    pixels = images.pixels
    if images.files is not None:
        content[:] = _each(_of_file, images.files, track)
    elif isinstance(pixels, LazyPixels):
        rows = np.unique(np.linspace(0, len(pixels) - 1, _LOOKS, dtype="int64"))
        files = [pixels.files[row] for row in rows]
        content[rows] = _each(lambda file: _of_pixels(pixels.read(file)), files, track)
    else:
        content[:] = _each(_of_pixels, pixels, track)
    return Fingerprint(np.array(names, "uint64"), content)


def looks(images: Images) -> int:
    """How many images :func:`fingerprint` looks at."""
    of_function = images.files is None and isinstance(images.pixels, LazyPixels)
    return min(len(images), _LOOKS) if of_function else len(images)


def differences(images: Images, before: Fingerprint) -> str:
    """How images differ from those of a fingerprint of as many images; empty if they do not.

    Names alone make no difference: a folder may have moved.
    """
    now = fingerprint(images)
    if not ((now.content != before.content) & (before.content != _UNREAD)).any():
        return ""
    unread = (now.content == _UNREAD) & (before.content != _UNREAD)
    new = ~np.isin(now.content, before.content) & ~unread
    known = np.isin(now.names, before.names)
    found = [
        f"{count} {what} ({', '.join(images.names[rows][:_NAMES])}{', ...' * (count > _NAMES)})"
        for rows, what in (
            (new & ~known, "new"),
            (new & known, "with other content"),
            (unread, "that cannot be read"),
        )
        if (count := int(rows.sum()))
    ]
    return ", ".join(found) or "all the same, in another order"


def _each(read: Callable[[Any], int], files: Any, track: Track) -> list[int]:
    def read_if_there(file: Any) -> int:
        try:
            return read(file)
        except (OSError, InvalidInput):  # gone, or a bad image
            return _UNREAD

    return list(read_all(read_if_there, files, track, "Comparing images"))


def _of_file(file: Any) -> int:
    file = pathlib.Path(file) if isinstance(file, str) else file
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        parts = []
        for start in _starts(size):
            stream.seek(start)
            parts.append(stream.read(_PART))
    return _hash(*parts, size=size)


def _of_pixels(pixels: NDArray[Any]) -> int:
    values = np.ascontiguousarray(pixels).reshape(-1).view("uint8")
    parts = [values[start : start + _PART].data for start in _starts(len(values))]
    return _hash(*parts, size=len(values))


def _starts(size: int) -> list[int]:
    """Where the first and the last part begin."""
    return [0] if size <= _PART else [0, max(_PART, size - _PART)]


def _hash(*parts: Any, size: int = 0) -> int:
    digest = blake2b(size.to_bytes(8, "little"), digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")
