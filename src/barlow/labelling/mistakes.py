"""Labels that may be wrong: the other labels say something else, and are sure of it.

Confident learning (Northcutt et al., 2021, "Confident learning: estimating uncertainty in dataset
labels"): a label is doubted if the probability of another class, from labels held out, is at least
the mean probability that this class has where it is the label, and higher than that of the label.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow.labelling.given import Given


class Doubt(NamedTuple):
    """A label that may be wrong: a question, not a verdict."""

    path: str
    label: str
    """As it is."""
    other: str
    """What the other labels say."""
    probability: float
    """Of that."""
    own: float
    """Of the label."""


def doubts(
    names: NDArray[Any], classes: tuple[str, ...], given: Given, held_out: NDArray[np.float64]
) -> list[Doubt]:
    """The doubtful labels, the most doubtful first.

    Args:
        names: Of all images.
        classes: Names of the classes.
        given: The labels.
        held_out: Probabilities of the labelled images from the other labels, ``[labels, classes]``;
            NaN where nothing can be said.
    """
    numbers = np.searchsorted(np.array(classes), given.labels[given.rows].astype(str))
    known = np.flatnonzero(~np.isnan(held_out[:, 0]))
    found = held_out[known]
    own = found[np.arange(len(known)), numbers[known]]
    usual = np.array(
        [
            own[numbers[known] == number].mean() if number in numbers[known] else np.inf
            for number in range(len(classes))
        ]
    )
    others = np.where(found >= usual, found, 0)
    others[np.arange(len(known)), numbers[known]] = 0
    best = others.argmax(axis=1)
    sure = others[np.arange(len(known)), best]
    places = np.flatnonzero(sure > own)
    return [
        Doubt(
            str(names[given.rows[known[place]]]),
            classes[numbers[known[place]]],
            classes[best[place]],
            float(sure[place]),
            float(own[place]),
        )
        for place in places[np.argsort((own - sure)[places], kind="stable")]
    ]
