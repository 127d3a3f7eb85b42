"""The image files of a folder, and the labels that its subfolders are."""

import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from barlow.data.decoding import FORMATS
from barlow.data.listing import Listing
from barlow.errors import InvalidInput

Skipped = list[tuple[str, str]]


def list_folder(folder: pathlib.Path) -> Listing:
    """Image files below a folder in a fixed order, their labels, and what cannot be looked into.

    Links are followed, but not back to a folder that they lie in. What is hidden is left out.

    Raises:
        ValueError: If there are no image files.
    """
    skipped: Skipped = []
    paths = list(walk(folder, skipped, is_image_name))
    if not paths and not skipped:
        raise InvalidInput(
            f"There are no image files in {folder} or below it. Known: {', '.join(FORMATS)}."
        )
    return Listing(paths, class_labels(folder, paths), skipped)


def is_image_name(name: str) -> bool:
    """Whether a file by its name is a photo."""
    extension = os.path.splitext(name)[1].lower()  # noqa: PTH122 - also in archives and on links
    return Image.registered_extensions().get(extension) in FORMATS


def class_labels(folder: pathlib.Path, paths: Sequence[pathlib.Path]) -> np.ndarray | None:
    """The first subfolder of every path, if all lie in one and there are at least two."""
    parts = [path.relative_to(folder).parts for path in paths]
    names = {part[0] for part in parts}
    if len(names) < 2 or any(len(part) == 1 for part in parts):
        return None
    return np.array([part[0] for part in parts])


def walk(
    folder: pathlib.Path,
    skipped: Skipped,
    wanted: Callable[[str], bool],
    above: tuple[tuple[int, int], ...] = (),
) -> Iterator[pathlib.Path]:
    """Files below a folder of which the name is wanted, in the order of their names.

    What cannot be looked into is added to ``skipped``. ``above`` is what the folder lies in.
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
        # A link that leads nowhere is a bad image; a pipe or a device is none.
        elif wanted(entry.name) and (entry.is_symlink() or entry.is_file()):
            yield path
