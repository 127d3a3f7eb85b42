"""Paths as people write them."""

import os
import pathlib


def as_path(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> pathlib.Path:
    """A path in which ``~`` is the home folder, as in a shell.

    Args:
        path: Text, bytes of a name that is not UTF-8, or an object of ``pathlib``.

    Example:
        >>> from barlow.paths import as_path
        >>> as_path("~/photos") == pathlib.Path.home() / "photos"
        True
    """
    return pathlib.Path(os.path.expanduser(os.fsdecode(path)))  # noqa: PTH111 - ~nobody stays
