"""Contact sheets of what search, duplicates, outliers and suggestions find."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from barlow import vectors
from barlow.embedding import Embeddings
from barlow.labelling import Suggestions
from barlow.neighbours import Duplicates, Found, Member, Oddities
from barlow.report.sheet import Row, Tile, contact_sheet, tiles_of

_GROUPS = 200  # on a sheet

Collection = Embeddings | str | os.PathLike[str]


def sheet_of_search(
    collection: Collection,
    found: Sequence[Found],
    path: str | os.PathLike[str],
    images: Any = None,
) -> pathlib.Path:
    """A row for each query, the most similar image first.

    Args:
        collection: File of vectors, or the vectors.
        found: What :func:`barlow.search` returns.
        path: As for :func:`barlow.report.contact_sheet`.
        images: As for :func:`barlow.vectors.images_of`.
    """
    embeddings = vectors.as_embeddings(collection)
    rows = []
    for each in found:
        pairs = zip(each.similarities, each.names, strict=True)
        captions = [f"{similarity:.4f}\n{name}" for similarity, name in pairs]
        tiles = tiles_of(embeddings, each.rows, captions, images)
        rows.append(Row(f"Most similar to {each.query}", tiles))
    return contact_sheet(rows, path, "Search")


def sheet_of_duplicates(
    collections: Sequence[Collection],
    found: Duplicates,
    path: str | os.PathLike[str],
    images: Any = None,
) -> pathlib.Path:
    """A row for each group, the image to keep first; at most 200 groups.

    Args:
        collections: One or two, as for :func:`barlow.duplicates`.
        found: What it returns.
        path: As for :func:`barlow.report.contact_sheet`.
        images: As for :func:`barlow.vectors.images_of`, those of the first collection.
    """
    shown = [each for each in found.members if each.group <= _GROUPS]
    tiles: dict[Member, Tile] = {}
    for is_kept, collection in ((True, collections[0]), (False, collections[-1])):
        embeddings = vectors.as_embeddings(collection)
        members = [each for each in shown if each.keep == is_kept]
        captions = [f"{each.reason} {each.similarity:.4f}\n{each.path}" for each in members]
        rows = _rows(embeddings, [each.path for each in members])
        there = images if collection is collections[0] else None
        made = tiles_of(embeddings, rows, captions, there)
        tiles |= zip(members, made, strict=True)
    groups = dict.fromkeys(each.group for each in shown)
    of_group = {group: [tiles[each] for each in shown if each.group == group] for group in groups}
    rows = [Row(f"Group {group}", each) for group, each in of_group.items()]
    return contact_sheet(rows, path, "Duplicates")


def sheet_of_outliers(
    collection: Collection,
    found: Oddities,
    path: str | os.PathLike[str],
    number: int = 20,
    images: Any = None,
) -> pathlib.Path:
    """The images that are farthest from all others, and the plainly odd ones.

    Args:
        collection: File of vectors, or the vectors.
        found: What :func:`barlow.outliers` returns.
        path: As for :func:`barlow.report.contact_sheet`.
        number: Images of each kind, at most. Defaults to 20.
        images: As for :func:`barlow.vectors.images_of`.
    """
    embeddings = vectors.as_embeddings(collection)
    far = found.outliers[:number]
    captions = [f"{each.score:.2f}\n{each.path}" for each in far]
    tiles = tiles_of(embeddings, [each.row for each in far], captions, images)
    rows = [Row("Far from all others", tiles)]
    for name, paths in found.plain.items():
        chosen = paths[:number]
        rows.append(Row(name, tiles_of(embeddings, _rows(embeddings, chosen), chosen, images)))
    return contact_sheet(rows, path, "Outliers")


def _rows(embeddings: Embeddings, names: Sequence[str]) -> list[int]:
    places = {str(name): row for row, name in enumerate(embeddings.names)}
    return [places[name] for name in names]


def sheet_of_suggestions(
    collection: Collection,
    found: Suggestions,
    path: str | os.PathLike[str],
    images: Any = None,
) -> pathlib.Path | None:
    """The images to label, in the order of the list; ``None`` if the vectors are of no images.

    Args:
        collection: File of vectors, or the vectors.
        found: What :func:`barlow.labelling.suggest` returns.
        path: As for :func:`barlow.report.contact_sheet`.
        images: As for :func:`barlow.vectors.images_of`.
    """
    embeddings = vectors.as_embeddings(collection)
    if len(embeddings.image_shape) != 3:
        return None
    rows = [each.row for each in found.images]
    captions = [f"{number}\n{each.path}" for number, each in enumerate(found.images, 1)]
    tiles = tiles_of(embeddings, rows, captions, images)
    return contact_sheet([Row("", tiles)], path, "Which class are these?")
