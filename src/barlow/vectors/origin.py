"""Where vectors come from: the encoder and the images are found again when they are needed.

A file of vectors keeps the paths of both, as they were given, and the folder in which they were. It
keeps no pixels and no weights. Where something was moved, its place can be given anew; the hash of
the weights tells whether it is the same encoder.
"""

import os
import pathlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import data, embedding, resizing, runs
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.paths import as_path
from barlow.text import printable
from barlow.vectors.facts import content_of_file
from barlow.vectors.table import as_text

_READING = ("background", "max_pixels", "pages", "split")
"""Options of :func:`barlow.data.load` that change which images there are, and their pixels."""

_SHOWN = 3  # names of images


def origin_of(run: Any, source: Any, **options: Any) -> dict[str, Any]:
    """Where an encoder and images are; what is no path is not known.

    Args:
        run: Folder of a run, or ``.keras`` file.
        source: One of :func:`barlow.data.load`, or several paths.
        **options: As for :func:`barlow.data.load`.

    Example:
        >>> barlow.vectors.origin_of("runs/photos", "photos")["data"]
        ['photos']
    """
    if isinstance(run, str | os.PathLike) and options.get("background") is None:
        options["background"] = resizing.of(run)["background"]
    several = isinstance(source, list | tuple)
    paths: list[Any] = [*source] if several else [source]
    known = all(isinstance(path, str | os.PathLike) for path in paths)
    return {
        "run": os.fspath(run) if isinstance(run, str | os.PathLike) else None,
        "data": [os.fspath(path) for path in paths] if known else None,
        "folder": os.fspath(pathlib.Path.cwd()),
        "reading": {name: options[name] for name in _READING if options.get(name) is not None},
    }


def encoder_of(
    embeddings: Embeddings, run: keras.Model | str | os.PathLike[str] | None = None
) -> keras.Model:
    """The encoder that made vectors.

    Args:
        embeddings: The vectors.
        run: The encoder, or where it is now. Defaults to ``None``: where it was.

    Raises:
        FileNotFoundError: If there is none.
        InvalidInput: If it is not known where it is, or it is another one.
    """
    found = run
    if found is None and embeddings.origin.get("run"):
        found = placed(embeddings.origin, embeddings.origin["run"])
    if found is None:
        raise InvalidInput(
            "It is not known where the encoder of these vectors is. Give it (--run, `run`)."
        )
    encoder: Any = found if isinstance(found, keras.Model) else runs.load_encoder(found)
    if embedding.weights_hash(encoder) != embeddings.encoder:
        raise InvalidInput(
            f"The encoder {found} did not make these vectors: its weights are others. Give the "
            "one that made them (--run, `run`), or embed the images again."
        )
    return encoder


def images_of(
    embeddings: Embeddings,
    rows: NDArray[np.integer] | Sequence[int],
    source: Any = None,
    image_size: tuple[int, int] | None = None,
) -> data.Images:
    """The images of some rows, in their order, not read into memory.

    Args:
        embeddings: The vectors.
        rows: Numbers of rows.
        source: Where the images are now: images, or a source of :func:`barlow.data.load`. Defaults
            to ``None``: where they were.
        image_size: ``(height, width)`` to bring them to. Defaults to ``None``: what the encoder
            saw.

    Raises:
        FileNotFoundError: If one of them is gone.
        InvalidInput: If it is not known where they are, or they are no images.
    """
    if len(embeddings.image_shape) != 3:
        raise InvalidInput("These are vectors of signals or of rows of a table, not of images.")
    images = _images(embeddings, source, image_size or embeddings.image_shape[:2])
    places = {as_text(name): place for place, name in enumerate(images.names)}
    folder = embeddings.origin.get("folder", "")
    found, gone = [], []
    for name in map(str, embeddings.names[np.asarray(rows, np.intp)]):
        # Names of a list or of a pattern are paths, which may be given in another form now.
        place = places.get(as_text(name))
        for path in (name, str(as_path(name))) if place is None else ():
            place = places.get(as_text(os.path.join(folder, path)), place)  # noqa: PTH118
        (gone if place is None else found).append(name if place is None else place)
    if gone:
        raise FileNotFoundError(
            f"{len(gone)} of the {len(rows)} images are no longer where they were, such as "
            f"{', '.join(gone[:_SHOWN])}. Embed the images again, or say where they are now "
            "(--images, `images`)."
        )
    return images[np.array(found, np.intp)]


def warn_of_changed(
    embeddings: Embeddings, rows: NDArray[np.integer] | Sequence[int], images: data.Images
) -> None:
    """Say which of the images are others than those that were embedded.

    Args:
        embeddings: The vectors.
        rows: Numbers of rows.
        images: Their images, as :func:`images_of` gives them.
    """
    facts = embeddings.facts
    if images.files is None or "content" not in facts:
        return
    changed = []
    for row, each in zip(rows, images.files, strict=True):
        file = pathlib.Path(each) if isinstance(each, str) else each
        if not isinstance(file, pathlib.Path):  # a page of one, or inside an archive
            continue
        now = file.stat()
        known = int(facts["bytes"][row]), facts["modified"][row].astype("datetime64[us]")
        if (now.st_size, np.datetime64(now.st_mtime_ns // 1000, "us")) == known:
            continue
        if content_of_file(file) != facts["content"][row]:
            changed.append(printable(embeddings.names[row]))
    if changed:
        warnings.warn(
            f"{len(changed)} of {len(images)} images have changed since they were embedded, such "
            f"as {', '.join(changed[:_SHOWN])}: their vectors are those of before. Embed the "
            "images again.",
            stacklevel=3,
        )


def _images(embeddings: Embeddings, source: Any, image_size: tuple[int, ...]) -> data.Images:
    origin, (height, width) = embeddings.origin, image_size
    if source is None:
        if not origin.get("data"):
            raise InvalidInput(
                "It is not known where the images of these vectors are. Give them (--images, "
                "`images`)."
            )
        paths = [placed(origin, path) for path in origin["data"]]
        source = paths[0] if len(paths) == 1 else paths
    resize = resizing.named(embeddings.resize)
    options: dict[str, Any] = {"memory": 0, "resize": resize, **origin.get("reading", {})}
    return data.as_images(source, (height, width), embeddings.image_shape[2], **options)


def placed(origin: Mapping[str, Any], path: str) -> str:
    """A path as it was meant in the folder where it was given."""
    return os.path.join(origin["folder"], as_path(path))  # noqa: PTH118 - it may be a pattern
