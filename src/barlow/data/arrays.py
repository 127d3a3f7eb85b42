"""Images from files that hold them as one array: NumPy's and IDX."""

import gzip
import math
import pathlib
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from barlow.data.images import Images, from_array
from barlow.errors import InvalidInput

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_NPZ_IMAGES = ("images", "pixels", "x", "x_train")
_NPZ_LABELS = ("labels", "y", "y_train")


def load_arrays(
    path: pathlib.Path, image_size: tuple[int, int] | None = None, channels: int | None = None
) -> Images:
    """Images of a file, with labels if it has any. Their names are the row numbers.

    Raises:
        InvalidInput: If it cannot be read, or its images do not have the size or the channels
            that are asked for.
    """
    try:
        if path.suffix == ".npy":
            images = from_array(_load_numpy(path, np.ndarray))
        elif path.suffix == ".npz":
            images = _load_npz(path)
        else:
            images = _load_idx(path)
        _check_as_asked(images, image_size, channels)
        return images
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidInput(f"Cannot read images from {path}: {error}") from error


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


def _load_numpy(path: pathlib.Path, kind: type) -> Any:
    """Content of a NumPy file. NumPy looks at the content, so the name may be wrong."""
    content = np.load(path, allow_pickle=False)
    if not isinstance(content, kind):
        raise InvalidInput(
            f"it is not an {path.suffix} file; rename it to .npy or .npz, whichever it is."
        )
    return content


def _load_npz(path: pathlib.Path) -> Images:
    with _load_numpy(path, NpzFile) as arrays:
        images = next((name for name in _NPZ_IMAGES if name in arrays), None)
        labels = next((name for name in _NPZ_LABELS if name in arrays), None)
        if images is None:
            raise InvalidInput(
                f"its arrays are called {', '.join(arrays)}; "
                f"name the images one of {', '.join(_NPZ_IMAGES)}."
            )
        return from_array(arrays[images], None if labels is None else arrays[labels])


def _load_idx(path: pathlib.Path) -> Images:
    labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    has_labels = labels != path and labels.exists()
    return from_array(_read_idx(path), _read_idx(labels) if has_labels else None)


def _read_idx(path: pathlib.Path) -> np.ndarray:
    """Array in the IDX format: two zero bytes, type, rank, sizes, data, all big-endian."""
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if content[:2] != b"\0\0" or len(content) < 4 or content[2] not in _IDX_TYPES:
        raise InvalidInput(
            f"{path.name} is not an IDX file. Known: a folder or a pattern of image files, lists "
            "of them (.txt, .csv, .tsv, .parquet), .tar archives, .npy, .npz, IDX."
        )
    dtype, rank = np.dtype(_IDX_TYPES[content[2]]), content[3]
    shape = tuple(np.frombuffer(content, ">u4", count=rank, offset=4).tolist())
    start = 4 + 4 * rank
    if len(content) - start != math.prod(shape) * dtype.itemsize:
        raise InvalidInput(
            f"{path.name} is cut short: its header declares an array of shape {shape}."
        )
    # A copy, because an array of `bytes` is read-only, which PyTorch warns about.
    return np.frombuffer(content, dtype, offset=start).reshape(shape).copy()
