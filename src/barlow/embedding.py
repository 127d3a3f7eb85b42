"""`embed`: images in, vectors out, each with the name and the label of its image."""

import dataclasses
import hashlib
import math
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import backend, data, resizing, runs
from barlow.errors import InvalidInput
from barlow.progress import Track, silent

_BATCH = 256  # images


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """Vectors of images, and what made them. Indexing keeps the rows together.

    Args:
        vectors: Shape ``[images, features]``, float32.
        names: Name of every image, shape ``[images]``; see :class:`barlow.data.Images`.
        labels: Label of every image, shape ``[images]``, or ``None``.
        encoder: Hash of the encoder's weights, see :func:`weights_hash`.
        image_shape: ``(height, width, channels)`` of the images that the encoder saw.
        resize: How image files were brought to that size; ``""`` for images of other sources.
        skipped: Images that could not be read and have no row: where each is, and why.
        facts: What else is known of every image, by name, each of shape ``[images]``; see
            :mod:`barlow.vectors.facts`. Defaults to nothing.
        origin: Where the encoder and the images are, see :mod:`barlow.vectors.origin`. Defaults to
            nothing: it is not known.
    """

    vectors: NDArray[np.float32]
    names: NDArray[np.object_]
    labels: NDArray[Any] | None
    encoder: str
    image_shape: tuple[int, ...]
    resize: str
    skipped: tuple[tuple[str, str], ...] = ()
    facts: Mapping[str, NDArray[Any]] = dataclasses.field(default_factory=dict)
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: Any) -> "Embeddings":
        """Some of the rows.

        Args:
            index: A slice, or an array of integers or booleans.
        """
        return dataclasses.replace(
            self,
            vectors=self.vectors[index],
            names=self.names[index],
            labels=None if self.labels is None else self.labels[index],
            facts={name: values[index] for name, values in self.facts.items()},
        )


def embed(
    encoder: keras.Model | str | os.PathLike[str],
    images: Any,
    *,
    batch_size: int = _BATCH,
    track: Track = silent,
    **options: Any,
) -> Embeddings:
    """Vectors of images, in their order.

    Images that do not fit in memory are read while the encoder computes, a batch ahead.

    Args:
        encoder: Model from images to ``[batch, features]``, folder of a run, or ``.keras`` file.
        images: Images, an array of them, or any source of :func:`barlow.data.load`, which is
            brought to the size and the channels that the encoder takes, in the way of the run. For
            an encoder of signals or rows, an array of these.
        batch_size: Images to embed at a time, >= 1. Defaults to 256.
        track: Shows the progress; see :data:`barlow.progress.Track`.
        **options: Options of :func:`barlow.data.load`, for a source.

    Returns:
        One row for every image that can be read.

    Raises:
        FileNotFoundError: If there is no run, encoder or source at a path.
        FloatingPointError: If vectors hold NaN or Inf; the message names the first image.
        ValueError: If the encoder does not take these images, or none of them can be read.

    Example:
        >>> digits = barlow.data.digits()
        >>> embeddings = barlow.embed(barlow.models.encoder("conv", (8, 8, 1)), digits)
        >>> embeddings.vectors.shape, embeddings.names[:2].tolist()
        ((1797, 128), ['0', '1'])
        >>> len(embeddings[embeddings.labels == 3])
        183
    """
    encoder, images = prepare(encoder, images, batch_size, track=track, **options)
    data.check_any(len(images), images.skipped)
    size = min(batch_size, len(images))
    steps = track(range(math.ceil(len(images) / size)), "Embedding")
    parts = []  # without pixels: memory does not grow with them
    skipped = list(images.skipped)
    for _, (batch, bad) in zip(steps, data.read_in_order(images, size), strict=True):
        skipped += [(image.source, image.reason) for image in bad]
        if len(batch):
            found = check_finite(vectors(encoder, batch, size), batch.names)
            parts.append((found, batch.names, batch.labels))
    data.check_any(len(parts), skipped)
    found, names, labels = zip(*parts, strict=True)
    return Embeddings(
        np.concatenate(found),
        np.concatenate(names),
        None if images.labels is None else np.concatenate(labels),
        weights_hash(encoder),
        images.pixels.shape[1:],
        images.resize,
        tuple(skipped),
    )


def prepare(
    encoder: keras.Model | str | os.PathLike[str], images: Any, batch_size: int, **options: Any
) -> tuple[keras.Model, data.Images]:
    """The encoder, and the images in the form that it takes; all as for :func:`embed`."""
    if batch_size < 1:
        raise InvalidInput(f"`batch_size` must be at least 1. Received: {batch_size}.")
    image_shape: tuple[int, ...] = ()
    if not isinstance(encoder, keras.Model):
        image_shape = runs.image_shape(encoder)
        options = {**resizing.of(encoder), **options}
        if image_shape and isinstance(images, data.Images):
            _check_alike(images, options)
        encoder = runs.load_encoder(encoder)
    return encoder, images_for(encoder, images, image_shape, **options)


def _check_alike(images: data.Images, options: dict[str, Any]) -> None:
    """Refuse image files that were read in another way than those of the run."""
    wanted = {name: options[name] for name in ("resize", "background")}
    given = {"resize": resizing.named(images.resize), "background": images.background}
    if images.resize and given != wanted:
        raise InvalidInput(
            f"The images were read with {given}, those that the encoder learned from with "
            f"{wanted}. Read them alike: barlow.data.load(..., **barlow.runs.reading(run))."
        )


def images_for(
    encoder: keras.Model, images: Any, image_shape: tuple[int | None, ...] = (), **options: Any
) -> data.Images:
    """Images of the size and the channels that an encoder takes.

    Args:
        encoder: Model from images.
        images: As for :func:`embed`.
        image_shape: Sizes for what the encoder's input leaves open. Defaults to ``()``: the
            images' own.
        **options: As for :func:`barlow.data.load`.

    Raises:
        ValueError: If the encoder does not take images of their shape.
    """
    expected = tuple(encoder.input_shape[1:])
    if image_shape:
        expected = tuple(own or size for own, size in zip(expected, image_shape, strict=True))
    if len(expected) == 3:
        height, width, channels = expected
        size = None if height is None or width is None else (height, width)
        images = data.as_images(images, size, channels, **options)
        if images.size_is_open and size not in (None, images.pixels.shape[1:3]):
            images = data.at_size(images, size)
    elif not isinstance(images, data.Images):
        images = data.Images(np.asarray(images))  # signals, or rows of a table
    shape = tuple(images.pixels.shape[1:])
    if len(shape) != len(expected) or any(
        size not in (None, own) for size, own in zip(expected, shape, strict=True)
    ):
        raise InvalidInput(
            f"The encoder takes images of shape {expected} (height, width, channels). "
            f"Received: images of shape {shape}."
            + (" Read them so: barlow.data.load(..., image_size=...)." if images.resize else "")
        )
    return images


def weights_hash(encoder: keras.Model) -> str:
    """SHA-256 of an encoder's weights, which tells whether two vectors can be compared.

    Example:
        >>> from barlow import embedding
        >>> encoder = barlow.models.encoder("conv", (8, 8, 1))
        >>> len(embedding.weights_hash(encoder))
        64
    """
    digest = hashlib.sha256()
    for weight in encoder.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def vectors(encoder: keras.Model, images: data.Images, batch_size: int) -> NDArray[np.float32]:
    """Vectors of at most one batch of images in memory.

    Args:
        encoder: Model from images to ``[batch, features]``.
        images: At least one image, and at most ``batch_size``.
        batch_size: Images of a batch.

    Returns:
        Shape ``[images, features]``.
    """
    return backend.predict(encoder, images.pixels[:], batch_size).astype("float32")


def check_finite(vectors: NDArray[np.float32], names: NDArray[np.object_]) -> NDArray[np.float32]:
    """The vectors of images of these names, if none has NaN or Inf.

    Raises:
        FloatingPointError: With the name of the first bad image.
    """
    bad = np.flatnonzero(~np.isfinite(vectors.reshape(len(vectors), -1)).all(axis=1))
    if len(bad):
        raise FloatingPointError(
            f"The encoder returns NaN or Inf for the image {names[bad[0]]} and "
            f"{len(bad) - 1} others of its batch. Most often the learning rate is too high: train "
            "again with a lower one."
        )
    return vectors
