"""Heads: from vectors to probabilities of classes, by matrices alone, so that Keras has all layers.

``graph``
    The scores of labels that were spread over the collection, of some thousand of its images
    (anchors): ``p(v) = sum_i w_i p_i`` with ``w = softmax(<v, a_i> / t)`` over the anchors ``a_i``
    in the space of :mod:`barlow.labelling.space`.
``linear``
    Logistic regression in the same space.
``both``
    The product of the graph and the root of the regression, which is surer than it should be.

The logits of all are divided by a temperature (Guo et al., 2017, "On calibration of modern neural
networks").
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow.labelling.space import Space

METHODS = ("graph", "linear", "both")

SHARPNESS = 20.0
"""``1 / t``, of the softmax over anchors."""

FLOOR = 1e-6
"""Smallest probability of the graph: where no label has come to."""

SHARE = 0.5
"""Weight of the logits of the regression in both, where those of the graph have 1."""

_BLOCK = 4096  # rows at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """From vectors to probabilities.

    Args:
        classes: Names of the classes, in the order of the columns.
        method: One of ``METHODS``.
        space: Where vectors are compared with anchors.
        anchors: Unit vectors in that space, ``[anchors, components]``.
        anchor_labels: Probabilities of the classes of each, ``[anchors, classes]``.
        weights: Of the logistic regression in that space, ``[components, classes]``.
        bias: Of the same, ``[classes]``.
        temperature: What logits are divided by. Defaults to 1.
    """

    classes: tuple[str, ...]
    method: str
    space: Space
    anchors: NDArray[np.float32]
    anchor_labels: NDArray[np.float32]
    weights: NDArray[Any]
    bias: NDArray[Any]
    temperature: float = 1.0

    def __call__(self, vectors: NDArray[Any]) -> NDArray[np.float64]:
        """Probabilities, ``[rows, classes]``, of vectors ``[rows, features]``."""
        probabilities = np.empty((len(vectors), len(self.classes)))
        for start in range(0, len(vectors), _BLOCK):
            logits = self.logits(vectors[start : start + _BLOCK])
            probabilities[start : start + _BLOCK] = np.exp(log_softmax(logits / self.temperature))
        return probabilities

    def with_choice(self, method: str, temperature: float) -> "Head":
        """The same head by another method, at its temperature."""
        return dataclasses.replace(self, method=method, temperature=temperature)

    def logits(self, vectors: NDArray[Any]) -> NDArray[np.float64]:
        """Logits before the temperature, ``[rows, classes]``."""
        units = self.space(vectors)
        logits = np.zeros((len(units), len(self.classes)))
        if self.method != "linear":
            logits += np.log(by_anchors(units, self.anchors, self.anchor_labels))
        if self.method != "graph":
            share = SHARE if self.method == "both" else 1.0
            logits += share * log_softmax(units.astype("float64") @ self.weights + self.bias)
        return logits


def by_anchors(
    units: NDArray[np.float32], anchors: NDArray[np.float32], labels: NDArray[Any]
) -> NDArray[np.float64]:
    """Probabilities of unit vectors by those of the anchors, at least ``FLOOR``."""
    return (weights_of(units, anchors) @ labels).astype("float64") + FLOOR


def weights_of(units: NDArray[np.float32], anchors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The softmax over anchors, ``[rows, anchors]``."""
    similar = units @ anchors.T
    weights = np.exp(SHARPNESS * (similar - similar.max(axis=1, keepdims=True)))
    return weights / weights.sum(axis=1, keepdims=True)


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Logarithms of probabilities, of logits ``[rows, classes]``."""
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
