"""Learn a head from few labels and many vectors, and what each method says of labels held out.

Labels are held out in folds: each alone where there are few, else a part at a time. What a method
says of an image in a fold comes from the labels outside the fold. Spreading is linear in the
labels, so one spreading gives all folds.
"""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import errors
from barlow.evaluation.regularization import GRID, choose, regression, threads_for
from barlow.labelling import spreading
from barlow.labelling.heads import FLOOR, SHARE, Head, weights_of
from barlow.labelling.space import Space
from barlow.progress import Track, silent

with errors.extra("cli", "Labelling"):
    from sklearn.model_selection import StratifiedKFold

_LENGTH = 11.3  # of the vectors of a regression: about 1 for each of 128 components
_ANCHORS = 8192  # drawn from the collection; and as many of the labelled images
_ALONE = 50  # labels, up to which each is a fold of its own
_BLOCK = 512  # labels that are compared with all anchors at a time
_FOLDS, _FEWER, _MANY = 10, 5, 2000  # folds; and of more than 2,000 labels


class Task(NamedTuple):
    """A collection, some of whose images have labels."""

    vectors: NDArray[np.float32]
    """Of all images, ``[images, features]``."""
    space: Space
    units: NDArray[np.float32]
    """Of all images in that space, ``[images, components]``."""
    neighbours: NDArray[np.intp]
    """Of all images in that space, ``[images, k]``."""
    rows: NDArray[np.intp]
    """The images that have labels, in rising order, ``[labels]``."""
    numbers: NDArray[np.intp]
    """Numbers of the classes of these, ``[labels]``."""
    classes: tuple[str, ...]
    """All classes, in the order of their numbers; at least two."""
    seed: int = 0


class HeldOut(NamedTuple):
    """What methods say of labelled images from the other labels."""

    logits: Mapping[str, NDArray[np.float64]]
    """By method, ``[labels, classes]``."""
    can: NDArray[np.bool_]
    """Whether the class of an image has other labels, too, ``[labels]``."""


def learn(task: Task, track: Track = silent) -> tuple[Head, HeldOut]:
    """A head with all that every method needs, and what each says of labels held out."""
    x = _LENGTH * task.units[task.rows].astype("float64")
    graph = _Graph(task, _folds(task.numbers, task.seed))
    with threads_for(x), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater", UserWarning)
        c = choose(x, task.numbers, GRID, task.seed)
        linear = regression(c).fit(x, task.numbers)
        held_out = _held_out(task, graph, x, c, track)
    weights, bias = linear.coef_.T, linear.intercept_
    if len(bias) == 1:  # of two classes scikit-learn has the logit of the second
        weights, bias = np.hstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    head = Head(
        task.classes,
        "both",
        task.space,
        task.units[graph.anchors],
        graph.probabilities(None).astype("float32"),
        _LENGTH * weights,
        bias,
    )
    return head, held_out


class _Graph:
    """Labels spread over a collection, those of every fold apart; what the anchors get of them."""

    def __init__(self, task: Task, folds: NDArray[np.intp]):
        random = np.random.default_rng(task.seed)
        some = random.permutation(len(task.units))[:_ANCHORS]
        labelled = random.permutation(task.rows)[:_ANCHORS]
        self.anchors = np.unique(np.concatenate([some, labelled]))
        self.folds, self._numbers, self._count = folds, task.numbers, len(task.classes)
        parts, place = np.unique([folds, task.numbers], axis=1, return_inverse=True)
        self._fold, self._number = parts
        graph = spreading.operator(task.neighbours[:, : spreading.NEIGHBOURS])
        self._scores, self._mass = spreading.spread_to(
            graph, task.rows, place.reshape(-1), self.anchors
        )

    def probabilities(self, without: int | None) -> NDArray[np.float64]:
        """Probabilities of the classes of every anchor, ``[anchors, classes]``.

        The scores of each class have the mass of its share of the labels (Zhu et al., 2003,
        "Semi-supervised learning using Gaussian fields", class mass normalisation).

        Args:
            without: A fold whose labels are left out, or ``None``.
        """
        known = np.flatnonzero(self._fold != (-1 if without is None else without))
        one_hot = np.eye(self._count)[self._number[known]]
        mass = self._mass[known] @ one_hot
        shares = np.bincount(self._numbers[self.folds != without], minlength=self._count) + 1
        scores = self._scores[:, known] @ one_hot * (shares / np.maximum(mass, FLOOR)) + FLOOR
        return scores / scores.sum(axis=1, keepdims=True)


def _held_out(task: Task, graph: _Graph, x: NDArray[Any], c: float, track: Track) -> HeldOut:
    by_graph, by_linear = np.empty((2, len(x), len(task.classes)))
    anchors = task.units[graph.anchors]
    for fold in track(np.unique(graph.folds).tolist(), "Cross-validating"):
        out, probabilities = graph.folds == fold, graph.probabilities(fold)
        places = np.flatnonzero(out)
        for start in range(0, len(places), _BLOCK):
            part = places[start : start + _BLOCK]
            rows = task.rows[part]
            similar = weights_of(task.units[rows], anchors)
            similar[rows[:, None] == graph.anchors] = 0  # an image is no neighbour of its own
            similar /= np.maximum(similar.sum(axis=1, keepdims=True), np.finfo("float32").tiny)
            by_graph[part] = np.log(similar @ probabilities + FLOOR)
        by_linear[out] = _log_probabilities(x, task.numbers, out, c, len(task.classes))
    logits = {"graph": by_graph, "linear": by_linear, "both": by_graph + SHARE * by_linear}
    return HeldOut(logits, np.bincount(task.numbers)[task.numbers] > 1)


def _log_probabilities(
    x: NDArray[Any], numbers: NDArray[np.intp], out: NDArray[np.bool_], c: float, count: int
) -> NDArray[np.float64]:
    """What a regression on the other rows says of those held out, also of classes it never saw."""
    found = np.full((int(out.sum()), count), np.log(FLOOR))
    present = np.unique(numbers[~out])
    if len(present) > 1:
        model = regression(c).fit(x[~out], numbers[~out])
        found[:, present] = np.log(np.maximum(model.predict_proba(x[out]), FLOOR))
    else:
        found[:, present] = 0
    return found


def _folds(numbers: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Number of the fold of every label, ``[labels]``."""
    if len(numbers) <= _ALONE:
        return np.arange(len(numbers))
    folds = np.empty(len(numbers), np.intp)
    count = _FOLDS if len(numbers) <= _MANY else _FEWER
    with warnings.catch_warnings():  # that a class has fewer labels than there are folds
        warnings.simplefilter("ignore", UserWarning)
        folding = StratifiedKFold(count, shuffle=True, random_state=seed)
        try:
            for fold, (_, out) in enumerate(folding.split(numbers, numbers)):
                folds[out] = fold
        except ValueError:  # every class has fewer: its labels go to different folds
            mixed = np.random.default_rng(seed).permutation(len(numbers))
            by_class = mixed[np.argsort(numbers[mixed], kind="stable")]
            folds[by_class] = np.arange(len(numbers)) % count
    return folds
