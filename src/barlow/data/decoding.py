"""Decode one image file to pixels: upright, opaque, 8 bits, of a given size."""

import contextlib
import io
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, Protocol

import numpy as np

from barlow import own, pixels
from barlow.data.formats import FORMATS, not_read
from barlow.data.lazy import MAX_PIXELS, BadImage
from barlow.errors import extra
from barlow.resizing import BACKGROUND, RESIZE, placed

with extra("cli", "Reading image files"):
    from PIL import Image, ImagePalette, UnidentifiedImageError

_DEEP = ("F", "I", "I;16", "I;16B", "I;16L", "I;16N")
_GREY = ("1", "L", "LA", *_DEEP)
_BITS, _LARGEST = 258, 281  # tags of TIFF: bits of a value, and the largest
_REDUCED = 254  # of a page: bit 0 if it is a smaller copy of another
_PAGES = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")  # formats of several pages or frames
_RAMP = bytes(level for level in range(256) for _ in range(3))  # a palette of greys
_ORIENTATION = 0x0112  # the tag of EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class File(Protocol):
    """A file that opens as a :class:`pathlib.Path` does; ``str`` of it says where it is."""

    def open(self, mode: str, /) -> IO[bytes]: ...  # noqa: D102


class Header(NamedTuple):
    """Properties of an image that are known before it is decoded."""

    size: tuple[int, int]
    """``(width, height)``, upright."""
    grey: bool
    deep: bool
    """Grey of more than 8 bits, or floats."""
    plain: bool
    """Grey of 8 bits without transparency."""
    top: int
    """Value of white where the file names it and has more than 8 bits, else 0."""
    transparent: bool
    pages: tuple[int, ...]
    """Numbers of its pages or frames, from 0 on."""
    own: bool
    """Whether barlow has written it."""
    format: str
    """As Pillow calls it, such as ``"JPEG"``."""
    exif: bool
    """Whether it has EXIF: what a camera tells of a photo."""


class Page(NamedTuple):
    """A page of an image file, or a frame of an animation, that opens as the file does."""

    file: File
    number: int

    def open(self, mode: str = "rb", /) -> IO[bytes]:
        """Open the file to read bytes."""
        return self.file.open(mode)

    def __str__(self) -> str:
        return f"{self.file}, page {self.number + 1}"


class Content(NamedTuple):
    """The content of a file in memory, that opens as the file does."""

    file: object
    """Where it is from."""
    content: bytes

    def open(self, mode: str = "rb", /) -> IO[bytes]:
        """Open the content to read bytes."""
        return io.BytesIO(self.content)

    def __str__(self) -> str:
        return str(self.file)


def read_header(file: File, max_pixels: int = MAX_PIXELS) -> Header:
    """Properties of an image, without decoding it.

    Raises:
        BadImage: If it cannot be read.
    """
    with _opened(file, max_pixels) as image:
        size = image.size[::-1] if _orientation(image) >= 5 else image.size
        return Header(
            size,
            image.mode in _GREY,
            image.mode in _DEEP,
            image.mode == "L" and not image.has_transparency_data,
            _white(image) if image.mode in _DEEP else 0,
            image.has_transparency_data,
            own=own.is_marked(image),
            format=image.format or "",
            exif="exif" in image.info,
            pages=_pages(image),  # last: it moves to the last page
        )


def read_range(file: File, max_pixels: int = MAX_PIXELS) -> pixels.Range:
    """Which values an image has.

    Raises:
        BadImage: If it cannot be read, or no set can have such values.
    """
    with _opened(file, max_pixels) as image:
        found = pixels.range_of(np.asarray(image))
        pixels.check_possible(found)
        return found


def decode(
    file: File,
    image_size: tuple[int, int],
    channels: int,
    background: str = BACKGROUND,
    max_pixels: int = MAX_PIXELS,
    deep: pixels.Scale = pixels.SIXTEEN_BITS,
    plain: pixels.Scale = pixels.EIGHT_BITS,
    resize: str = RESIZE,
) -> np.ndarray:
    """Pixels of an image file; for an animation, of its first frame.

    It is resampled bicubically. A JPEG at least four times as large as ``image_size`` is decoded at
    half, a quarter or an eighth of its size, but never at less than twice ``image_size``: the
    result differs by less than a grey level on average.

    Args:
        file: A path, or another :class:`File`.
        image_size: ``(height, width)`` of the result.
        channels: 1 for grey, 3 for colour.
        background: Colour behind transparent images, a name or ``#rrggbb``.
        max_pixels: Largest number of pixels; a larger image is refused before it is decoded.
        deep: How grey of more than 8 bits, and floats, become 0 .. 255.
        plain: How opaque grey of 8 bits becomes 0 .. 255.
        resize: How it comes to another ratio of width to height, a key of
            ``resizing.RESIZES``. Defaults to ``resizing.RESIZE``.

    Returns:
        Shape ``[height, width, channels]``, uint8.

    Raises:
        BadImage: If the file cannot be read.

    Example:
        >>> from PIL import Image
        >>> from barlow.data.decoding import decode
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (60, 40), "red").save(path)
        >>> decode(path, (8, 8), channels=3)[0, 0].tolist()
        [255, 0, 0]
    """
    mode = "L" if channels == 1 else "RGB"
    with _opened(file, max_pixels) as image:
        twice = 2 * max(image_size)
        reduced = image.draft(mode, (twice, twice))  # None unless it is a JPEG
        image.load()
        # A reduced image may end within a pixel, so its true size is not that of its array.
        width, height = reduced[1][2:] if reduced else image.size
        orientation = _orientation(image)
        to_height, to_width = image_size[::-1] if orientation >= 5 else image_size
        scale = {"L": plain}.get(image.mode, deep if image.mode in _DEEP else pixels.EIGHT_BITS)
        box, part, _ = placed((width, height), (to_width, to_height), resize)
        resized = _converted(image, mode, background, scale).resize(
            part, Image.Resampling.BICUBIC, box=box
        )
        if orientation in _UPRIGHT:
            resized = resized.transpose(_UPRIGHT[orientation])
        if part != (to_width, to_height):
            upright = (height, width) if orientation >= 5 else (width, height)
            size = image_size[1], image_size[0]
            page = Image.new(mode, size, background)
            page.paste(resized, placed(upright, size, resize).corner)
            resized = page
        return np.array(resized).reshape(*image_size, channels)


@contextlib.contextmanager
def _opened(file: File, max_pixels: int) -> Iterator[Any]:
    """The image in a file; any error becomes a :class:`BadImage`."""
    # Pillow has one limit for the whole process: it is raised if needed, never lowered.
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with file.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
            begins_grey = image.mode == "L" and not getattr(image, "global_palette", True)  # a GIF
            if isinstance(file, Page):
                image.seek(file.number)  # first: it has a size of its own
            if image.width * image.height > max_pixels:
                raise Image.DecompressionBombError
            if isinstance(file, Page) and begins_grey:
                _colour(image, file.number)
            yield image
    except Image.DecompressionBombError as error:
        raise BadImage(
            file,
            f"it has more than {max_pixels} pixels; where that is right, raise `max_pixels` "
            "(--max-pixels)",
        ) from error
    except UnidentifiedImageError as error:
        with contextlib.suppress(OSError), file.open("rb") as stream:
            raise BadImage(file, not_read(stream.read(256))) from error
        raise BadImage(file, "it cannot be opened any more") from error
    except Exception as error:  # Pillow raises nearly any error on a damaged file
        damaged = f"it is damaged ({type(error).__name__})"
        reason = getattr(error, "strerror", None) or str(error) or damaged
        raise BadImage(file, reason) from error


def _colour(image: Any, number: int) -> None:
    """Turn again to a frame of a GIF that has colours: Pillow loses them after a grey frame."""
    image.load()
    if image.mode != "L":
        image.global_palette = ImagePalette.raw("RGB", _RAMP)
        image.seek(0)  # now of colours, which are grey
        image.seek(number)


def _orientation(image: Image.Image) -> int:
    """Orientation of EXIF, 1 .. 8; 1 is upright."""
    if "exif" not in image.info:  # Pillow turns TIFF itself; a PNG may have EXIF at its end
        return 1
    try:
        found = image.getexif().get(_ORIENTATION, 1)
        return found if found in _UPRIGHT else 1
    except Exception:  # damaged EXIF is no reason to lose the image
        return 1


def _white(image: Any) -> int:
    """Value of white in an image of more than 8 bits, where that is known; else 0."""
    if image.format == "PPM" and image.mode != "F":  # Pillow has scaled it
        return 2**16 - 1
    tags = getattr(image, "tag_v2", {})
    bits, largest = tags.get(_BITS, (16,))[0], tags.get(_LARGEST, 0)
    largest = largest[0] if isinstance(largest, tuple) else largest
    return 2**bits - 1 if 8 < bits < 16 else largest if 255 < largest < 2**16 else 0


def _pages(image: Any) -> tuple[int, ...]:
    """Numbers of the pages or frames; those of TIFF that are smaller copies are left out."""
    if image.format not in _PAGES or not getattr(image, "is_animated", False):
        return (0,)
    numbers = []
    for number in range(image.n_frames):
        if image.format == "TIFF":
            image.seek(number)
            if image.tag_v2.get(_REDUCED, 0) & 1:
                continue
        numbers.append(number)
    return tuple(numbers) or (0,)


def _converted(image: Image.Image, mode: str, background: str, scale: pixels.Scale) -> Image.Image:
    """The image as grey (``"L"``) or colour (``"RGB"``) of 8 bits, opaque."""
    is_transparent, opacity = image.has_transparency_data, None
    if image.mode in _DEEP or (scale.changes and not is_transparent):
        values = np.asarray(image)
        pixels.check_possible(pixels.range_of(values))
        if is_transparent:  # where it has one value
            opacity = np.where(values == image.info["transparency"], 0, 255).astype("uint8")
        image = Image.fromarray(np.rint(scale(values)).astype("uint8"))
    if is_transparent:
        image = image.convert("RGBA")
        if opacity is not None:
            image.putalpha(Image.fromarray(opacity))
        opaque = Image.new("RGBA", image.size, background)
        opaque.alpha_composite(image)
        image = opaque
    return image if image.mode == mode else image.convert(mode)
