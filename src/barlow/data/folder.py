"""Images from a folder of image files."""

import pathlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from barlow.data.images import Images, from_array
from barlow.progress import Track

_LARGEST_OWN_SIZE = 64
_DEFAULT_SIZE = (32, 32)
_GREY_MODES = ("1", "L", "LA", "I;16", "I")


def load_folder(folder: pathlib.Path, image_size: tuple[int, int] | None, track: Track) -> Images:
    """Images of all files below a folder; see :func:`barlow.data.load`."""
    paths = _image_files(folder)
    if not paths:
        raise ValueError(f"There are no image files in {folder} or below it.")
    headers = [_read(path, _header) for path in track(paths, "Looking at images")]
    sizes = {size for size, _ in headers}
    notes = []
    height, width = image_size or _own_size(sizes) or _DEFAULT_SIZE
    if sizes != {(width, height)}:
        notes.append(f"The images were brought to {height} x {width} pixels.")
    grey = all(is_grey for _, is_grey in headers)

    def pixels(image: Image.Image) -> np.ndarray:
        upright = ImageOps.exif_transpose(image).convert("L" if grey else "RGB")
        return np.asarray(ImageOps.fit(upright, (width, height), Image.Resampling.BICUBIC))

    images = np.stack([_read(path, pixels) for path in track(paths, "Reading images")])
    labels = _labels(folder, paths)
    loaded = from_array(images, labels)
    return Images(loaded.pixels, loaded.labels, (*loaded.notes, *notes))


def _image_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Files that by their names are images, in a fixed order; nothing hidden."""
    readable = {
        extension for extension, name in Image.registered_extensions().items() if name in Image.OPEN
    }
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
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ValueError(
            f"Cannot read the image {path}: {error}. Remove or repair the file."
        ) from error


def _header(image: Image.Image) -> tuple[tuple[int, int], bool]:
    return image.size, image.mode in _GREY_MODES


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
