"""Which method to take, how sure its probabilities may be, and how accurate it will be.

All of it from labels held out, see :mod:`barlow.labelling.learning`.

**Temperature**: the one of the smallest log loss, with a normal prior on its logarithm. A few
dozen labels alone do not tell it: they may lie where all is easy. The prior is wide; its mean is
where the temperature was on sets of digits, motion and tables.

**Method**: the graph while there are few labels, then both; another one if its log loss is smaller
by more than a standard error of the difference. Few labels that lie far from each other say too
little for the regression alone: it is a choice only when there are more.

**Accuracy**: that of the labels held out. Images that were suggested are no random sample of all:
some are easier, some harder. How much, tells the difference of confidences (Guillory et al., 2021,
"Predicting with confidence on unseen distributions"): how much surer the classifier is of the
images without labels than of those held out. It is right on some sets and too high on others, so
the interval goes from the lower end of Wilson's of the lower one, with or without the difference,
to the upper end of that of the higher one; both for half as many labels (a design effect of 2).
With few labels per class each of them stands alone for its part of the images, and where it is held
out, that part has none: what is left says too little, and nothing is said of the accuracy.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import errors
from barlow.labelling.heads import METHODS, log_softmax
from barlow.labelling.learning import HeldOut

with errors.extra("cli", "Labelling"):
    from scipy.optimize import minimize_scalar

FEW = 2.5
"""Labels per class below which the graph is taken, unless both together are plainly better."""

_FOR_ONE = 6  # labels per class from which on the regression alone is a choice

_LEAST = 10  # labels of classes with at least two, to compare methods
_TO_SCORE = 4  # labels per class, to say anything of accuracy
_USUAL = {"graph": 1.0, "linear": 1.0, "both": 1.2}  # temperatures
_WEIGHT = 10.0  # of the prior: 1 / variance of the logarithm
_BOUNDS = (-2.5, 2.5)  # of the logarithm
_Z = 1.959964  # of a 95 % interval
_BINS = 10
_DESIGN_EFFECT = 2.0


class Choice(NamedTuple):
    """A method and its temperature."""

    method: str
    temperature: float
    why: str
    """One sentence."""
    log_loss: dict[str, float]
    """By method, of labels held out; empty if there are too few."""


class Scores(NamedTuple):
    """What a classifier gets right, estimated."""

    labels: int
    """Labels that were held out."""
    accuracy: float
    """Fraction of these that it gets right."""
    low: float
    high: float
    """95 % interval of the accuracy on the images without labels."""
    balanced_accuracy: float
    """Mean over the classes of the accuracy on labels held out."""
    calibration_error: float
    """Expected calibration error of the same, in bins of equal number."""
    confusion: NDArray[np.intp]
    """Labels held out of the class of the row, taken for that of the column."""


def choose(held_out: HeldOut, numbers: NDArray[np.intp], method: str = "auto") -> Choice:
    """The method and its temperature.

    Args:
        held_out: Of :func:`barlow.labelling.learning.learn`.
        numbers: The true classes, ``[labels]``.
        method: One of ``METHODS``, or ``"auto"``. Defaults to ``"auto"``.
    """
    can, classes = held_out.can, len(np.unique(numbers))
    per_class = len(numbers) / classes
    if can.sum() < _LEAST:
        chosen = METHODS[0] if method == "auto" else method
        why = (
            f"only {can.sum()} labels are of classes with at least two, so that nothing can be "
            f"cross-validated ({_LEAST} are needed)"
        )
        return Choice(chosen, _USUAL[chosen], why, {})
    known = numbers[can]
    found, losses = {}, {}
    for name, logits in held_out.logits.items():
        found[name] = temperature_for(logits[can], known, name)
        losses[name] = -log_softmax(logits[can] / found[name])[np.arange(len(known)), known]
    log_loss = {name: float(loss.mean()) for name, loss in losses.items()}
    if method != "auto":
        return Choice(method, found[method], "asked for", log_loss)
    usual = "graph" if per_class < FEW else "both"
    choices = [usual, *(name for name in METHODS if per_class >= _FOR_ONE or name != "linear")]
    best = min(choices, key=lambda name: log_loss[name])  # the usual one of equals
    gain = losses[usual] - losses[best]
    error = gain.std() / math.sqrt(len(gain))
    if gain.mean() > error:
        why = (
            f"its log loss on labels held out is smaller by {gain.mean():.3f} than that of {usual}"
        )
        return Choice(best, found[best], why, log_loss)
    why = f"usually best with {per_class:.1f} labels per class, and no other is plainly better here"
    return Choice(usual, found[usual], why, log_loss)


def score(
    held_out: HeldOut, numbers: NDArray[np.intp], choice: Choice, others: NDArray[Any]
) -> Scores | None:
    """What the chosen method gets right; ``None`` if too few labels can be held out.

    Args:
        held_out: As for :func:`choose`.
        numbers: As there.
        choice: What was chosen.
        others: Probabilities of the predicted classes of the images without labels, ``[images]``;
            may be empty.
    """
    can = held_out.can
    if not choice.log_loss or len(numbers) < _TO_SCORE * len(np.unique(numbers)):
        return None
    known = numbers[can]
    sure = np.exp(log_softmax(held_out.logits[choice.method][can] / choice.temperature))
    predicted = sure.argmax(axis=1)
    right = predicted == known
    accuracy = float(right.mean())
    surer = others.mean() - sure.max(axis=1).mean() if len(others) else 0.0
    corrected = float(np.clip(accuracy + surer, 0, 1))
    low, _ = wilson(min(accuracy, corrected), len(known) / _DESIGN_EFFECT)
    _, high = wilson(max(accuracy, corrected), len(known) / _DESIGN_EFFECT)
    confusion = np.zeros((sure.shape[1],) * 2, np.intp)
    np.add.at(confusion, (known, predicted), 1)
    totals = confusion.sum(axis=1)
    balanced = (np.diag(confusion)[totals > 0] / totals[totals > 0]).mean()
    error = calibration_error(sure.max(axis=1), right)
    return Scores(len(known), accuracy, low, high, float(balanced), error, confusion)


def wilson(fraction: float, count: float) -> tuple[float, float]:
    """95 % interval of a fraction (Wilson, 1927).

    Args:
        fraction: Of successes, 0 to 1.
        count: Of trials, > 0.

    Example:
        >>> from barlow.labelling import choosing
        >>> low, high = choosing.wilson(0.8, 100)
        >>> print(f"{low:.3f} to {high:.3f}")
        0.711 to 0.867
    """
    scale = 1 + _Z**2 / count
    middle = (fraction + _Z**2 / (2 * count)) / scale
    half = _Z * math.sqrt(fraction * (1 - fraction) / count + (_Z / (2 * count)) ** 2) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def calibration_error(sure: NDArray[Any], right: NDArray[np.bool_]) -> float:
    """Expected calibration error: how far certainty and accuracy are apart, in up to ten bins.

    Bins have the same number of images each (Nixon et al., 2019, "Measuring calibration in deep
    learning").

    Args:
        sure: Probability of the predicted class, ``[images]``.
        right: Whether it is the true one, ``[images]``.

    Example:
        >>> from barlow.labelling import choosing
        >>> choosing.calibration_error(np.full(10, 0.8), np.arange(10) < 6)
        0.2
    """
    order = np.argsort(sure, kind="stable")
    bins = np.array_split(order, min(_BINS, max(1, len(order) // _BINS)))
    apart = sum(len(part) * abs(sure[part].mean() - right[part].mean()) for part in bins)
    return round(float(apart / len(order)), 12)


def temperature_for(logits: NDArray[np.float64], numbers: NDArray[np.intp], method: str) -> float:
    """The temperature of the smallest log loss and prior together.

    Args:
        logits: Of labels held out, ``[labels, classes]``.
        numbers: The true classes, ``[labels]``.
        method: One of ``METHODS``.
    """
    rows = np.arange(len(numbers))

    def cost(logarithm: float) -> float:
        scaled = log_softmax(logits / math.exp(logarithm))
        apart = logarithm - math.log(_USUAL[method])
        return float(-scaled[rows, numbers].sum() + _WEIGHT * apart**2 / 2)

    found: Any = minimize_scalar(cost, bounds=_BOUNDS, method="bounded")
    return math.exp(found.x)
