"""Probes: what features are worth to a classifier that is trained on them.

They see features and labels alone, no images. The labels of the test images are only used to count
correct answers.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from barlow import errors
from barlow.errors import InvalidInput
from barlow.progress import Track, silent

with errors.extra("cli", "Evaluation"):
    from sklearn.base import ClassifierMixin
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

LABELS_PER_CLASS = (1, 5, 10)
_DRAWS = 10
_NEIGHBOURS = 5
_TEMPERATURE = 0.07  # of Wu et al.

Features = tuple[NDArray[Any], NDArray[Any]]
"""Features of the training images and of the test images, each ``[images, features]``."""


@dataclasses.dataclass(frozen=True)
class Row:
    """Accuracy of one probe on one kind of features.

    Args:
        features: Name of the features; see :func:`barlow.evaluation.evaluate` for its own.
        probe: ``"linear"`` (logistic regression) or ``"knn"`` (nearest neighbours), both on
            features standardised over all training images, which needs no labels.
        labels_per_class: Labels per class that the probe was trained on; ``None`` for all.
        accuracy: Fraction of the test images classified correctly, mean over draws of labels.
        std: Standard deviation over the draws; 0 if there is only one.
    """

    features: str
    probe: Literal["linear", "knn"]
    labels_per_class: int | None
    accuracy: float
    std: float


def probe(
    features: Mapping[str, Features],
    labels: NDArray[Any],
    test_labels: NDArray[Any],
    *,
    labels_per_class: Sequence[int] = LABELS_PER_CLASS,
    draws: int = _DRAWS,
    neighbours: int = _NEIGHBOURS,
    weights: Literal["uniform", "cosine"] = "uniform",
    seed: int = 0,
    track: Track = silent,
) -> list[Row]:
    """Accuracy of linear and nearest-neighbour probes on any features.

    Args:
        features: By name, features of the training images and of the test images.
        labels: Labels of the training images, shape ``[images]``.
        test_labels: Labels of the test images.
        labels_per_class: Labels per class for logistic regressions on few labels; numbers that a
            class does not have are left out. Defaults to ``(1, 5, 10)``.
        draws: Random draws of that many labels; the accuracy is their mean. Defaults to 10.
        neighbours: Number of nearest neighbours. Defaults to 5.
        weights: Votes of the neighbours: ``"uniform"``, the nearest by distance, all equal; or
            ``"cosine"``, the nearest by cosine, each ``exp(cosine / 0.07)`` (Wu et al., 2018,
            "Unsupervised feature learning via non-parametric instance discrimination"). Defaults
            to ``"uniform"``.
        seed: Seed of the draws. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        One row per kind of features, probe and number of labels.

    Raises:
        ValueError: If there are fewer than two classes.

    Example:
        >>> from barlow import evaluation
        >>> labels = np.arange(40) % 2
        >>> evaluation.probe({"labels": (labels[:, None], labels[:, None])}, labels, labels)[-1]
        Row(features='labels', probe='knn', labels_per_class=None, accuracy=1.0, std=0.0)
    """
    _, sizes = np.unique(check_classes(labels), return_counts=True)
    counts = [count for count in labels_per_class if count <= sizes.min()]
    probes = [("linear", count) for count in (*counts, None)] + [("knn", None)]
    work = [(name, kind, count) for name in features for kind, count in probes]
    rows = []

    @functools.lru_cache(maxsize=1)  # one kind of features after the other
    def standardised(name: str) -> Features:
        # The scale of all images: of a few labelled ones a rarely active feature has none.
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


def check_labels(labels: NDArray[Any] | None) -> NDArray[Any]:
    """The labels, if there are any.

    Raises:
        InvalidInput: If there are none.
    """
    if labels is None:
        raise InvalidInput(
            "Evaluation needs labels: images in one subfolder per class, a list with labels, an "
            ".npz with an array of labels, or an IDX file of labels beside the images."
        )
    return labels


def check_classes(labels: NDArray[Any] | None) -> NDArray[Any]:
    """The labels, if a probe can learn from them.

    Raises:
        InvalidInput: If there are none, or fewer than two classes.
    """
    labels = check_labels(labels)
    if len(np.unique(labels)) < 2:
        raise InvalidInput(
            f"A probe needs at least two classes. Received: all labels are {labels[0]!r}."
        )
    return labels


def _classifier(kind: str, neighbours: int, weights: str) -> ClassifierMixin:
    if kind == "linear":
        return LogisticRegression(max_iter=2000)
    by_cosine = {"metric": "cosine", "weights": _by_cosine} if weights == "cosine" else {}
    return KNeighborsClassifier(neighbours, **by_cosine)


def _by_cosine(distances: NDArray[Any]) -> NDArray[Any]:
    return np.exp((1 - distances) / _TEMPERATURE)


def _draws(labels: NDArray[Any], count: int | None, draws: int, seed: int) -> list[NDArray[Any]]:
    """Indices of ``count`` images per class for each draw; of all images where it is None."""
    if count is None:
        return [np.arange(len(labels))]
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return [
        np.concatenate([random.choice(members, count, replace=False) for members in classes])
        for _ in range(draws)
    ]
