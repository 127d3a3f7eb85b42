"""The image files of a folder, with its subfolders as labels."""

import os
import pathlib
from collections.abc import Callable, Iterator

from barlow.data.decoding import FORMATS, is_image_name
from barlow.data.listing import Entry, Listing, Skipped
from barlow.errors import InvalidInput


def list_folder(folder: pathlib.Path) -> Listing:
    """Image files below a folder in a fixed order, named by their paths from it on.

    The label of an image is the first subfolder of its path, if all images lie in subfolders and
    there are at least two. Links are followed, except those to a folder around them. Hidden files
    and folders are left out.

    Raises:
        InvalidInput: If there are no image files.
    """
    skipped: Skipped = []
    paths = list(walk(folder, skipped, is_image_name))
    if not paths and not skipped:
        raise InvalidInput(
            f"There are no image files in {folder} or below it. Known: {', '.join(FORMATS)}."
        )
    within = [path.relative_to(folder) for path in paths]
    subfolders = {path.parts[0] for path in within}
    labelled = len(subfolders) > 1 and all(len(path.parts) > 1 for path in within)
    return Listing(
        [
            Entry(name.as_posix(), path, name.parts[0] if labelled else None)
            for name, path in zip(within, paths, strict=True)
        ],
        skipped,
    )


def walk(
    folder: pathlib.Path,
    skipped: Skipped,
    wanted: Callable[[str], bool],
    above: tuple[tuple[int, int], ...] = (),
) -> Iterator[pathlib.Path]:
    """Files below a folder whose names are wanted, in the order of their names.

    A folder that cannot be read is added to ``skipped``. ``above`` identifies the folders around
    this one.
    """
    try:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        skipped.append((str(folder), error.strerror or str(error)))
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if os.path.isdir(path):  # noqa: PTH112 - False, not an error, for links in a circle
            yield from walk(path, skipped, wanted, (*above, identity))
        # A broken link is a bad image; a pipe or a device is not an image at all.
        elif wanted(entry.name) and (entry.is_symlink() or entry.is_file()):
            yield path
