"""Images from files that hold them as one array: NumPy's and IDX."""

import dataclasses
import gzip
import math
import pathlib
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.lib.npyio import NpzFile

from barlow.data.images import Images, from_array
from barlow.data.lazy import MEMORY
from barlow.errors import InvalidInput
from barlow.text import printable

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_IDX_RANK = 8  # at most: more is no array of images
_GZIP, _MOST_PACKED = b"\x1f\x8b", 1100  # bytes that a byte of gzip may become
_NPZ_IMAGES = ("images", "pixels", "x", "x_train", "train_images")
_NPZ_LABELS = ("labels", "y", "y_train", "train_labels")


def is_arrays(path: pathlib.Path) -> bool:
    """Whether a file holds arrays: by its name, or for IDX by its first bytes."""
    if path.suffix.lower() in (".npy", ".npz"):
        return True
    try:
        with _opened(path) as file:
            first = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return (
        len(first) == 4
        and first[:2] == b"\0\0"
        and first[2] in _IDX_TYPES
        and (0 < first[3] <= _IDX_RANK)
    )


def load_arrays(
    path: pathlib.Path,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    memory: int = MEMORY,
) -> Images:
    """Images of a file, with labels if it has any. Their names are the row numbers.

    An ``.npy`` file of more than ``memory`` bytes is mapped, not read.

    Raises:
        InvalidInput: If it cannot be read, or its images do not have the size or the channels
            that are asked for.
    """
    try:
        if path.suffix.lower() == ".npy":
            mapped = "r" if path.stat().st_size > memory else None
            images = from_array(_load_numpy(path, np.ndarray, mapped))
        elif path.suffix.lower() == ".npz":
            images = _load_npz(path)
        else:
            images = _load_idx(path)
        _check_as_asked(images, image_size, channels)
        return images
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidInput(f"Cannot read images from {printable(path)}: {error}") from error


def _check_as_asked(
    images: Images, image_size: tuple[int, int] | None, channels: int | None
) -> None:
    *size, found = images.pixels.shape[1:]
    if image_size not in (None, tuple(size)) or channels not in (None, found):
        raise InvalidInput(
            f"its images have the size {size[0]} x {size[1]} and {found} channels, and only "
            "image files can be resized or converted. "
            f"Received: image_size={image_size}, channels={channels}."
        )


def _load_numpy(path: pathlib.Path, kind: type, mapped: Literal["r"] | None = None) -> Any:
    """Content of a NumPy file. NumPy looks at the content, so the name may be wrong."""
    content = np.load(path, mmap_mode=mapped, allow_pickle=False)
    if not isinstance(content, kind):
        raise InvalidInput(
            f"it is not an {path.suffix} file; rename it to .npy or .npz, whichever it is."
        )
    return content


def _load_npz(path: pathlib.Path) -> Images:
    with _load_numpy(path, NpzFile) as arrays:
        name = next((name for name in _NPZ_IMAGES if name in arrays), None)
        labels = next((name for name in _NPZ_LABELS if name in arrays), None)
        if name is None:
            raise InvalidInput(
                f"its arrays are called {', '.join(map(printable, arrays))}; "
                f"name the images one of {', '.join(_NPZ_IMAGES)}."
            )
        images = _with_labels(from_array(arrays[name]), labels and (lambda: arrays[labels]))
        others = [other for other in arrays if other not in (name, labels)]
        if others:
            note = f"Passed over: the arrays {', '.join(map(printable, others))}."
            images = dataclasses.replace(images, notes=(*images.notes, note))
        return images


def _load_idx(path: pathlib.Path) -> Images:
    labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    has_labels = labels != path and labels.exists()
    return _with_labels(from_array(_read_idx(path)), has_labels and (lambda: _read_idx(labels)))


def _with_labels(images: Images, read: Callable[[], np.ndarray] | str | bool | None) -> Images:
    """The images with the labels that ``read`` returns, or with a note why they have none.

    Labels that cannot be used never stop a training, in which they play no part.
    """
    if not callable(read):
        return images
    try:
        labels = _one_per_image(read(), len(images))
        note = ()
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        labels, note = None, (f"Labels are left out: {error}",)
    return dataclasses.replace(images, labels=labels, notes=(*images.notes, *note))


def _one_per_image(labels: np.ndarray, images: int) -> np.ndarray:
    """Labels, shape ``[images]``, of classes: texts or whole numbers.

    Raises:
        InvalidInput: If they are no such labels.
    """
    if len(labels.shape) == 0 or len(labels) != images:
        raise InvalidInput(f"they have the shape {labels.shape} for {images} images.")
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "buif":
        if not ((labels != 0).sum(axis=1) == 1).all() or not np.isin(labels, (0, 1)).all():
            raise InvalidInput(f"there are several per image, shape {labels.shape}.")
        labels = labels.argmax(axis=1)  # one-hot
    labels = labels.reshape(images, -1)
    if labels.shape[1] != 1:
        raise InvalidInput(f"there are several per image, shape {labels.shape}.")
    labels = labels[:, 0]
    if labels.dtype.kind == "f":
        if not (labels == np.rint(labels)).all():  # NaN, too
            raise InvalidInput("they are not whole numbers.")
        labels = labels.astype("int64")
    return np.char.decode(labels, errors="replace") if labels.dtype.kind == "S" else labels


def _read_idx(path: pathlib.Path) -> np.ndarray:
    """Array in the IDX format: two zero bytes, type, rank, sizes, data, all big-endian."""
    with _opened(path) as file:
        start = file.read(4)
        dtype, rank = np.dtype(_IDX_TYPES[start[2]]), start[3]
        shape = tuple(np.frombuffer(file.read(4 * rank), ">u4", count=rank).tolist())
        size = math.prod(shape) * dtype.itemsize
        is_packed = isinstance(file, gzip.GzipFile)
        most = path.stat().st_size * (_MOST_PACKED if is_packed else 1)
        array = np.empty(shape if size <= most else 0, dtype)  # before memory is taken for it
        place: Any = array.reshape(-1).view("u1")
        read = 0
        while read < len(place) and (more := file.readinto(place[read:])):
            read += more
        if read != size or file.read(1):
            raise InvalidInput(
                f"{printable(path.name)} is cut short, or too long: its header declares an array "
                f"of shape {shape}."
            )
    return array


def _opened(path: pathlib.Path) -> Any:
    """The file, unpacked if it is gzip."""
    file = path.open("rb")
    packed = file.read(2) == _GZIP
    file.seek(0)
    if not packed:
        return file
    file.close()
    return gzip.open(path, "rb")
