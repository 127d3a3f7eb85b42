"""Probes: what features are worth to a classifier that is trained on them.

They see features and labels alone, no images. The labels of the test images are only used to count
correct answers.
"""

import dataclasses
import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from barlow import errors
from barlow.errors import InvalidInput
from barlow.evaluation.labels import check_classes, class_numbers
from barlow.progress import Track, silent
from barlow.text import printable

with errors.extra("cli", "Evaluation"):
    from sklearn.base import ClassifierMixin
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

LABELS_PER_CLASS = (1, 5, 10)
_DRAWS = 10
_NEIGHBOURS = 5
_TEMPERATURE = 0.07  # of Wu et al.
_SHOWN = 5  # names of classes

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
        neighbours: Neighbours that vote, of ``"knn"``; ``None`` of ``"linear"``.
    """

    features: str
    probe: Literal["linear", "knn"]
    labels_per_class: int | None
    accuracy: float
    std: float
    neighbours: int | None = None


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

    What cannot be done is left out, a warning names it with the reason, and the rest is returned.

    Args:
        features: By name, features of the training images and of the test images.
        labels: Labels of the training images, shape ``[images]``, of any type.
        test_labels: Labels of the test images. No probe can be right about those that no training
            image has; a warning names them.
        labels_per_class: Labels per class for logistic regressions on few labels; numbers that a
            class does not have are left out. Defaults to ``(1, 5, 10)``.
        draws: Random draws of that many labels; the accuracy is their mean. Defaults to 10.
        neighbours: Number of nearest neighbours; at most as many as there are training images.
            Defaults to 5.
        weights: Votes of the neighbours: ``"uniform"``, the nearest by distance, all equal; or
            ``"cosine"``, the nearest by cosine, each ``exp(cosine / 0.07)`` (Wu et al., 2018,
            "Unsupervised feature learning via non-parametric instance discrimination"). Defaults
            to ``"uniform"``.
        seed: Seed of the draws. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        One row per kind of features, probe and number of labels.

    Raises:
        ValueError: If there are fewer than two classes, or not one row of features per label.

    Example:
        >>> from barlow import evaluation
        >>> labels = np.arange(40) % 2
        >>> rows = evaluation.probe({"labels": (labels[:, None], labels[:, None])}, labels, labels)
        >>> rows[-1].probe, rows[-1].neighbours, rows[-1].accuracy
        ('knn', 5, 1.0)
    """
    numbers, test_numbers = _numbers(check_classes(labels), test_labels)
    _check_features(features, len(numbers), len(test_numbers))
    probes = [("linear", count) for count in _possible(labels_per_class, labels)]
    probes += [("linear", None), ("knn", None)]
    neighbours = min(neighbours, len(numbers))
    make = functools.partial(_classifier, neighbours=neighbours, weights=weights)
    rows, failed = [], {}
    work = [(name, kind, count) for name in features for kind, count in probes]

    @functools.lru_cache(maxsize=1)  # one kind of features after the other
    def standardised(name: str) -> Features:
        # The scale of all images: of a few labelled ones a rarely active feature has none.
        x, x_test = features[name]
        scaler = StandardScaler().fit(x)
        return scaler.transform(x), scaler.transform(x_test)

    for name, kind, count in track(work, "Evaluating"):
        try:
            x, x_test = standardised(name)
            scores = [
                np.mean(_predict(make(kind), x[chosen], numbers[chosen], x_test) == test_numbers)
                for chosen in _draws(numbers, count, draws, seed)
            ]
        except Exception as error:  # whatever scikit-learn or the memory refuses
            named = f"{kind} on {name}" + (f" with {count} / class" if count else "")
            failed.setdefault(errors.reason(error), []).append(named)
            continue
        voting = neighbours if kind == "knn" else None
        rows.append(Row(name, kind, count, float(np.mean(scores)), float(np.std(scores)), voting))
    for reason, names in failed.items():
        warnings.warn(f"Probes that are left out: {', '.join(names)}. {reason}", stacklevel=2)
    return rows


def _numbers(
    labels: NDArray[Any], test_labels: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Labels as numbers, the same for both sets; warns of those that no probe can know."""
    numbers, classes = class_numbers(np.concatenate([labels, test_labels]))
    numbers, test_numbers = np.split(numbers, [len(labels)])
    unseen = ~np.isin(test_numbers, numbers)
    if unseen.any():
        names = [printable(classes[number]) for number in np.unique(test_numbers[unseen])]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        warnings.warn(
            f"{unseen.sum()} of {len(unseen)} test images count as errors, because their classes "
            f"have no training images: {', '.join(names[:_SHOWN])}{more}.",
            stacklevel=3,
        )
    return numbers, test_numbers


def _check_features(features: Mapping[str, Features], train: int, test: int) -> None:
    for name, (x, x_test) in features.items():
        shapes = np.shape(x), np.shape(x_test)
        if [len(shape) for shape in shapes] != [2, 2] or [shape[0] for shape in shapes] != [
            train,
            test,
        ]:
            raise InvalidInput(
                f"The features must have the shapes [{train}, features] and [{test}, features], "
                f"one row per label. Received: {name} of shapes {shapes[0]} and {shapes[1]}."
            )
        if not test:
            raise InvalidInput("Probes need test images. Received: none.")


def _possible(counts: Sequence[int], labels: NDArray[Any]) -> list[int]:
    """Those of the numbers of labels per class that every class has; warns of the others."""
    numbers, classes = class_numbers(labels)
    sizes = np.bincount(numbers)
    smallest = int(sizes.argmin())
    missing = [count for count in counts if count > sizes[smallest]]
    if missing:
        warnings.warn(
            f"Left out: linear probes on {' and '.join(map(str, missing))} labels per class. The "
            f"class {printable(classes[smallest])} has {sizes[smallest]} training images.",
            stacklevel=3,
        )
    return [count for count in counts if count not in missing]


def _classifier(kind: str, neighbours: int, weights: str) -> ClassifierMixin:
    if kind == "linear":
        return LogisticRegression(max_iter=2000)
    by_cosine = {"metric": "cosine", "weights": _by_cosine} if weights == "cosine" else {}
    return KNeighborsClassifier(neighbours, **by_cosine)


def _predict(
    classifier: Any, x: NDArray[Any], numbers: NDArray[np.intp], x_test: NDArray[Any]
) -> NDArray[np.intp]:
    with warnings.catch_warnings():
        # With one label per class they all are; and they are classes, no regression.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        return classifier.fit(x, numbers).predict(x_test)


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
