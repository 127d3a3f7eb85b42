"""What an evaluation tells of one encoder, and of several beside each other."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow.evaluation import comparison
from barlow.evaluation import differences as differing
from barlow.evaluation.differences import Difference
from barlow.evaluation.probes import Row
from barlow.evaluation.ranking import Retrieval


@dataclasses.dataclass(frozen=True, eq=False)
class Confusion:
    """How often test images of each class are taken for each class.

    Args:
        classes: The classes, as text.
        counts: Images of the class of the row that are taken for that of the column,
            ``[classes, classes]``.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.intp]


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What one candidate is worth.

    Args:
        rows: Accuracies, as :func:`barlow.evaluation.evaluate` returns them.
        retrieval: By name of the features, what a search finds with them.
        rank_me: Of the learned features of at most 10,000 training images.
        alpha_req: Of the same.
        lidar: Of ten views of each of at most 1,000 training images; ``None`` without views.
        features: Number of learned features.
        confusion: Of the linear probe on all labels of the learned features; ``None`` if that
            failed.
        right: Whether that probe is right on each test image, ``[test images]``; or ``None``.
        class_sizes: Test images of each class that there is.
    """

    rows: list[Row]
    retrieval: Mapping[str, Retrieval]
    rank_me: float
    alpha_req: float
    lidar: float | None
    features: int
    confusion: Confusion | None
    right: NDArray[np.bool_] | None
    class_sizes: NDArray[np.intp]

    def as_json(self) -> dict[str, Any]:
        """The content of ``evaluation.json``."""
        content = comparison.as_json(self.rows)
        content["test_images"] = int(self.class_sizes.sum())
        content["retrieval"] = [
            {"features": name, **each._asdict()} for name, each in self.retrieval.items()
        ]
        content["features"] = self.features
        content |= {name: getattr(self, name) for name in ("rank_me", "alpha_req", "lidar")}
        if self.confusion:
            counts = self.confusion.counts.tolist()
            content["confusion"] = {"classes": self.confusion.classes, "counts": counts}
        return content


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """What several candidates are worth, on the same images.

    Args:
        evaluations: By name of the candidate.
        differences: The most accurate one less each of the others, by the linear probe on all
            labels of the learned features.
    """

    evaluations: Mapping[str, Evaluation]
    differences: Sequence[Difference]

    @property
    def verdict(self) -> str:
        """Which one to take; empty if there is one only."""
        return differing.verdict(self.differences)

    def as_json(self, name: str) -> dict[str, Any]:
        """The content of ``evaluation.json`` of one candidate, with all differences."""
        content = self.evaluations[name].as_json()
        if self.differences:
            content["comparison"] = {"this": name, **differing.as_json(self.differences)}
        return content
