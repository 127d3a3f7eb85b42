"""Probes on the frozen features of an encoder, beside raw pixels and random weights.

The encoder is frozen and in inference mode. The labels of the test images are only ever used to
count what was right.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from barlow.data import Images, in_memory
from barlow.errors import InvalidInput
from barlow.progress import Track, silent

LABELS_PER_CLASS = (1, 5, 10)
_DRAWS = 10
_NEIGHBOURS = 5
_TEMPERATURE = 0.07  # of Wu et al.

Features = tuple[np.ndarray, np.ndarray]
"""Of the images that probes learn from, and of those they are tested on; ``[images, features]``."""


@dataclasses.dataclass(frozen=True)
class Row:
    """Accuracy of one probe on one kind of features.

    Args:
        features: Name of the features. Of :func:`evaluate`: ``"pixels"``, ``"random"`` (the
            encoder with fresh random weights) or ``"learned"``.
        probe: ``"linear"`` (logistic regression) or ``"knn"`` (nearest neighbours), both on
            features standardised over all training images, which takes none of their labels.
        labels_per_class: Labelled images of each class that the probe saw; ``None`` for all.
        accuracy: Fraction of the test images that it got right, the mean over draws of labels.
        std: Standard deviation over the draws; 0 where there is only one.
    """

    features: str
    probe: Literal["linear", "knn"]
    labels_per_class: int | None
    accuracy: float
    std: float


def split(images: Images, test_fraction: float = 0.25, seed: int = 0) -> tuple[Images, Images]:
    """Two separate sets of images, each with all classes in proportion.

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
    images = in_memory(images)
    labels = _labels(images)
    try:
        train, test = train_test_split(
            np.arange(len(images)), test_size=test_fraction, stratify=labels, random_state=seed
        )
    except ValueError as error:
        raise InvalidInput(f"The images cannot be split into training and test: {error}") from error

    def part(chosen: np.ndarray) -> Images:
        return dataclasses.replace(images, pixels=images.pixels[chosen], labels=labels[chosen])

    return part(train), part(test)


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
        train: Labelled images that probes may learn from.
        test: Labelled images that probes are tested on; none of them may be in ``train``.
        seed: Seed of the draws of labels. Defaults to 0. The random encoder follows Keras'
            global seed.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        One row per kind of features, probe and number of labels; rows for which a class has too
        few images are left out.

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
    train, test = in_memory(train, track), in_memory(test, track)
    labels, test_labels = _labels(train), _labels(test)
    for images in (train, test):
        if images.pixels.shape[1:] != tuple(encoder.input_shape[1:]):
            raise InvalidInput(
                f"The encoder takes images of shape {tuple(encoder.input_shape[1:])} (height, "
                f"width, channels). Received: images of shape {images.pixels.shape[1:]}."
            )
    extractors: dict[str, Callable[[Images], np.ndarray]] = {
        "pixels": lambda images: images.pixels[:].reshape(len(images), -1).astype("float32"),
        "random": _features(keras.models.clone_model(encoder)),
        "learned": _features(encoder),
    }
    features = {
        name: (extract(train), extract(test))
        for name, extract in track(list(extractors.items()), "Computing features")
    }
    return probe(features, labels, test_labels, seed=seed, track=track)


def probe(
    features: Mapping[str, Features],
    labels: np.ndarray,
    test_labels: np.ndarray,
    *,
    labels_per_class: Sequence[int] = LABELS_PER_CLASS,
    draws: int = _DRAWS,
    neighbours: int = _NEIGHBOURS,
    weights: Literal["uniform", "cosine"] = "uniform",
    seed: int = 0,
    track: Track = silent,
) -> list[Row]:
    """Accuracy of linear and nearest-neighbour probes on features, wherever they come from.

    Args:
        features: By name, those of the images that probes learn from, and of the test images.
        labels: Of the images that probes learn from.
        test_labels: Of the test images.
        labels_per_class: Numbers of labels of each class for logistic regressions on few labels.
            Defaults to ``(1, 5, 10)``.
        draws: Draws of so many labels, over which the accuracy is averaged. Defaults to 10.
        neighbours: Number of nearest neighbours. Defaults to 5.
        weights: Of the neighbours: ``"uniform"``, those at the smallest distance, each the same; or
            ``"cosine"``, those with the largest cosine, each ``exp(cosine / 0.07)`` (Wu et al.,
            2018, "Unsupervised feature learning via non-parametric instance discrimination").
            Defaults to ``"uniform"``.
        seed: Seed of the draws. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        As :func:`evaluate`.

    Raises:
        ValueError: If there are fewer than two classes.

    Example:
        >>> from barlow import evaluation
        >>> labels = np.arange(40) % 2
        >>> evaluation.probe({"labels": (labels[:, None], labels[:, None])}, labels, labels)[-1]
        Row(features='labels', probe='knn', labels_per_class=None, accuracy=1.0, std=0.0)
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise InvalidInput(f"There is nothing to tell apart: all labels are {classes[0]!r}.")
    counts = [count for count in labels_per_class if count <= sizes.min()]
    probes = [("linear", count) for count in (*counts, None)] + [("knn", None)]
    work = [(name, kind, count) for name in features for kind, count in probes]
    rows = []

    @functools.lru_cache(maxsize=1)  # one kind of features after the other
    def standardised(name: str) -> Features:
        # Few labelled images would not tell on what scale a feature is that is seldom active.
        x, x_test = features[name]
        scaler = StandardScaler().fit(x)
        return scaler.transform(x), scaler.transform(x_test)

    for name, kind, count in track(work, "Evaluating"):
        x, x_test = standardised(name)
        scores = [
            _classifier(kind, neighbours, weights)
            .fit(x[chosen], labels[chosen])
            .score(x_test, test_labels)
            for chosen in _draws(labels, count, draws, seed)
        ]
        rows.append(Row(name, kind, count, float(np.mean(scores)), float(np.std(scores))))
    return rows


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows as the content of ``evaluation.json``."""
    return {"rows": [dataclasses.asdict(row) for row in rows]}


def _classifier(kind: str, neighbours: int, weights: str) -> ClassifierMixin:
    if kind == "linear":
        return LogisticRegression(max_iter=2000)
    by_cosine = {"metric": "cosine", "weights": _by_cosine} if weights == "cosine" else {}
    return KNeighborsClassifier(neighbours, **by_cosine)


def _by_cosine(distances: np.ndarray) -> np.ndarray:
    return np.exp((1 - distances) / _TEMPERATURE)


def _draws(labels: np.ndarray, count: int | None, draws: int, seed: int) -> list[np.ndarray]:
    """Indices of ``count`` images per class for each draw; of all images where it is None."""
    if count is None:
        return [np.arange(len(labels))]
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return [
        np.concatenate([random.choice(members, count, replace=False) for members in classes])
        for _ in range(draws)
    ]


def _features(encoder: keras.Model) -> Callable[[Images], np.ndarray]:
    return lambda images: encoder.predict(images.pixels, batch_size=256, verbose=0)


def _labels(images: Images) -> np.ndarray:
    if images.labels is None:
        raise InvalidInput(
            "Evaluation needs labels: images in one subfolder per class, an .npz with an array "
            "of labels, or an IDX file of labels beside the images."
        )
    return images.labels
