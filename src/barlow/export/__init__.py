"""Take an encoder away: files that run without barlow, each compared with the original."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.export.checking import Differs, check
    from barlow.export.formats import CARD, FORMATS, Format
    from barlow.export.writing import Exported, write

__all__ = ["CARD", "FORMATS", "Differs", "Exported", "Format", "check", "write"]

__getattr__, __dir__ = attach(
    __name__,
    {
        **dict.fromkeys(("Differs", "check"), "checking"),
        **dict.fromkeys(("CARD", "FORMATS", "Format"), "formats"),
        **dict.fromkeys(("Exported", "write"), "writing"),
    },
)
