"""Plans of what to keep, as people have edited them."""

import pathlib

from barlow import spreadsheets
from barlow.errors import InvalidInput
from barlow.neighbours.grouping import OF_FIRST
from barlow.text import printable

_KEEP = {"yes": True, "no": False}


def read_plan(path: pathlib.Path) -> tuple[list[str], list[str]]:
    """Names of the images that are kept for others, and of those that are to be moved.

    In a plan of two files of vectors the first keeps its images, and only the second has others.
    """
    try:
        columns, cells, lines = spreadsheets.read(path)
    except InvalidInput as error:
        raise InvalidInput(f"Cannot read the plan {path}: {error}") from error
    rows = [dict(zip(columns, row, strict=True)) for row in cells]
    for row in rows:
        row["keep"] = row.get("keep", "").strip().lower()
    for number, row in zip(lines, rows, strict=True):
        if not {"group", "path", "keep"} <= {*row} or row["keep"] not in _KEEP:
            raise InvalidInput(
                f"{path} is no plan: line {number} needs group, path, and keep, which is yes or "
                f"no. Received: {dict(row)}."
            )
    keeping = {row["group"] for row in rows if _KEEP[row["keep"]]}
    orphan = next((row for row in rows if row["group"] not in keeping), None)
    if orphan is not None:
        raise InvalidInput(
            f"Group {orphan['group']} of {path} keeps no image. Write yes in the column keep of "
            "one."
        )
    moving = {row["group"] for row in rows if not _KEEP[row["keep"]]}
    firsts = [row for row in rows if row.get("reason") == OF_FIRST]
    if firsts:
        if wrong := next((row for row in firsts if not _KEEP[row["keep"]]), None):
            raise InvalidInput(
                f"{printable(wrong['path'])} of group {wrong['group']} in {path} is of the first "
                "file, whose images are never moved. Write yes in its column keep; to keep its "
                "copy, too, write yes there."
            )
        kept = [row["path"] for row in firsts if row["group"] in moving]
    else:
        kept = [row["path"] for row in rows if _KEEP[row["keep"]] and row["group"] in moving]
    return kept, [row["path"] for row in rows if not _KEEP[row["keep"]]]


def check_made_of(plan: pathlib.Path, count: int) -> None:
    """Refuse a plan of two files of vectors for one, and the reverse: names may be in both."""
    columns, rows, _ = spreadsheets.read(plan)
    if "reason" not in columns or not rows:
        return
    place = columns.index("reason")
    made_of = 2 if OF_FIRST in {row[place] for row in rows} else 1
    if made_of != count:
        raise InvalidInput(
            f"{plan} was made of {made_of} file{'s' * (made_of > 1)} of vectors. Give the same. "
            f"Received: {count}."
        )
