"""What an encoder is worth: probes with labels, ranks without."""

from barlow.evaluation.probes import LABELS_PER_CLASS, Row, as_json, evaluate, probe, split
from barlow.evaluation.rank import alpha_req, rank_me

__all__ = [
    "LABELS_PER_CLASS",
    "Row",
    "alpha_req",
    "as_json",
    "evaluate",
    "probe",
    "rank_me",
    "split",
]
