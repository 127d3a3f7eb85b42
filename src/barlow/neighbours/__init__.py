"""What is near what: neighbours of vectors, and what they are for: search, duplicates, outliers."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.neighbours.calibration import Calibration, Rate, calibrate
    from barlow.neighbours.exact import Neighbours, nearest
    from barlow.neighbours.finding import Found, search
    from barlow.neighbours.grouping import Duplicates, Member, check_plan, duplicates
    from barlow.neighbours.index import Index
    from barlow.neighbours.kept import graph
    from barlow.neighbours.linking import linked
    from barlow.neighbours.moving import move_back, move_copies
    from barlow.neighbours.oddities import Oddities, Outlier, outliers

__all__ = [
    "Calibration",
    "Duplicates",
    "Found",
    "Index",
    "Member",
    "Neighbours",
    "Oddities",
    "Outlier",
    "Rate",
    "calibrate",
    "check_plan",
    "duplicates",
    "graph",
    "linked",
    "move_back",
    "move_copies",
    "nearest",
    "outliers",
    "search",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Calibration": "calibration",
        "Duplicates": "grouping",
        "Found": "finding",
        "Index": "index",
        "Member": "grouping",
        "Neighbours": "exact",
        "Oddities": "oddities",
        "Outlier": "oddities",
        "Rate": "calibration",
        "calibrate": "calibration",
        "check_plan": "grouping",
        "duplicates": "grouping",
        "graph": "kept",
        "linked": "linking",
        "move_back": "moving",
        "move_copies": "moving",
        "nearest": "exact",
        "outliers": "oddities",
        "search": "finding",
    },
)
