"""Pictures of a run, of views and of confusions; contact sheets."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.report.confusion import draw_confusion
    from barlow.report.found import (
        sheet_of_duplicates,
        sheet_of_outliers,
        sheet_of_search,
        sheet_of_suggestions,
    )
    from barlow.report.pictures import draw_training, draw_views
    from barlow.report.sheet import Row, Tile, check_sheet, contact_sheet, is_sheet, tiles_of

__all__ = [
    "Row",
    "Tile",
    "check_sheet",
    "contact_sheet",
    "draw_confusion",
    "draw_training",
    "draw_views",
    "is_sheet",
    "sheet_of_duplicates",
    "sheet_of_outliers",
    "sheet_of_search",
    "sheet_of_suggestions",
    "tiles_of",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Row": "sheet",
        "Tile": "sheet",
        "check_sheet": "sheet",
        "contact_sheet": "sheet",
        "draw_confusion": "confusion",
        "draw_training": "pictures",
        "draw_views": "pictures",
        "is_sheet": "sheet",
        "sheet_of_duplicates": "found",
        "sheet_of_outliers": "found",
        "sheet_of_search": "found",
        "sheet_of_suggestions": "found",
        "tiles_of": "sheet",
    },
)
