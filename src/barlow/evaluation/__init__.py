"""What an encoder is worth: probes and retrieval with labels, ranks without; and which to take."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.evaluation.alignment import split_alike
    from barlow.evaluation.candidates import Candidate, compare
    from barlow.evaluation.comparison import as_json, evaluate
    from barlow.evaluation.differences import Difference, paired_interval
    from barlow.evaluation.labels import check_classes, check_labels
    from barlow.evaluation.probes import LABELS_PER_CLASS, Row, probe
    from barlow.evaluation.rank import alpha_req, lidar, rank_me
    from barlow.evaluation.ranking import Retrieval, retrieval
    from barlow.evaluation.results import Comparison, Confusion, Evaluation
    from barlow.evaluation.splitting import split

__all__ = [
    "LABELS_PER_CLASS",
    "Candidate",
    "Comparison",
    "Confusion",
    "Difference",
    "Evaluation",
    "Retrieval",
    "Row",
    "alpha_req",
    "as_json",
    "check_classes",
    "check_labels",
    "compare",
    "evaluate",
    "lidar",
    "paired_interval",
    "probe",
    "rank_me",
    "retrieval",
    "split",
    "split_alike",
]

# When they are used: the ranks need no scikit-learn.
__getattr__, __dir__ = attach(
    __name__,
    {
        **dict.fromkeys(("Candidate", "compare"), "candidates"),
        **dict.fromkeys(("as_json", "evaluate"), "comparison"),
        **dict.fromkeys(("Difference", "paired_interval"), "differences"),
        **dict.fromkeys(("check_classes", "check_labels"), "labels"),
        **dict.fromkeys(("LABELS_PER_CLASS", "Row", "probe"), "probes"),
        **dict.fromkeys(("alpha_req", "lidar", "rank_me"), "rank"),
        **dict.fromkeys(("Retrieval", "retrieval"), "ranking"),
        **dict.fromkeys(("Comparison", "Confusion", "Evaluation"), "results"),
        "split": "splitting",
        "split_alike": "alignment",
    },
)
