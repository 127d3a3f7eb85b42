"""Copies of images as people have them: saved again, resized, cropped a little, brightened."""

import io
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import data
from barlow.errors import extra

with extra("cli", "Making copies of images"):
    from PIL import Image, ImageEnhance

    from barlow.data.decoding import Content, decode, read_header

from barlow.neighbours.whole import reading_of
from barlow.resizing import RESIZE

_LARGEST = 1024  # pixels of the longer side: larger images are reduced before they are copied
_CROPPED = 0.05  # of a side, at most, from each of its ends
_FACTOR = 1.25  # of brightness, at most

Random = np.random.Generator


def copies_of(images: data.Images, random: Random) -> Iterator[tuple[int, list[Content]]]:
    """Copies of every image, one of each kind, as files in memory.

    Args:
        images: Images, of files or of arrays.
        random: Draws how much is changed: quality of JPEG from 40 to 95, size from half to twice,
            up to 5 % cropped from each side, brightness from 1/1.25 to 1.25.

    Yields:
        Number of the image, and its copies in the order of ``KINDS``. Images that cannot be read
        are left out.

    Example:
        >>> from barlow.neighbours import copies
        >>> digits = barlow.data.digits()[:1]
        >>> number, made = next(copies.copies_of(digits, np.random.default_rng(0)))
        >>> number, copies.pixels_of(made, (8, 8), channels=1).shape
        (0, (4, 8, 8, 1))
    """
    for number in range(len(images)):
        try:
            original = _original(images[[number]])
        except data.BadImage:
            continue
        name = images.names[number]
        yield number, [Content(name, change(original, random)) for change in KINDS.values()]


def pixels_of(
    files: Sequence[Content], image_size: tuple[int, int], channels: int, resize: str = RESIZE
) -> NDArray[np.uint8]:
    """Files of :func:`copies_of` as the encoder sees them, ``[files, height, width, channels]``."""
    return np.stack([decode(file, image_size, channels, resize=resize) for file in files])


def _original(images: data.Images) -> Image.Image:
    """One image in grey or colour, at its own size if that is not too large."""
    channels = images.pixels.shape[3]
    if images.files is None:
        pixels = np.rint(images.pixels[:][0]).astype("uint8")
    else:
        reading = reading_of(images)
        width, height = read_header(images.files[0], reading.get("max_pixels", 2**30)).size
        scale = min(1, _LARGEST / max(height, width))
        size = (max(1, round(scale * height)), max(1, round(scale * width)))
        pixels = decode(images.files[0], size, channels, **reading)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def _saved(image: Image.Image, kind: str = "PPM", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _as_jpeg(image: Image.Image, random: Random) -> bytes:
    return _saved(image, "JPEG", quality=int(random.integers(40, 96)))


def _resized(image: Image.Image, random: Random) -> bytes:
    factor = 2 ** random.uniform(-1, 1)
    size = [max(1, math.ceil(factor * side)) for side in image.size]
    return _saved(image.resize((size[0], size[1]), Image.Resampling.BICUBIC))


def _cropped(image: Image.Image, random: Random) -> bytes:
    left, top, right, bottom = random.uniform(0, _CROPPED, 4)
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    size = (max(1, round(box[2] - box[0])), max(1, round(box[3] - box[1])))
    return _saved(image.resize(size, Image.Resampling.BICUBIC, box=box))


def _brightened(image: Image.Image, random: Random) -> bytes:
    factor = _FACTOR ** random.uniform(-1, 1)
    return _saved(ImageEnhance.Brightness(image).enhance(factor))


KINDS: dict[str, Callable[[Image.Image, Random], bytes]] = {
    "saved as JPEG": _as_jpeg,
    "resized": _resized,
    "cropped": _cropped,
    "brightened": _brightened,
}
"""Kinds of copies by name."""
