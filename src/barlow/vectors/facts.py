"""What is known of every image beside its vector.

``width``, ``height``
    Pixels of the image as it is in its source, upright.
``bytes``
    Size of its file.
``content``
    Hash of the whole file (BLAKE2b, 128 bits): equal for exact copies, whatever they are called.
``modified``
    When the file was last changed, or NaT where that is not known.
``format``, ``exif``
    Format of the file, such as ``"JPEG"``, and whether it has EXIF.

Of images that come from no file, ``bytes`` and ``content`` are those of their pixels, ``format`` is
empty. Of what the encoder sees, at the size that it takes:

``brightness``, ``contrast``
    Mean of the values, and their standard deviation within a channel, 0 .. 255.
"""

import hashlib
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import data
from barlow.data.lazy import MAX_PIXELS, BadImage, LazyPixels
from barlow.data.reading import read_all
from barlow.progress import silent

MEASURES = ("brightness", "contrast")
"""What is known of an image beside its vector once the encoder has seen it."""

_NEVER = np.datetime64("NaT", "us")


class Facts(NamedTuple):
    """Facts of one image."""

    width: int
    height: int
    bytes: int
    content: str
    modified: np.datetime64
    format: str
    exif: bool


class Look(NamedTuple):
    """What is known of an image from its pixels: its vector, and how light and varied they are."""

    vector: NDArray[np.float32]
    brightness: float
    contrast: float


class Seen(NamedTuple):
    """What reading an image gives."""

    facts: Facts
    look: Look | None
    pixels: NDArray[Any] | None
    """Shape ``[height, width, channels]``, or ``None`` where its look is known."""


def read_rows(
    images: data.Images,
    max_pixels: int = MAX_PIXELS,
    before: Callable[[str], Facts | None] = lambda name: None,
    known: Callable[[str], Look | None] = lambda content: None,
) -> Iterator[Seen | BadImage]:
    """What is known of every image, in their order, or why it cannot be read.

    Threads read the files ahead of the caller, each file once.

    Args:
        images: The images.
        max_pixels: As for :func:`barlow.data.load`.
        before: What was known of the image of a name. A file that has its size and its time still
            is not read again. Defaults to nothing.
        known: What was known of an image by its hash; then it is not decoded. Defaults to nothing.

    Example:
        >>> from barlow.vectors.facts import read_rows
        >>> first, *_ = read_rows(barlow.data.digits()[:10])
        >>> first.pixels.shape, first.facts.width, first.facts.bytes, len(first.facts.content)
        ((8, 8, 1), 8, 64, 32)
    """
    pixels, files, names = images.pixels, images.files, images.names

    def look_at(row: int) -> Seen:
        if files is None:
            values = pixels[row]
            facts = _facts_of_pixels(values)
            look = known(facts.content)
            return Seen(facts, look, None if look else values)
        facts, inside = _facts_of_file(files[row], before(names[row]), max_pixels)
        look = known(facts.content)
        if look or not isinstance(pixels, LazyPixels):
            return Seen(facts, look, None if look else pixels[row])
        return Seen(facts, None, pixels.read(inside))

    rows = range(len(images))
    in_memory = files is None and not isinstance(pixels, LazyPixels)  # no work for threads
    return map(look_at, rows) if in_memory else read_all(look_at, rows, silent, "")


def content_of_file(file: pathlib.Path) -> str:
    """Hash of a file, as in the column ``content``.

    Raises:
        OSError: If it cannot be read.
    """
    return _hash(file.read_bytes())


def as_columns(facts: Sequence[Facts], looks: Sequence[Look]) -> dict[str, NDArray[Any]]:
    """The facts and the measures by name, each of shape ``[images]``."""
    columns = zip(*facts, strict=True) if facts else ((),) * len(Facts._fields)
    kinds = ("int32", "int32", "int64", object, "datetime64[us]", object, "bool")
    measures = {name: [getattr(look, name) for look in looks] for name in MEASURES}
    return {
        **{
            name: np.array(column, kind)
            for name, column, kind in zip(Facts._fields, columns, kinds, strict=True)
        },
        **{name: np.array(values, "float32") for name, values in measures.items()},
    }


def looks_of(vectors: NDArray[np.float32], pixels: NDArray[Any]) -> list[Look]:
    """Vectors with the brightness and the contrast of their images.

    Args:
        vectors: Shape ``[images, features]``.
        pixels: Shape ``[images, height, width, channels]``, or of any other shape of what is no
            image, values 0 .. 255.
    """
    values = pixels.reshape(len(pixels), -1, pixels.shape[-1]).astype("float32")
    first = values[:, 0].copy()
    values -= first[:, None]  # so that what is blank has no contrast, whatever the rounding
    weights = np.full(values.shape[1], 1 / values.shape[1], "float32")
    means = weights @ values
    variances = weights @ np.square(values, out=values) - np.square(means)
    brightness = (first + means).mean(axis=1)
    contrast = np.sqrt(np.maximum(0, variances)).mean(axis=1)
    return list(map(Look, vectors, brightness.tolist(), contrast.tolist()))


def _facts_of_file(file: Any, before: Facts | None, max_pixels: int) -> tuple[Facts, Any]:
    """Facts of an image, and its file with the content in memory, which is read once."""
    from barlow.data.decoding import Content, Page, read_header  # noqa: PLC0415 - arrays need no Pillow

    file = pathlib.Path(file) if isinstance(file, str) else file
    modified = _NEVER
    try:
        if isinstance(file, pathlib.Path):
            found = file.stat()
            modified = np.datetime64(found.st_mtime_ns // 1000, "us")
            if before and (before.bytes, before.modified) == (found.st_size, modified):
                return before, file
        with file.open("rb") as stream:
            content = stream.read()
    except (OSError, ValueError) as error:
        raise BadImage(file, getattr(error, "strerror", None) or str(error)) from error
    if isinstance(file, Page):
        inside = Page(Content(file.file, content), file.number)
        digest = _hash(content, f"{file.number}".encode())
    else:
        inside, digest = Content(file, content), _hash(content)
    header = read_header(inside, max_pixels)
    facts = Facts(*header.size, len(content), digest, modified, header.format, header.exif)
    return facts, inside


def _facts_of_pixels(pixels: NDArray[Any]) -> Facts:
    values = np.ascontiguousarray(pixels)
    height, width = (*values.shape, 1)[:2]
    shape = f"{values.shape}{values.dtype.str}".encode()
    return Facts(width, height, values.nbytes, _hash(values.tobytes(), shape), _NEVER, "", False)


def _hash(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
