"""Which of several encoders to take: paired differences of accuracies, with their intervals.

All are tested on the same images, so that only images that one gets right and another one wrong
tell them apart. The interval for paired proportions is that of Agresti and Min (2005), "Simple
improved confidence intervals for comparing matched proportions", Statistics in Medicine 24: half an
image is added to each of the four cells of right and wrong, and the interval is Wald's.
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput
from barlow.text import printable

_LEVEL = 0.95


class Difference(NamedTuple):
    """How much more accurate one encoder is than another one."""

    first: str
    second: str
    accuracy: float
    """Accuracy of the first less that of the second."""
    low: float
    high: float
    """Ends of its interval."""

    @property
    def is_chance(self) -> bool:
        """Whether the interval has 0 in it: the images do not tell which is better."""
        return self.low <= 0 <= self.high


def paired_interval(
    right: NDArray[np.bool_], other: NDArray[np.bool_], level: float = _LEVEL
) -> tuple[float, float]:
    """Interval of the difference of two accuracies on the same images (Agresti and Min, 2005).

    With ``b`` images that only the first has right, ``c`` that only the second has, ``n`` in all,
    ``b' = b + 1/2``, ``c' = c + 1/2``, ``n' = n + 2`` and ``d = (b' - c') / n'``, it is
    ``d +- z sqrt((b' + c') / n' - d^2) / sqrt(n')``. It tells the chance of the test images alone:
    another training, or another draw of labels to learn from, differs as well.

    Args:
        right: Whether the first is right on each image, ``[images]``.
        other: Whether the second is, on the same images.
        level: Probability that the interval holds the true difference. Defaults to 0.95.

    Returns:
        Its ends, from -1 to 1.

    Raises:
        InvalidInput: If there are no images, or not as many of both.

    Example:
        >>> from barlow import evaluation
        >>> right = np.arange(100) < 90
        >>> other = np.arange(100) < 80
        >>> low, high = evaluation.paired_interval(right, other)
        >>> print(f"{low:.3f} to {high:.3f}")
        0.037 to 0.159
    """
    right, other = np.asarray(right, bool), np.asarray(other, bool)
    if right.shape != other.shape or right.ndim != 1 or not len(right):
        raise InvalidInput(
            "Right and wrong must be given for the same images, shape [images]. Received: shapes "
            f"{right.shape} and {other.shape}."
        )
    only_first, only_second = np.sum(right & ~other) + 0.5, np.sum(other & ~right) + 0.5
    count = len(right) + 2
    middle = (only_first - only_second) / count
    z = statistics.NormalDist().inv_cdf((1 + level) / 2)
    half = z * math.sqrt(((only_first + only_second) / count - middle**2) / count)
    return float(max(-1.0, middle - half)), float(min(1.0, middle + half))


def differences(right: Mapping[str, NDArray[np.bool_]]) -> list[Difference]:
    """The most accurate encoder less each of the others, in the order of their accuracy.

    Since the same images choose the best one, the intervals are those of all pairs together
    (Bonferroni): of more than two encoders each is wider.

    Args:
        right: By name of the encoder, whether it is right on each of the same images.

    Example:
        >>> from barlow.evaluation import differences
        >>> right = {"a": np.arange(100) < 80, "b": np.arange(100) < 90}
        >>> [(each.first, each.second, each.is_chance) for each in differences.differences(right)]
        [('b', 'a', False)]
    """
    names = sorted(right, key=lambda name: -np.mean(right[name]))  # the first of equals
    pairs = len(list(itertools.combinations(names, 2)))
    best, *others = names
    found = []
    for other in others:
        low, high = paired_interval(right[best], right[other], 1 - (1 - _LEVEL) / pairs)
        accuracy = float(np.mean(right[best]) - np.mean(right[other]))
        found.append(Difference(best, other, accuracy, low, high))
    return found


def verdict(found: Sequence[Difference]) -> str:
    """One or two sentences on which encoder to take; empty if there is nothing to choose.

    Example:
        >>> from barlow.evaluation import differences
        >>> right = {"a": np.arange(100) < 80, "b": np.arange(100) < 90}
        >>> print(differences.verdict(differences.differences(right)))
        Take b: it is more accurate than a by more than chance (+10.0 points, 3.7 to 15.9).
    """
    if not found:
        return ""
    best = printable(found[0].first)
    alike = [each for each in found if each.is_chance]
    worse = [each for each in found if not each.is_chance]
    if not alike:
        named = _named([f"{printable(each.second)}" for each in worse])
        return f"Take {best}: it is more accurate than {named} by more than chance ({_of(worse)})."
    named = _named([best, *(printable(each.second) for each in alike)])
    text = (
        f"The difference between {named} is within chance ({_of(alike)}). Choose by the accuracy "
        "with few labels, by what a search finds, or by cost; or test on more images."
    )
    if worse:
        others = _named([printable(each.second) for each in worse])
        text += f" Less accurate by more than chance: {others} ({_of(worse)})."
    return text


def as_json(found: Sequence[Difference]) -> dict[str, Any]:
    """Differences as content of ``evaluation.json``."""
    return {
        "verdict": verdict(found),
        "differences": [{**each._asdict(), "is_chance": each.is_chance} for each in found],
    }


def _of(found: Sequence[Difference]) -> str:
    """The differences in points, each with its interval."""
    return "; ".join(
        f"{100 * each.accuracy:+.1f} points, {100 * each.low:.1f} to {100 * each.high:.1f}"
        for each in found
    )


def _named(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
