"""The image files of a folder, with its subfolders as labels."""

import collections
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

from barlow import own
from barlow.data.formats import FORMATS, HIDDEN, OWN, is_image_name, kind_of, passed_over
from barlow.data.listing import Entry, Listing, Skipped
from barlow.errors import InvalidInput, did_you_mean
from barlow.text import printable

PARTS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval")
"""Names of subfolders that are parts of a split, in any case, rather than classes."""


def list_folder(folder: pathlib.Path, split: str | None = None) -> Listing:
    """Image files below a folder in a fixed order, named by their paths from it on.

    The label of an image is the first subfolder of its path, if all images lie in subfolders and
    there are at least two. If these are the parts of a split, it is the second. Links are followed,
    except those to a folder around them. Hidden files and folders are left out, and what barlow has
    written.

    Args:
        folder: An existing folder.
        split: The only subfolder to take, its images named as ever. Defaults to ``None``, all.

    Raises:
        InvalidInput: If there are no image files, or no such subfolder.
    """
    skipped: Skipped = []
    passed: collections.Counter[str] = collections.Counter()
    start = folder if split is None else _part(folder, split)
    paths = list(walk(start, skipped, is_image_name, passed))
    if not paths and not skipped:
        raise InvalidInput(
            f"There are no image files in {printable(folder)} or below it. "
            + " ".join([*passed_over(passed), f"Known: {', '.join(FORMATS)}."])
        )
    within = [path.relative_to(folder) for path in paths]
    labels, notes = _labels(within, split)
    entries = [
        Entry(name.as_posix(), path, label)
        for name, path, label in zip(within, paths, labels, strict=True)
    ]
    return Listing(entries, skipped, notes, passed)


def walk(
    folder: pathlib.Path,
    skipped: Skipped,
    wanted: Callable[[str], bool],
    passed: collections.Counter[str],
    above: tuple[tuple[int, int], ...] = (),
) -> Iterator[pathlib.Path]:
    """Files below a folder whose names are wanted, in the order of their names.

    A folder that cannot be read is added to ``skipped``, all other files are counted by kind in
    ``passed``. ``above`` identifies the folders around this one.
    """
    try:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        skipped.append((printable(folder), error.strerror or str(error)))
        return
    names = {entry.name for entry in entries}
    is_run = own.CONFIG in names and own.is_run(folder)
    for entry in entries:
        path = folder / entry.name
        is_folder = os.path.isdir(path)  # noqa: PTH112 - False, not an error, for circular links
        if is_run and entry.name in (own.PICTURE, own.TENSORBOARD, own.CHECKPOINTS):
            passed[OWN] += _count(path)
        elif entry.name == own.SPRITE and own.VECTORS in names:
            passed[OWN] += 1
        elif entry.name.startswith("."):
            passed[HIDDEN if is_folder else kind_of(entry.name)] += _count(path)
        elif is_folder:
            yield from walk(path, skipped, wanted, passed, (*above, identity))
        # A broken link is a bad image; a pipe or a device is not an image at all.
        elif wanted(entry.name) and (entry.is_symlink() or entry.is_file()):
            yield path
        else:
            passed[OWN if is_run else kind_of(entry.name)] += 1


def _part(folder: pathlib.Path, split: str) -> pathlib.Path:
    """The subfolder of a part of a split."""
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if split not in found:
        raise InvalidInput(
            f"There is no subfolder {split!r} in {printable(folder)}. There are: "
            f"{', '.join(map(printable, found)) or 'none'}.{did_you_mean(split, found)}"
        )
    return folder / split


def _labels(
    within: Sequence[pathlib.Path], split: str | None
) -> tuple[Sequence[str | None], list[str]]:
    """Label of every image, by its path in the folder, and sentences on them."""
    tops = {path.parts[0]: None for path in within if len(path.parts) > 1}
    nested = all(len(path.parts) > 1 for path in within)
    if split is not None or (tops and nested and all(top.lower() in PARTS for top in tops)):
        second = [path.parts[1] if len(path.parts) > 2 else None for path in within]
        if split is not None:
            return second, []
        names = ", ".join(map(printable, tops))
        return second, [
            f"The subfolders {names} are parts of a split, not classes: all their images are "
            f"taken. Choose one with split={next(iter(tops))!r} (--split)."
        ]
    if len(tops) == 1 and nested:
        return [None] * len(within), [
            f"All images lie in one subfolder, {printable(next(iter(tops)))}: it is no label."
        ]
    return [path.parts[0] if len(path.parts) > 1 else None for path in within], []


def _count(path: pathlib.Path) -> int:
    """Number of files at a path: 1, or those of a folder."""
    if not path.is_dir() or path.is_symlink():
        return 1
    return sum(len(files) for _, _, files in os.walk(path))
