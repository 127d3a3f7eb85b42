"""Images from whatever holds them: a folder, an array, an IDX file."""

import gzip
import math
import pathlib
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from barlow.data.images import Images, from_array
from barlow.data.lazy import MAX_PIXELS, MEMORY
from barlow.progress import Track, silent

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_NPZ_IMAGES = ("images", "pixels", "x", "x_train")
_NPZ_LABELS = ("labels", "y", "y_train")


def load(
    source: str | pathlib.Path,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    *,
    background: str = "white",
    max_pixels: int = MAX_PIXELS,
    memory: int = MEMORY,
    track: Track = silent,
) -> Images:
    """Images from a folder or a file, with labels where the source has them.

    - A folder of image files, at any depth. If every image lies in a subfolder and there are at
      least two, the names of the subfolders are the labels.
    - ``.npy``: one array of images. ``.npz``: the images under ``images``, ``pixels``, ``x`` or
      ``x_train``, labels under ``labels``, ``y`` or ``y_train``.
    - IDX, gzipped or not: labels from the file beside it that says ``labels`` where this one
      says ``images``, as the MNIST family is laid out.

    Args:
        source: Path of the folder or file.
        image_size: ``(height, width)`` to bring the images of a folder to, by cropping the
            longer side and resampling. Defaults to ``None``: their own size if they share one
            of at most 64 pixels, else 32 x 32.
        channels: 1 to make the images of a folder grey, 3 to make them colour. Defaults to
            ``None``: grey if all are.
        background: Colour that shows where an image is transparent, a name or ``#rrggbb``.
            Defaults to ``"white"``.
        max_pixels: Pixels of the largest image file that is read; a larger one is a bad image.
            Defaults to about 89 million.
        memory: Bytes of pixels up to which they are read into memory; of more, each image is
            read when it is asked for. 0 never reads into memory. Defaults to 2 GiB.
        track: Shows the progress of reading; see :data:`barlow.progress.Track`.

    Returns:
        The images.

    Raises:
        FileNotFoundError: If there is nothing at that path.
        ValueError: If there are no images in it, they cannot be read, or those of a file are
            not of the size or the channels that are asked for.

    Example:
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "images.npy"
        >>> np.save(path, np.zeros((10, 8, 8)))
        >>> len(barlow.data.load(path))
        10
    """
    if channels not in (None, 1, 3):
        raise ValueError(f"`channels` must be 1 (grey) or 3 (colour). Received: {channels}.")
    path = pathlib.Path(source)
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}.")
    if path.is_dir():
        # Only here, so that arrays need no Pillow.
        from barlow.data.files import load_files  # noqa: PLC0415
        from barlow.data.folder import list_folder  # noqa: PLC0415

        return load_files(
            *list_folder(path),
            image_size=image_size,
            channels=channels,
            background=background,
            max_pixels=max_pixels,
            memory=memory,
            track=track,
        )
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
        raise ValueError(f"Cannot read images from {path}: {error}") from error


def digits() -> Images:
    """The 1,797 handwritten digits that come with scikit-learn, 8 x 8, labelled.

    Returns:
        Images with values 0 .. 255; the originals have 17 grey levels.

    Example:
        >>> barlow.data.digits().pixels.shape
        (1797, 8, 8, 1)
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - the core must not need it

    bunch = load_digits()
    return from_array(np.rint(bunch.images * (255 / 16)).astype("uint8"), bunch.target)


def _check_as_asked(
    images: Images, image_size: tuple[int, int] | None, channels: int | None
) -> None:
    *size, found = images.pixels.shape[1:]
    if image_size not in (None, tuple(size)) or channels not in (None, found):
        raise ValueError(
            f"its images have the size {size[0]} x {size[1]} and {found} channels, and only the "
            "images of a folder are brought to others. "
            f"Received: image_size={image_size}, channels={channels}."
        )


def _load_numpy(path: pathlib.Path, kind: type) -> Any:
    """Content of a file of NumPy, which goes by what is in it and not by its name."""
    content = np.load(path, allow_pickle=False)
    if not isinstance(content, kind):
        raise ValueError(f"it is not an {path.suffix} file; call it what it is, .npy or .npz.")
    return content


def _load_npz(path: pathlib.Path) -> Images:
    with _load_numpy(path, NpzFile) as arrays:
        images = next((name for name in _NPZ_IMAGES if name in arrays), None)
        labels = next((name for name in _NPZ_LABELS if name in arrays), None)
        if images is None:
            raise ValueError(
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
        raise ValueError(
            f"{path.name} is not an IDX file. Known: a folder of images, .npy, .npz, IDX."
        )
    dtype, rank = np.dtype(_IDX_TYPES[content[2]]), content[3]
    shape = tuple(np.frombuffer(content, ">u4", count=rank, offset=4).tolist())
    start = 4 + 4 * rank
    if len(content) - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{path.name} announces an array of shape {shape} and is cut short.")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)
