"""Probes: what features are worth to a classifier that is trained on them.

They see features and labels alone, no images. The labels of the test images are only used to count
correct answers.
"""

import dataclasses
import functools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import errors
from barlow.errors import InvalidInput
from barlow.evaluation.labels import check_classes, common_numbers, note_of_unknown, possible
from barlow.evaluation.regularization import choose, regression, threads_for
from barlow.progress import Track, silent

with errors.extra("cli", "Evaluation"):
    from sklearn.base import ClassifierMixin
    from sklearn.metrics import recall_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

LABELS_PER_CLASS = (1, 5, 10, 100)
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
        neighbours: Neighbours that vote, of ``"knn"``; ``None`` of ``"linear"``.
        balanced_accuracy: Mean over the classes of the fraction of their test images that are
            classified correctly, mean over draws of labels. Where the classes are of the same size,
            the accuracy.
        regularization: The inverse strength ``C`` of the logistic regression, of ``"linear"``;
            ``None`` of ``"knn"``.
    """

    features: str
    probe: Literal["linear", "knn"]
    labels_per_class: int | None
    accuracy: float
    std: float
    neighbours: int | None = None
    balanced_accuracy: float = math.nan
    regularization: float | None = None


class Answers(NamedTuple):
    """What a probe says of the test images."""

    row: Row
    predicted: NDArray[np.intp]
    """Number of the class of every test image, see
    :func:`barlow.evaluation.labels.common_numbers`; of the first draw of labels."""


def probe(
    features: Mapping[str, Features],
    labels: NDArray[Any],
    test_labels: NDArray[Any],
    *,
    labels_per_class: Sequence[int] = LABELS_PER_CLASS,
    draws: int = _DRAWS,
    neighbours: int = _NEIGHBOURS,
    weights: Literal["uniform", "cosine"] = "uniform",
    regularization: Sequence[float] = (1.0,),
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
            class does not have are left out. Defaults to ``(1, 5, 10, 100)``.
        draws: Random draws of that many labels; the accuracy is their mean. Defaults to 10.
        neighbours: Number of nearest neighbours; at most as many as there are training images.
            Defaults to 5.
        weights: Votes of the neighbours: ``"uniform"``, the nearest by distance, all equal; or
            ``"cosine"``, the nearest by cosine, each ``exp(cosine / 0.07)`` (Wu et al., 2018,
            "Unsupervised feature learning via non-parametric instance discrimination"). Defaults
            to ``"uniform"``.
        regularization: Inverse strengths ``C`` of the logistic regression to choose from, on the
            first draw of labels; see :mod:`barlow.evaluation.regularization`, whose ``GRID``
            :func:`barlow.evaluation.evaluate` takes. Defaults to ``(1.0,)``, scikit-learn's.
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
    how = How(labels_per_class, draws, neighbours, weights, regularization, seed)
    return [each.row for each in answers(features, labels, test_labels, how, track)]


@dataclasses.dataclass(frozen=True)
class How:
    """How features are probed; all as for :func:`probe`."""

    labels_per_class: Sequence[int] = LABELS_PER_CLASS
    draws: int = _DRAWS
    neighbours: int = _NEIGHBOURS
    weights: Literal["uniform", "cosine"] = "uniform"
    regularization: Sequence[float] = (1.0,)
    seed: int = 0


def answers(
    features: Mapping[str, Features],
    labels: NDArray[Any],
    test_labels: NDArray[Any],
    how: How,
    track: Track = silent,
) -> list[Answers]:
    """The rows of :func:`probe`, each with what the probe says of the test images."""
    numbers, test_numbers, classes = common_numbers(check_classes(labels), test_labels)
    _check_features(features, len(numbers), len(test_numbers))
    counts, missing = possible(how.labels_per_class, numbers, classes)
    for note in (note_of_unknown(numbers, test_numbers, classes), missing):
        if note:
            warnings.warn(note, stacklevel=3)
    probes: list[tuple[Any, int | None]] = [("linear", count) for count in (*counts, None)]
    probes.append(("knn", None))
    how = dataclasses.replace(how, neighbours=min(how.neighbours, len(numbers)))
    found, failed = [], {}
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
            drawn = _draws(numbers, count, how.draws, how.seed)
            first = drawn[0]
            with threads_for(x[first]):
                c = None
                if kind == "linear":
                    c = choose(x[first], numbers[first], how.regularization, how.seed)
                make = functools.partial(_classifier, how, c)
                predicted = [_predict(make(), x[rows], numbers[rows], x_test) for rows in drawn]
        except Exception as error:  # whatever scikit-learn or the memory refuses
            named = f"{kind} on {name}" + (f" with {count} / class" if count else "")
            failed.setdefault(errors.reason(error), []).append(named)
            continue
        scores = np.array([_scores(each, test_numbers) for each in predicted])
        (accuracy, balanced), std = scores.mean(axis=0).tolist(), float(scores[:, 0].std())
        voting = how.neighbours if kind == "knn" else None
        row = Row(name, kind, count, accuracy, std, voting, balanced, c)
        found.append(Answers(row, predicted[0]))
    for reason, names in failed.items():
        warnings.warn(f"Probes that are left out: {', '.join(names)}. {reason}", stacklevel=3)
    return found


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


def _classifier(how: How, c: float | None) -> ClassifierMixin:
    """A logistic regression of this ``C``; of none, nearest neighbours."""
    if c is not None:
        return regression(c)
    by_cosine = {"metric": "cosine", "weights": _by_cosine} if how.weights == "cosine" else {}
    return KNeighborsClassifier(how.neighbours, **by_cosine)


def _scores(predicted: NDArray[np.intp], numbers: NDArray[np.intp]) -> tuple[float, float]:
    """Accuracy, and balanced accuracy: the mean of the recall of each class of the test images."""
    recalls = recall_score(
        numbers, predicted, labels=np.unique(numbers), average=None, zero_division=0.0
    )
    return float(np.mean(predicted == numbers)), float(np.mean(recalls))


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
