"""Images from a folder of image files."""

import pathlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from barlow.data.images import Images, from_array
from barlow.progress import Track

_LARGEST_OWN_SIZE = 64
_DEFAULT_SIZE = (32, 32)
_PHOTO_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_GREY_MODES = ("1", "L", "LA")
_DEEP_GREY_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def load_folder(
    folder: pathlib.Path, image_size: tuple[int, int] | None, channels: int | None, track: Track
) -> Images:
    """Images of all files below a folder; see :func:`barlow.data.load`."""
    paths = _image_files(folder)
    if not paths:
        raise ValueError(
            f"There are no image files in {folder} or below it. Known: {', '.join(_PHOTO_FORMATS)}."
        )
    headers = [_read(path, _header) for path in track(paths, "Looking at images")]
    sizes, modes = {size for size, _ in headers}, {mode for _, mode in headers}
    notes = []
    if not modes.isdisjoint(_DEEP_GREY_MODES):
        notes.append("Grey images of 16 bits were scaled to 8 bits.")
    height, width = image_size or _own_size(sizes) or _DEFAULT_SIZE
    if sizes != {(width, height)}:
        notes.append(f"The images were brought to {height} x {width} pixels.")
    own_channels = 1 if modes.issubset((*_GREY_MODES, *_DEEP_GREY_MODES)) else 3
    channels = channels or own_channels
    if channels != own_channels:
        notes.append(f"The images were made {'grey' if channels == 1 else 'colour'}.")

    def pixels(image: Image.Image) -> np.ndarray:
        upright = _eight_bits(ImageOps.exif_transpose(image))
        converted = upright.convert("L" if channels == 1 else "RGB")
        return np.asarray(ImageOps.fit(converted, (width, height), Image.Resampling.BICUBIC))

    images = np.stack([_read(path, pixels) for path in track(paths, "Reading images")])
    labels = _labels(folder, paths)
    loaded = from_array(images, labels)
    return Images(loaded.pixels, loaded.labels, (*loaded.notes, *notes))


def _image_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Files that by their names are photos, in a fixed order; nothing hidden.

    Pillow reads much else, such as HDF5 and MPEG, which among photos is something else.
    """
    extensions = Image.registered_extensions()
    readable = {extension for extension, name in extensions.items() if name in _PHOTO_FORMATS}
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in readable
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _read(path: pathlib.Path, read):
    try:
        with Image.open(path) as image:
            return read(image)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
    ) as error:
        raise ValueError(
            f"Cannot read the image {path}: {error}. Remove or repair the file."
        ) from error


def _header(image: Image.Image) -> tuple[tuple[int, int], str]:
    return image.size, image.mode


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled to 8, where Pillow would make white of all above 255."""
    if image.mode not in _DEEP_GREY_MODES:
        return image
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if not 0 <= low <= high < 2**16:
        raise ValueError(f"its values are from {low} to {high}, not 0 to {2**16 - 1}")
    return Image.fromarray(np.rint(values / 257).astype("uint8"))


def _own_size(sizes: set[tuple[int, int]]) -> tuple[int, int] | None:
    """``(height, width)`` of the images where they share one that is small enough to keep."""
    if len(sizes) > 1:
        return None
    ((width, height),) = sizes
    return (height, width) if max(width, height) <= _LARGEST_OWN_SIZE else None


def _labels(folder: pathlib.Path, paths: list[pathlib.Path]) -> np.ndarray | None:
    parts = [path.relative_to(folder).parts for path in paths]
    names = {part[0] for part in parts}
    if len(names) < 2 or any(len(part) == 1 for part in parts):
        return None
    return np.array([part[0] for part in parts])
