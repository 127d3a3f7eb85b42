"""Images from whatever holds them: files, lists of files, archives, datasets, arrays."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from barlow.data.arrays import load_arrays
from barlow.data.images import Images, from_array
from barlow.data.lazy import MAX_PIXELS, MEMORY
from barlow.errors import InvalidInput
from barlow.progress import Track, silent

_OF_FILES = (".csv", ".parquet", ".tar", ".tsv", ".txt")  # names of files that are no arrays


def load(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Any,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    *,
    background: str = "white",
    max_pixels: int = MAX_PIXELS,
    memory: int = MEMORY,
    track: Track = silent,
) -> Images:
    r"""Images from whatever holds or names them, with labels where the source has them.

    Image files:

    - A folder of them, at any depth. If every image lies in a subfolder and there are at least
      two, the names of the subfolders are the labels.
    - A pattern, such as ``photos/2026-*/*.jpg`` or ``photos/**/*.png``, where ``**`` stands for
      folders of any depth. In the order of their names, without labels.
    - A list of paths, in its order, without labels.
    - A manifest, with paths from its own folder on. ``.txt``: one path per line, and perhaps a
      label behind a tab. ``.csv``, ``.tsv``, ``.parquet``: the columns ``path`` and perhaps
      ``label``, a text or a whole number. Parquet needs ``pip install 'barlow[data]'``.
    - ``.tar`` archives as WebDataset lays them out, one or a list or a pattern of them. The
      label of ``a/12.jpg`` is the text in ``a/12.cls``. They are read where they are, in any
      order.
    - A ``datasets.Dataset`` of Hugging Face, or the folder that its ``save_to_disk`` wrote. It
      has one column of images; a column of classes, or one called ``label``, has the labels.

    Arrays:

    - ``.npy``: one array of images. ``.npz``: the images under ``images``, ``pixels``, ``x`` or
      ``x_train``, labels under ``labels``, ``y`` or ``y_train``.
    - IDX, gzipped or not: labels from the file beside it that says ``labels`` where this one
      says ``images``, as the MNIST family is laid out.

    Files that cannot be read are left out and named in ``skipped`` of the result. Where only
    some images have a label, none has in the result, and ``notes`` says so.

    Args:
        source: Path or pattern, list of paths, or dataset.
        image_size: ``(height, width)`` to bring image files to, by cropping the longer side and
            resampling. Defaults to ``None``: their own size if they share one of at most 64
            pixels, else 32 x 32.
        channels: 1 to make image files grey, 3 to make them colour. Defaults to ``None``: grey if
            all are.
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
        FileNotFoundError: If there is nothing at that path, or nothing that fits the pattern.
        ModuleNotFoundError: If a library is needed that is not installed.
        TypeError: If ``source`` is nothing of that.
        ValueError: If there are no images in it, they cannot be read, or arrays are not of the
            size or the channels that are asked for.

    Example:
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> np.save(folder / "images.npy", np.zeros((10, 8, 8)))
        >>> len(barlow.data.load(folder / "images.npy"))
        10
        >>> from PIL import Image
        >>> for name in ("cat.png", "dog.png"):
        ...     Image.new("RGB", (8, 8)).save(folder / name)
        >>> len(barlow.data.load(folder)), len(barlow.data.load(f"{folder}/*.png"))
        (2, 2)
        >>> (folder / "pets.csv").write_text("path,label\ncat.png,cat\ndog.png,dog\n")
        35
        >>> barlow.data.load(folder / "pets.csv").labels.tolist()
        ['cat', 'dog']
    """
    if channels not in (None, 1, 3):
        raise InvalidInput(f"`channels` must be 1 (grey) or 3 (colour). Received: {channels}.")
    if isinstance(source, str | os.PathLike):
        path = pathlib.Path(source)
        if path.is_file() and path.suffix.lower() not in _OF_FILES:
            return load_arrays(path, image_size, channels)
    # Only here, so that arrays need no Pillow.
    from barlow.data.files import load_files  # noqa: PLC0415
    from barlow.data.paths import list_files  # noqa: PLC0415

    return load_files(
        list_files(source, track),
        image_size=image_size,
        channels=channels,
        background=background,
        max_pixels=max_pixels,
        memory=memory,
        track=track,
    )


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
