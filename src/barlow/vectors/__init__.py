"""Files of vectors: written so that they can be resumed and updated, joined, and read."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.vectors.joining import join
    from barlow.vectors.table import read
    from barlow.vectors.writing import Written, check_place, write

__all__ = ["Written", "check_place", "join", "read", "write"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Written": "writing",
        "check_place": "writing",
        "join": "joining",
        "read": "table",
        "write": "writing",
    },
)
