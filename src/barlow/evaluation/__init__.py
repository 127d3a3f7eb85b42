"""What an encoder is worth: probes with labels, ranks without."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.evaluation.comparison import as_json, evaluate
    from barlow.evaluation.labels import check_classes, check_labels
    from barlow.evaluation.probes import LABELS_PER_CLASS, Row, probe
    from barlow.evaluation.rank import alpha_req, lidar, rank_me
    from barlow.evaluation.ranking import Retrieval, retrieval
    from barlow.evaluation.splitting import split

__all__ = [
    "LABELS_PER_CLASS",
    "Retrieval",
    "Row",
    "alpha_req",
    "as_json",
    "check_classes",
    "check_labels",
    "evaluate",
    "lidar",
    "probe",
    "rank_me",
    "retrieval",
    "split",
]

# When they are used: the ranks need no scikit-learn.
__getattr__, __dir__ = attach(
    __name__,
    {
        **dict.fromkeys(("as_json", "evaluate"), "comparison"),
        **dict.fromkeys(("check_classes", "check_labels"), "labels"),
        **dict.fromkeys(("LABELS_PER_CLASS", "Row", "probe"), "probes"),
        **dict.fromkeys(("alpha_req", "lidar", "rank_me"), "rank"),
        **dict.fromkeys(("Retrieval", "retrieval"), "ranking"),
        "split": "splitting",
    },
)
