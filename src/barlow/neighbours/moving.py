"""Carry out a plan: move the copies to a folder, and take it back. Nothing is ever deleted.

The folder has the moved files under the names that they have in the collection, and the file
``undo.csv``: where each was, where it goes, and the hash of its content. It is on the disk before
the first file is moved, so that a move which is interrupted can be continued or taken back.
"""

import contextlib
import csv
import errno
import os
import pathlib
import shutil
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from barlow import lock, spreadsheets, vectors
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.neighbours.plans import check_made_of, read_plan
from barlow.paths import as_path, replacing
from barlow.progress import Track, silent
from barlow.text import printable
from barlow.vectors.facts import content_of_file

UNDO = "undo.csv"
"""The file that takes a move back."""

_COLUMNS = ("path", "from", "to", "content")
_SHOWN = 3


class _Move(NamedTuple):
    path: str
    """As the collection calls the image."""
    before: str
    after: str
    content: str


def move_copies(
    plan: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    collection: Embeddings | str | os.PathLike[str],
    other: Embeddings | str | os.PathLike[str] | None = None,
    *,
    images: Any = None,
    track: Track = silent,
) -> int:
    """Move the images that a plan does not keep. A move that was interrupted is continued.

    All is checked before the first file is moved: each file, and the one that is kept for it, must
    be there with the content that was embedded.

    Args:
        plan: File of :meth:`barlow.neighbours.Duplicates.write`, perhaps edited.
        folder: Where to move them; not inside the images.
        collection: The vectors of which the plan was made.
        other: The second ones, if it was made of two: then its images are moved.
        images: Where the images of ``collection`` are now. Defaults to ``None``: where they were.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        Number of images moved.

    Raises:
        FileExistsError: If a file is in the way, or another process moves to the folder.
        FileNotFoundError: If the plan or an image is not there.
        InvalidInput: If the plan is not valid, a file has changed, or an image is no file of its
            own.
        OSError: If a file cannot be moved. Those moved before are in the undo file.
    """
    kept, moved = read_plan(as_path(plan))
    folder = as_path(folder).absolute()
    first = vectors.as_embeddings(collection)
    second = first if other is None else vectors.as_embeddings(other)
    check_made_of(as_path(plan), 1 if other is None else 2)
    with lock.locked(folder, f"Images are being moved to {folder}"):
        undo = folder / UNDO
        known = _read_undo(undo) if undo.exists() else []
        _settle(known)
        contents = dict(zip(map(str, second.names), second.facts["content"], strict=True))
        gone = [move for move in known if not os.path.lexists(move.before)]
        done = {move.path for move in gone if contents.get(move.path) == move.content}
        keepers = _files(first, kept, images)
        rest = [path for path in moved if path not in done]
        files = _files(second, rest, images if other is None else None)
        _check(keepers, files, folder)
        moves = [
            _Move(path, os.fspath(file.absolute()), os.fspath(_place(folder, path)), content)
            for path, (file, content) in files.items()
        ]
        _check_free(moves)
        there = (move for move in known if move.path in done or os.path.lexists(move.after))
        _write_undo(undo, [*there, *moves])
        for move in track(moves, "Moving"):
            _move(move.before, move.after)
    return len(moves)


def move_back(folder: str | os.PathLike[str], *, track: Track = silent) -> int:
    """Take a move back, also one that was interrupted.

    Args:
        folder: Where images were moved to.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        Number of images moved back.

    Raises:
        FileExistsError: If something else is now where an image was.
        FileNotFoundError: If nothing was moved to the folder, or an image is not there any more:
            all others are moved back.
        OSError: If a file cannot be moved. The undo file stays, and the call can be repeated.
    """
    folder = as_path(folder).absolute()
    undo = folder / UNDO
    if not undo.is_file():
        raise FileNotFoundError(f"There is no {UNDO} in {folder}: no images were moved there.")
    with lock.locked(folder, f"Images are being moved to {folder}"):
        known = _read_undo(undo)
        _settle(known)
        moves = [move for move in known if os.path.lexists(move.after) and not _is_back(move)]
        places = (move.before for move in known if not os.path.lexists(move.after))
        lost = [place for place in places if not os.path.lexists(place)]
        taken = [move.before for move in moves if os.path.lexists(move.before)]
        away = [move.before for move in moves if not pathlib.Path(move.before).parent.is_dir()]
        if away:
            raise FileNotFoundError(
                f"{len(away)} images were in folders that are not there now, such as "
                f"{printable(away[0])}. Nothing was moved. Put the folder back, or make it, first."
            )
        if taken:
            raise FileExistsError(
                f"{len(taken)} images cannot be moved back, since something is where they were, "
                f"such as {printable(taken[0])}. Move that away first."
            )
        for move in track(moves, "Moving back"):
            _move(move.after, move.before)
            _remove_empty(pathlib.Path(move.after).parent, folder)
        if lost:
            raise FileNotFoundError(
                f"{len(lost)} images are neither in {folder} nor where they were, such as "
                f"{printable(lost[0])}. The {len(moves)} others were moved back. {undo} stays: "
                "delete it, if these are not wanted any more."
            )
        undo.unlink()
    _remove_empty(folder, folder.parent)
    return len(moves)


def _files(
    embeddings: Embeddings, names: Sequence[str], images: Any
) -> dict[str, tuple[pathlib.Path, str]]:
    """By name, the file of every image and the hash of its content when it was embedded."""
    places = {str(name): row for row, name in enumerate(embeddings.names)}
    unknown = [name for name in names if name not in places]
    if unknown:
        raise InvalidInput(
            f"{len(unknown)} images of the plan are not in the collection, such as "
            f"{printable(unknown[0])}. Give the vectors of which the plan was made."
        )
    rows = [places[name] for name in names]
    found = vectors.images_of(embeddings, rows, images).files if rows else []
    files = {}
    for name, row, file in zip(
        names, rows, [None] * len(rows) if found is None else found, strict=True
    ):
        path = pathlib.Path(file) if isinstance(file, str) else file
        if not isinstance(path, pathlib.Path):
            raise InvalidInput(
                f"{printable(name)} is no file of its own, so it cannot be moved. Take it out of "
                "the plan."
            )
        files[name] = (path, str(embeddings.facts["content"][row]))
    return files


def _check(
    keepers: dict[str, tuple[pathlib.Path, str]],
    files: dict[str, tuple[pathlib.Path, str]],
    folder: pathlib.Path,
) -> None:
    """Refuse to move anything, if one file is not what it was."""
    changed = [
        name
        for name, (path, content) in [*keepers.items(), *files.items()]
        if content_of_file(path) != content
    ]
    if changed:
        raise InvalidInput(
            f"{len(changed)} images have changed since they were embedded, such as "
            f"{', '.join(map(printable, changed[:_SHOWN]))}. Nothing was moved. Embed the images "
            "again and make a new plan."
        )
    kept = {path.resolve() for path, _ in keepers.values()}
    for name, (path, _) in files.items():
        if path.resolve() in kept:
            raise InvalidInput(
                f"{printable(name)} is the very file that is kept for it, under another name. "
                "Nothing was moved. Take it out of the plan."
            )
        if folder.resolve() in path.resolve().parents:
            raise InvalidInput(
                f"{printable(name)} lies in {folder} already. Choose another folder."
            )


def _check_free(moves: Sequence[_Move]) -> None:
    places = [move.after for move in moves]
    taken = [place for place in places if os.path.lexists(place)]
    if taken or len(set(places)) < len(places):
        twice = next((place for place, count in Counter(places).items() if count > 1), "")
        raise FileExistsError(
            f"Something is where an image would be moved to: {printable((*taken, twice)[0])}. "
            "Nothing was moved. Choose an empty folder."
        )


def _place(folder: pathlib.Path, path: str) -> pathlib.Path:
    """Where an image of this name goes, inside the folder whatever it is called."""
    parts = [part for part in pathlib.PurePath(path).parts if part not in ("..", ".")]
    return folder.joinpath(*(part.replace(":", "").strip("/\\") or "_" for part in parts))


def _move(before: str, after: str) -> None:
    """Move a file; it is whole in one of the two places at any moment."""
    pathlib.Path(after).parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(after):  # a disk may take two names for one
        raise FileExistsError(
            f"{printable(before)} cannot be moved to {printable(after)}: something is there. It "
            "stays where it is; those before it were moved."
        )
    try:
        os.rename(before, after)  # noqa: PTH104 - names of any bytes
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with replacing(pathlib.Path(after)) as temporary:  # on another disk
            shutil.copyfile(before, temporary)
        shutil.copystat(before, after)  # only now: a file that may not be written is copied, too
        os.unlink(before)  # noqa: PTH108


def _settle(moves: Sequence[_Move]) -> None:
    """Delete the copies of files that were cut off between copying and deleting the original."""
    for move in moves:
        before, after = pathlib.Path(move.before), pathlib.Path(move.after)
        if not after.is_file() or not _is_back(move) or before.samefile(after):
            continue  # the last where the folder itself was moved to where the images were
        if content_of_file(after) == move.content:
            after.unlink()


def _is_back(move: _Move) -> bool:
    """Whether the file itself, no link to it, is where it was."""
    before = pathlib.Path(move.before)
    return before.is_file() and not before.is_symlink() and content_of_file(before) == move.content


def _remove_empty(folder: pathlib.Path, until: pathlib.Path) -> None:
    with contextlib.suppress(OSError):  # something is in it
        while folder != until:
            folder.rmdir()
            folder = folder.parent


def _write_undo(path: pathlib.Path, moves: Sequence[_Move]) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerows([_COLUMNS, *moves])


def _read_undo(path: pathlib.Path) -> list[_Move]:
    delimiter = spreadsheets.delimiter_of(path)  # a spreadsheet may have written it again
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    if rows[:1] != [[*_COLUMNS]] or any(len(row) != len(_COLUMNS) for row in rows):
        raise InvalidInput(
            f"{path} is not as barlow wrote it, with {', '.join(_COLUMNS)} in every line. It says "
            "where images are and were: correct it, or move by hand."
        )
    moves = [_Move(*row) for row in rows[1:]]
    # The folder may have been moved, with what was moved to it.
    return [move._replace(after=os.fspath(_place(path.parent, move.path))) for move in moves]
