"""Images from any source: files, lists of files, archives, datasets, arrays."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from barlow import resizing
from barlow.data.arrays import is_arrays, load_arrays
from barlow.data.images import Images, from_array
from barlow.data.lazy import MAX_PIXELS, MEMORY
from barlow.errors import InvalidInput, extra
from barlow.paths import as_path
from barlow.progress import Track, silent


def load(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Any,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    *,
    background: str = resizing.BACKGROUND,
    max_pixels: int = MAX_PIXELS,
    memory: int = MEMORY,
    pages: str = "first",
    resize: str = resizing.RESIZE,
    split: str | None = None,
    track: Track = silent,
) -> Images:
    r"""Images from any source, with names, and with labels if the source has them.

    Image files:

    - A folder, at any depth. If every image lies in a subfolder and there are at least two, the
      names of the subfolders are the labels; below ``train``, ``val`` and ``test``, those of their
      subfolders. An image's name is its path from the folder on, with ``/``.
    - A pattern, such as ``photos/2026-*/*.jpg`` or ``photos/**/*.png``, where ``**`` matches
      folders at any depth; braces as in a shell, such as ``train-{000000..000009}.tar``. Sorted by
      path, without labels. An image's name is its path as matched.
    - A list of paths, in its order, without labels; a folder stands for the images in it. An
      image's name is its path as given.
    - A manifest, with paths relative to its own folder. ``.txt``: one path per line, optionally
      with a label after a tab, or a space. ``.csv``, ``.tsv``, ``.parquet``: the columns ``path``
      (or ``file_name``, ``filename``) and optionally ``label``, a text or a whole number. An
      image's name is its path as written there. Parquet needs ``pip install 'barlow[data]'``.
    - A ``.tar`` archive as WebDataset lays it out, or a list or a pattern of archives. The label
      of ``a/12.jpg`` is the text in ``a/12.cls``. Images are read from the archive directly, in
      any order. An image's name is that of the member; for a list or a pattern, archive and
      member, ``shards/1.tar/a/12.jpg``.
    - A ``datasets.Dataset`` of Hugging Face, or the folder that its ``save_to_disk`` wrote. It
      must have one column of images; a column of classes, or one called ``label``, has the
      labels. Or Parquet files with images in them, as on its hub. An image's name is its row
      number.

    Arrays, where an image's name is its row number:

    - ``.npy``: one array of images. ``.npz``: the images under ``images``, ``pixels``, ``x``,
      ``x_train`` or ``train_images``, labels under ``labels``, ``y``, ``y_train`` or
      ``train_labels``.
    - IDX, gzipped or not: labels from the file next to it whose name has ``labels`` in place of
      ``images``, as in the MNIST family.

    Files that cannot be read are left out and listed in ``skipped`` of the result. If only some
    images have a label, the result has no labels, and ``notes`` says so. Files that are not images
    are counted in ``passed_over``, and ``notes`` names those that look like images. What barlow has
    written is never an image, wherever it lies. A file name that is not UTF-8 has surrogates for
    the other bytes (:func:`os.fsdecode`). In a path ``~`` is the home folder.

    Values other than 0 .. 255 are brought to that by one factor for the whole set, if it is known
    what they are, and ``notes`` says so: see :mod:`barlow.pixels`.

    Args:
        source: Path or pattern, list of paths, or dataset.
        image_size: ``(height, width)`` of the result. Defaults to ``None``: their own size if they
            share one of at most 64 pixels; else a square of the median of their shorter sides, a
            multiple of 8 from 16 to 64, or to 224 with a GPU.
        channels: 1 to convert image files to grey, 3 to colour. Defaults to ``None``: grey if all
            are.
        background: Colour behind transparent images, a name or ``#rrggbb``. Defaults to
            ``"white"``.
        max_pixels: Largest number of pixels of an image file; a larger one is skipped. Defaults
            to about 89 million.
        memory: Largest number of bytes of pixels that are read into memory; if there are more,
            each image is read when it is indexed. 0 never reads into memory. Defaults to 2 GiB.
        pages: Of TIFF files with several pages, and of animations: ``"first"`` takes the first
            page, ``"all"`` takes every page as an image, named ``"a.tif, page 2"``. Defaults to
            ``"first"``.
        resize: How an image file comes to a size with another ratio of width to height: ``"crop"``
            cuts its longer side to the middle; ``"pad"`` lays all of it in the middle of the
            background; ``"stretch"`` keeps all of it and not its ratio. Defaults to ``"stretch"``.
        split: Of a folder, the only subfolder to take, such as ``"train"``. Defaults to ``None``,
            all.
        track: Shows the progress of reading; see :data:`barlow.progress.Track`.

    Returns:
        The images.

    Raises:
        FileNotFoundError: If there is nothing at that path, or no file matches the pattern.
        InvalidInput: If there are no images in it, they cannot be read, an option is not valid,
            or arrays do not have the size or the channels that are asked for.
        MissingPackage: If a package is needed that is not installed.
        TypeError: If ``source`` is none of these.

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
        >>> pets = barlow.data.load(folder / "pets.csv")
        >>> pets.names.tolist(), pets.labels.tolist()
        (['cat.png', 'dog.png'], ['cat', 'dog'])
    """
    if channels not in (None, 1, 3):
        raise InvalidInput(f"`channels` must be 1 (grey) or 3 (colour). Received: {channels}.")
    image_size = None if image_size is None else resizing.as_size(image_size)
    if isinstance(source, str | os.PathLike):
        path = as_path(source)
        if split is None and path.is_file() and is_arrays(path):
            return load_arrays(path, image_size, channels, memory)
    # Imported here, because arrays do not need Pillow.
    from barlow.data.files import load_files  # noqa: PLC0415
    from barlow.data.paths import list_files  # noqa: PLC0415

    return load_files(
        list_files(source, track, split),
        image_size=image_size,
        channels=channels,
        background=background,
        max_pixels=max_pixels,
        memory=memory,
        pages=pages,
        resize=resize,
        track=track,
    )


def as_images(
    images: Any,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    **options: Any,
) -> Images:
    """Images as they are, from an array, or from a source.

    Args:
        images: Images, an array or a tensor for :func:`from_array`, or a source of :func:`load`.
        image_size: For a source, as for :func:`load`.
        channels: For a source, as for :func:`load`.
        **options: For a source, the other options of :func:`load`.

    Returns:
        The images.

    Raises:
        InvalidInput: If the array is not one of images, or the source has none.

    Example:
        >>> len(barlow.data.as_images(np.zeros((10, 8, 8))))
        10
    """
    if isinstance(images, Images):
        return images
    if hasattr(images, "__array__"):  # tensors have it, too
        return from_array(images)
    return load(images, image_size, channels, **options)


def digits() -> Images:
    """The 1,797 handwritten digits of scikit-learn, 8 x 8, labelled.

    Returns:
        Images with values 0 .. 255, from 17 grey levels; their names are the row numbers.

    Raises:
        MissingPackage: If scikit-learn is not installed.

    Example:
        >>> barlow.data.digits().pixels.shape
        (1797, 8, 8, 1)
    """
    with extra("cli", "Loading the digits of scikit-learn"):
        from sklearn.datasets import load_digits  # noqa: PLC0415 - optional
    bunch = load_digits()
    return from_array(np.rint(bunch.images * (255 / 16)).astype("uint8"), bunch.target)
