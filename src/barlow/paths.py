"""Paths as people write them, and files that are written whole or not at all."""

import contextlib
import itertools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator


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


@contextlib.contextmanager
def replacing(path: pathlib.Path, *, alone: bool = True) -> Iterator[pathlib.Path]:
    """A path in the same folder to write to; at the end it replaces ``path``.

    Args:
        path: The file; of a link, the one that it leads to. Its mode stays.
        alone: Whether no other process writes it now, so that what one that was killed has left
            behind is written over. Defaults to True.

    Raises:
        OSError: If it cannot be written; it names the file.
    """
    path = path.resolve() if path.is_symlink() else path
    process = "" if alone else f".{os.getpid()}"
    temporary = path.with_name(f".{path.stem}{process}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())  # else a power cut may leave an empty file of the new name
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # such as a full disk
    finally:
        temporary.unlink(missing_ok=True)


def free_path(
    path: pathlib.Path, may_replace: Callable[[pathlib.Path], bool] = lambda path: False
) -> pathlib.Path:
    """The path, or if it is taken the first free one of ``name-2``, ``name-3``, ...

    Args:
        path: The file.
        may_replace: Says of a file that is there whether it counts as free. Defaults to never.
    """
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    paths = itertools.chain([path], names)
    return next(free for free in paths if not free.exists() or may_replace(free))
