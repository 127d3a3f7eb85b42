"""What an encoder is worth: probes on its features, beside raw pixels and random weights.

The encoder is frozen and in inference mode.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from barlow import errors
from barlow.data import Images, in_memory
from barlow.embedding import embed, images_for
from barlow.errors import InvalidInput
from barlow.evaluation.probes import Row, check_classes, check_labels, probe
from barlow.progress import Track, silent

with errors.extra("cli", "Evaluation"):
    from sklearn.model_selection import train_test_split


def split(images: Images, test_fraction: float = 0.25, seed: int = 0) -> tuple[Images, Images]:
    """Two disjoint sets of images, with all classes in the same proportion.

    Args:
        images: Labelled images.
        test_fraction: Fraction of the images in the second set. Defaults to 0.25.
        seed: Seed of the split. Defaults to 0.

    Returns:
        ``(train, test)``.

    Raises:
        ValueError: If the images have no labels, or a class is too small to be split.

    Example:
        >>> from barlow import evaluation
        >>> train, test = evaluation.split(barlow.data.digits())
        >>> len(train), len(test)
        (1347, 450)
    """
    check_labels(images.labels)
    images = in_memory(images)
    try:
        train, test = train_test_split(
            np.arange(len(images)),
            test_size=test_fraction,
            stratify=images.labels,
            random_state=seed,
        )
    except ValueError as error:
        raise InvalidInput(f"The images cannot be split into training and test: {error}") from error

    return images[train], images[test]


def evaluate(
    encoder: keras.Model,
    train: Images,
    test: Images,
    seed: int = 0,
    track: Track = silent,
) -> list[Row]:
    """Accuracy of linear and nearest-neighbour probes on pixels, random and learned features.

    Few labels: logistic regression on 1, 5 and 10 labels per class, mean and standard deviation
    over 10 draws. All labels: logistic regression and 5 nearest neighbours.

    Args:
        encoder: Model from images to ``[batch, features]``.
        train: Labelled images to train probes on.
        test: Labelled images to test probes on; none of them may be in ``train``.
        seed: Seed of the draws of labels. Defaults to 0. The random encoder follows Keras'
            global seed.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        One row per kind of features (``"pixels"``, ``"random"``: the encoder with random weights,
        ``"learned"``), probe and number of labels; rows for which a class has too few images are
        left out.

    Raises:
        ValueError: If images have no labels, fewer than two classes, or a size that the
            encoder does not take.

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
    train, test = in_memory(train, track), in_memory(test, track)
    labels, test_labels = check_classes(train.labels), check_labels(test.labels)
    random = keras.models.clone_model(encoder)
    extractors: dict[str, Callable[[Images], np.ndarray]] = {
        "pixels": lambda images: images.pixels[:].reshape(len(images), -1).astype("float32"),
        "random": lambda images: embed(random, images).vectors,
        "learned": lambda images: embed(encoder, images).vectors,
    }
    features = {
        name: (extract(train), extract(test))
        for name, extract in track(list(extractors.items()), "Computing features")
    }
    return probe(features, labels, test_labels, seed=seed, track=track)


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows as the content of ``evaluation.json``."""
    return {"rows": [dataclasses.asdict(row) for row in rows]}
