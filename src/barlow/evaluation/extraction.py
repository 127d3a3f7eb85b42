"""What an evaluation looks at: features of images, each row with its name and its label.

The encoder is frozen and in inference mode. The images are read once, a chunk at a time.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import backend, data, errors
from barlow.data import Images
from barlow.embedding import Embeddings, check_finite, images_for, vectors
from barlow.evaluation import thumbnails
from barlow.evaluation.labels import check_labels
from barlow.pixels import SMALL
from barlow.progress import Track, silent

_CHUNK = 256  # images
_REDUCED = 32  # pixels
_SHOWN = 5  # images that cannot be read
_THUMBNAILS = "thumbnails"
_IMAGES, _PAIRS, _FEW = 1000, 5, 100  # for LiDAR: images, pairs of views of each, images at a time

LEARNED = "learned"
"""Name of the features of the encoder."""

Extract = Callable[[Images], NDArray[Any]]


class Side(NamedTuple):
    """Some images: those to learn from, or those to test on."""

    features: dict[str, NDArray[Any]]
    """By name, ``[images, features]``."""
    labels: NDArray[Any]
    names: NDArray[np.object_]

    def only(self, rows: NDArray[Any]) -> "Side":
        """Some of the rows."""
        features = {name: values[rows] for name, values in self.features.items()}
        return Side(features, self.labels[rows], self.names[rows])


def extract(
    encoder: keras.Model, train: Images, test: Images, track: Track = silent, *, pixels: bool = True
) -> tuple[Side, Side]:
    """Features of both sets: pixels, random weights, the encoder's; of the images that can be read.

    What cannot be done is left out, and a warning names it with the reason. Another one says how
    many test images have a near-copy among the training images.

    Args:
        encoder: Model from images to ``[batch, features]``.
        train: Labelled images.
        test: Labelled images.
        track: Shows the progress.
        pixels: Whether pixels are among the features. Defaults to True.

    Raises:
        FloatingPointError: If learned features are NaN or Inf.
        ValueError: If images have no labels or a size that the encoder does not take, or none of
            one set can be read.
    """
    for images in (train, test):
        check_labels(images.labels)
        images_for(encoder, images)
    size = min(_CHUNK, max(len(train), len(test)))  # one: another would be compiled anew
    extractors = _extractors(encoder, train.pixels.shape[1:], size)
    if not pixels:
        extractors.pop(next(iter(extractors)))
    chunks = sum(math.ceil(len(images) / size) for images in (train, test))
    steps = iter(track(range(chunks), "Computing features"))
    sides = [_read(images, extractors, size, steps) for images in (train, test)]
    next(steps, None)  # the progress ends
    if _THUMBNAILS in extractors:
        small = [side.features.pop(_THUMBNAILS) for side in sides]
        note = thumbnails.note_of_copies(*small)
        if note and note not in test.notes:  # where `split` has not said so
            warnings.warn(note, stacklevel=3)
    return sides[0], sides[1]


def side_of(embeddings: Embeddings) -> Side:
    """Vectors that an encoder has made already, as its features.

    Raises:
        FloatingPointError: If they are NaN or Inf.
        InvalidInput: If they have no labels.
    """
    found = check_finite(embeddings.vectors, embeddings.names)
    return Side({LEARNED: found}, check_labels(embeddings.labels), embeddings.names)


def of_views(
    encoder: keras.Model, views: keras.layers.Layer, images: Images, seed: int = 0
) -> NDArray[np.float32]:
    """Features of ten random views of each of at most 1,000 images, drawn at random.

    Args:
        encoder: Model from images to ``[batch, features]``.
        views: From images to two views of each; each call draws others.
        images: Images.
        seed: Seed of the choice of images. Defaults to 0.

    Returns:
        Shape ``[images, 10, features]``, for :func:`barlow.evaluation.lidar`.
    """
    some = data.in_memory(data.sample(images, _IMAGES, seed)).pixels[:]
    inputs = keras.Input(some.shape[1:], dtype=str(some.dtype))
    both = keras.Model(inputs, [encoder(view) for view in views(inputs)])  # compiled as one
    parts = []
    for start in range(0, len(some), _FEW):
        pixels = some[start : start + _FEW]
        drawn = [out for _ in range(_PAIRS) for out in backend.predict(both, pixels, _FEW)]
        parts.append(np.stack(drawn, axis=1))
    return np.concatenate(parts).astype("float32")


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
    extractors[LEARNED] = learned
    if len(image_shape) == 3:  # no signals or rows of a table
        extractors[_THUMBNAILS] = lambda images: thumbnails.of(images.pixels[:])
    return extractors


def _read(images: Images, extractors: dict[str, Extract], size: int, steps: Iterator[Any]) -> Side:
    """The images that can be read; warns of the others."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in extractors}
    labels, names, unread = [], [], []
    for (chunk, bad), _ in zip(data.read_in_order(images, size), steps, strict=False):
        unread += [(image.source, image.reason) for image in bad]
        if len(chunk):
            labels.append(chunk.labels)
            names.append(chunk.names)
            for name, extract in extractors.items():
                parts[name].append(extract(chunk))
    data.check_any(len(labels), unread)
    if unread:
        named = "; ".join(f"{source}: {reason}" for source, reason in unread[:_SHOWN])
        more = f"; and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
        warnings.warn(
            f"{len(unread)} images cannot be read and are left out: {named}{more}.", stacklevel=5
        )
    found = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return Side(found, np.concatenate(labels), np.concatenate(names))
