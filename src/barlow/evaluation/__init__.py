"""What an encoder is worth: probes with labels, ranks without."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.evaluation.comparison import as_json, evaluate, split
    from barlow.evaluation.probes import LABELS_PER_CLASS, Row, check_classes, check_labels, probe
    from barlow.evaluation.rank import alpha_req, rank_me

__all__ = [
    "LABELS_PER_CLASS",
    "Row",
    "alpha_req",
    "as_json",
    "check_classes",
    "check_labels",
    "evaluate",
    "probe",
    "rank_me",
    "split",
]

# When they are used: the ranks need no scikit-learn.
__getattr__, __dir__ = attach(
    __name__,
    {
        **dict.fromkeys(("as_json", "evaluate", "split"), "comparison"),
        **dict.fromkeys(
            ("LABELS_PER_CLASS", "Row", "check_classes", "check_labels", "probe"), "probes"
        ),
        **dict.fromkeys(("alpha_req", "rank_me"), "rank"),
    },
)
