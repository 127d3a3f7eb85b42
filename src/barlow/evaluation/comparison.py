"""What an encoder is worth: probes on its features, beside raw pixels and random weights.

The encoder is frozen and in inference mode. The images are read once, a chunk at a time.
"""

import dataclasses
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import data, errors
from barlow.data import Images
from barlow.embedding import check_finite, images_for, vectors
from barlow.evaluation import thumbnails
from barlow.evaluation.labels import check_classes, check_labels
from barlow.evaluation.probes import LABELS_PER_CLASS, Row, probe
from barlow.evaluation.regularization import GRID
from barlow.pixels import SMALL
from barlow.progress import Track, silent

_CHUNK = 256  # images
_REDUCED = 32  # pixels
_SHOWN = 5  # images that cannot be read
_THUMBNAILS = "thumbnails"

Extract = Callable[[Images], NDArray[Any]]


def evaluate(
    encoder: keras.Model,
    train: Images,
    test: Images,
    seed: int = 0,
    track: Track = silent,
    *,
    labels_per_class: Sequence[int] = LABELS_PER_CLASS,
    regularization: Sequence[float] = GRID,
) -> list[Row]:
    """Accuracy of linear and nearest-neighbour probes on pixels, random and learned features.

    Few labels: logistic regression on 1, 5, 10 and 100 labels per class, mean and standard
    deviation over 10 draws. All labels: logistic regression and 5 nearest neighbours.

    Images of more than 64 x 64 pixels are reduced to 32 x 32, by the mean of areas, before a probe
    takes their pixels. So these need about as much time and memory as other features, and the
    name of the features says so. Lazy pixels are read once and never all in memory.

    What cannot be done is left out, and a warning names it with the reason: images that cannot be
    read, random weights for an encoder that cannot be copied, a probe that fails. Another warning
    says how many test images have a near-copy among the training images.

    Args:
        encoder: Model from images to ``[batch, features]``. Its input may leave the size of images
            open.
        train: Labelled images to train probes on.
        test: Labelled images to test probes on; none of them may be in ``train``.
        seed: Seed of the draws of labels. Defaults to 0. The random encoder follows Keras'
            global seed.
        track: Shows the progress; see :data:`barlow.progress.Track`.
        labels_per_class: As for :func:`probe`. Defaults to ``(1, 5, 10, 100)``.
        regularization: As for :func:`probe`. Defaults to 0.0001, 0.001, ... 100: the strength is
            chosen on the training labels of every probe.

    Returns:
        One row per kind of features (``"pixels"`` or ``"pixels, 32 x 32"``, ``"random"``: the
        encoder with random weights, ``"learned"``), probe and number of labels; rows for which a
        class has too few images are left out.

    Raises:
        FloatingPointError: If learned features are NaN or Inf.
        ValueError: If images have no labels, fewer than two classes, or a size that the
            encoder does not take; or if none of one set can be read.

    Example:
        >>> from barlow import evaluation
        >>> train, test = evaluation.split(barlow.data.digits())
        >>> encoder = barlow.models.encoder("conv", (8, 8, 1))
        >>> rows = evaluation.evaluate(encoder, train, test)
        >>> rows[0].features, rows[0].labels_per_class
        ('pixels', 1)
    """
    for images in (train, test):
        check_labels(images.labels)
        images_for(encoder, images)
    check_classes(train.labels)
    size = min(_CHUNK, max(len(train), len(test)))  # one: another would be compiled anew
    extractors = _extractors(encoder, train.pixels.shape[1:], size)
    chunks = sum(math.ceil(len(images) / size) for images in (train, test))
    steps = iter(track(range(chunks), "Computing features"))
    (found, labels), (test_found, test_labels) = (
        _read(images, extractors, size, steps) for images in (train, test)
    )
    next(steps, None)  # the progress ends
    if _THUMBNAILS in found:
        note = thumbnails.note_of_copies(found.pop(_THUMBNAILS), test_found.pop(_THUMBNAILS))
        if note and note not in test.notes:  # where `split` has not said so
            warnings.warn(note, stacklevel=2)
    features = {name: (found[name], test_found[name]) for name in found}
    return probe(
        features,
        labels,
        test_labels,
        labels_per_class=labels_per_class,
        regularization=regularization,
        seed=seed,
        track=track,
    )


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows as the content of ``evaluation.json``, without what a probe does not have."""
    contents = map(dataclasses.asdict, rows)
    optional = ("neighbours", "regularization")
    return {
        "rows": [
            {key: value for key, value in row.items() if key not in optional or value is not None}
            for row in contents
        ]
    }


def _extractors(
    encoder: keras.Model, image_shape: tuple[int, ...], size: int
) -> dict[str, Extract]:
    """By name, functions from images in memory to their features ``[images, features]``."""
    name, side = "pixels", None
    if len(image_shape) == 3 and image_shape[0] * image_shape[1] > SMALL**2:
        side = _REDUCED
        name = f"pixels, {min(image_shape[0], side)} x {min(image_shape[1], side)}"

    def pixels(images: Images) -> NDArray[Any]:
        small = images.pixels[:] if side is None else thumbnails.shrink(images.pixels[:], side)
        return small.reshape(len(images), -1).astype("float32")

    def learned(images: Images) -> NDArray[Any]:
        return check_finite(vectors(encoder, images, size), images.names)

    extractors: dict[str, Extract] = {name: pixels}
    with errors.as_warning("Features of random weights are left out", but=()):
        random = keras.models.clone_model(encoder)
        extractors["random"] = lambda images: vectors(random, images, size)
    extractors["learned"] = learned
    if len(image_shape) == 3:  # no signals or rows of a table
        extractors[_THUMBNAILS] = lambda images: thumbnails.of(images.pixels[:])
    return extractors


def _read(
    images: Images, extractors: dict[str, Extract], size: int, steps: Iterator[Any]
) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """Features by name, and labels, of the images that can be read; warns of the others."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in extractors}
    labels, unread = [], []
    for (chunk, bad), _ in zip(data.read_in_order(images, size), steps, strict=False):
        unread += [(image.source, image.reason) for image in bad]
        if len(chunk):
            labels.append(chunk.labels)
            for name, extract in extractors.items():
                parts[name].append(extract(chunk))
    data.check_any(len(labels), unread)
    if unread:
        named = "; ".join(f"{source}: {reason}" for source, reason in unread[:_SHOWN])
        more = f"; and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
        warnings.warn(
            f"{len(unread)} images cannot be read and are left out: {named}{more}.", stacklevel=4
        )
    found = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return found, np.concatenate(labels)
