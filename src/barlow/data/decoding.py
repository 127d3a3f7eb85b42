"""One image file to pixels: upright, opaque, 8 bits, of one size."""

import contextlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError

from barlow.data.lazy import MAX_PIXELS, BadImage
from barlow.errors import InvalidInput

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is read. Pillow reads much else, such as HDF5 and MPEG, which among photos is a mistake."""

_DEEP_GREY = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_GREY = ("1", "L", "LA", *_DEEP_GREY)
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

Image.init()  # reads all formats now, where later threads would all do it at once


class File(Protocol):
    """What opens as a :class:`pathlib.Path` does, and as text says where it is."""

    def open(self, mode: str, /) -> IO[bytes]: ...  # noqa: D102


class Header(NamedTuple):
    """What is known of an image before it is decoded."""

    size: tuple[int, int]
    """``(width, height)``, upright."""
    grey: bool
    deep: bool
    """16 bits."""
    transparent: bool


def read_header(file: File, max_pixels: int = MAX_PIXELS) -> Header:
    """What is known of an image before it is decoded.

    Raises:
        BadImage: If it cannot be read.
    """
    with _opened(file, max_pixels) as image:
        size = image.size[::-1] if _orientation(image) >= 5 else image.size
        mode = image.mode
        return Header(size, mode in _GREY, mode in _DEEP_GREY, image.has_transparency_data)


def decode(
    file: File,
    image_size: tuple[int, int],
    channels: int,
    background: str = "white",
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Pixels of an image file; of an animation, those of the first frame.

    The longer side is cropped to the middle, the rest resampled bicubically. A JPEG at least
    four times as large as asked for is decoded at half, a quarter or an eighth of its size, but
    never at less than twice what is asked for, which differs by less than a grey level on average.

    Args:
        file: A path, or what opens and names itself as one.
        image_size: ``(height, width)`` of the result.
        channels: 1 for grey, 3 for colour.
        background: Colour that shows where the image is transparent, a name or ``#rrggbb``.
        max_pixels: Number of pixels from which an image is refused before it is decoded.

    Returns:
        Shape ``[height, width, channels]``, uint8.

    Raises:
        BadImage: If the file cannot be read.

    Example:
        >>> from PIL import Image
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (60, 40), "red").save(path)
        >>> barlow.data.decoding.decode(path, (8, 8), channels=3)[0, 0].tolist()
        [255, 0, 0]
    """
    mode = "L" if channels == 1 else "RGB"
    with _opened(file, max_pixels) as image:
        twice = 2 * max(image_size)
        reduced = image.draft(mode, (twice, twice))  # of JPEG alone; of all others nothing
        image.load()
        # A reduced image may end in part of a pixel, so its size is not the one of its array.
        width, height = reduced[1][2:] if reduced else image.size
        orientation = _orientation(image)
        to_height, to_width = image_size[::-1] if orientation >= 5 else image_size
        scale = min(width / to_width, height / to_height)
        # Above 0 only by more than rounding, or Pillow would find the box out of the image.
        left, top = max(0, width - scale * to_width) / 2, max(0, height - scale * to_height) / 2
        resized = _converted(image, mode, background).resize(
            (to_width, to_height),
            Image.Resampling.BICUBIC,
            box=(left, top, width - left, height - top),
        )
        if orientation in _UPRIGHT:
            resized = resized.transpose(_UPRIGHT[orientation])
        return np.array(resized).reshape(*image_size, channels)


def check_options(background: str, max_pixels: int) -> None:
    """Refuse what no image could be read with, which else would seem to be bad images.

    Raises:
        ValueError: If an option is not valid.
    """
    if max_pixels < 1:
        raise InvalidInput(f"`max_pixels` must be at least 1. Received: {max_pixels}.")
    try:
        ImageColor.getrgb(background)
    except ValueError as error:
        raise InvalidInput(
            "`background` must be the name of a colour, such as 'white', or '#rrggbb'. "
            f"Received: {background!r}."
        ) from error


@contextlib.contextmanager
def _opened(file: File, max_pixels: int) -> Iterator[Any]:
    """The image in a file, and :class:`BadImage` for whatever goes wrong with it."""
    # Pillow's limit is one for the whole process; it gives way only to who asks for more.
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with file.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise Image.DecompressionBombError
            yield image
    except Image.DecompressionBombError as error:
        raise BadImage(
            file,
            f"it has more than {max_pixels} pixels; where that is right, raise `max_pixels` "
            "(--max-pixels)",
        ) from error
    except UnidentifiedImageError as error:
        raise BadImage(file, f"it is damaged, or none of {', '.join(FORMATS)}") from error
    except Exception as error:  # damage makes Pillow raise nearly anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadImage(file, reason) from error


def _orientation(image: Image.Image) -> int:
    """How the camera was held, 1 .. 8; 1 is upright."""
    if "exif" not in image.info:  # Pillow turns TIFF itself; a PNG may have it at its end
        return 1
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged, which is no reason to lose the image
        return 1


def _converted(image: Image.Image, mode: str, background: str) -> Image.Image:
    """Grey or colour of 8 bits, opaque."""
    if image.mode in _DEEP_GREY:
        image = _eight_bits(image)
    elif image.mode == "F":
        raise InvalidInput("its pixels are floats, of which the range is not known")
    elif image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, background)
        opaque.alpha_composite(image.convert("RGBA"))
        image = opaque
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled to 8, where Pillow would make white of all above 255."""
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if not 0 <= low <= high < 2**16:
        raise InvalidInput(f"its values are from {low} to {high}, not 0 to {2**16 - 1}")
    return Image.fromarray(np.rint(values / 257).astype("uint8"))
