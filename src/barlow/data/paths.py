"""Image files of whatever holds or names them: a folder, a pattern, a list, an archive."""

import fnmatch
import glob
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from barlow.data.decoding import FORMATS
from barlow.data.folder import Skipped, is_image_name, list_folder, walk
from barlow.data.huggingface import is_dataset, is_saved_dataset, list_dataset, list_saved_dataset
from barlow.data.listing import Listing
from barlow.data.manifest import list_manifest
from barlow.data.shards import SHARD, list_shards
from barlow.errors import InvalidInput
from barlow.progress import Track, silent

_ANY_DEPTH = "**"


def list_files(source: Any, track: Track = silent) -> Listing:
    """Image files of a source, none of them opened yet.

    Raises:
        FileNotFoundError: If there is nothing at a path, or nothing that fits a pattern.
        ModuleNotFoundError: If a library is needed that is not installed.
        TypeError: If it is no source.
        ValueError: If there are no images in it, or it cannot be read.
    """
    if is_dataset(source):
        return list_dataset(source)
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return list_paths(source, track)
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            "Images are loaded from a path, a pattern, a list of paths or a datasets.Dataset. "
            f"Received: {type(source).__name__}."
        )
    path = pathlib.Path(source)
    if not path.exists():
        if glob.has_magic(str(path)):
            return list_pattern(path, track)
        raise FileNotFoundError(f"There is nothing at {path}.")
    if path.is_dir():
        return list_saved_dataset(path) if is_saved_dataset(path) else list_folder(path)
    return list_shards([path], track) if _is_shard(path) else list_manifest(path)


def list_paths(paths: Sequence[Any], track: Track = silent) -> Listing:
    """Image files as they are listed, or what is in the archives that are.

    Raises:
        TypeError: If something in the list is no path.
        ValueError: If the list is empty, or has both images and archives.
    """
    if not paths:
        raise InvalidInput("The list of paths is empty.")
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"A list must hold paths. Received: {path!r} in it.")
    paths = [pathlib.Path(path) for path in paths]
    shards = [path for path in paths if _is_shard(path)]
    if len(shards) == len(paths):
        return list_shards(shards, track)
    if shards:
        raise InvalidInput(
            f"A list may have image files or {SHARD} archives, not both. "
            f"Received: {len(paths)} paths, {len(shards)} of them archives, such as {shards[0]}."
        )
    return Listing(paths)


def list_pattern(pattern: pathlib.Path, track: Track = silent) -> Listing:
    """Image files, or what is in the archives, that fit a pattern, in the order of their names.

    Raises:
        FileNotFoundError: If nothing fits.
        ValueError: If both images and archives fit.
    """
    skipped: Skipped = []
    paths = sorted(_expand(pattern, skipped))
    if paths:
        listing = list_paths(paths, track)
        return listing._replace(skipped=[*skipped, *listing.skipped])
    if skipped:
        return Listing([], skipped=skipped)
    raise FileNotFoundError(
        f"No image file fits the pattern {pattern}. Known: {', '.join(FORMATS)}, {SHARD}; "
        f"{_ANY_DEPTH} stands for folders of any depth."
    )


def _expand(pattern: pathlib.Path, skipped: Skipped) -> set[pathlib.Path]:
    """Files that fit a pattern. Folders of any depth are walked as those of a source are."""
    parts = pattern.parts
    if _ANY_DEPTH not in parts:
        found = (pathlib.Path(name) for name in glob.glob(str(pattern)))  # noqa: PTH207 - no hidden
        return {
            path
            for path in found
            if _is_wanted(path.name) and (path.is_symlink() or path.is_file()) and not path.is_dir()
        }
    depth = parts.index(_ANY_DEPTH)
    folders = glob.glob(str(pathlib.Path(*parts[:depth], "")))  # noqa: PTH207
    return {
        path
        for folder in map(pathlib.Path, folders)
        for path in walk(folder, skipped, _is_wanted)
        if _fits(path.relative_to(folder).parts, parts[depth:])
    }


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the parts of a path fit those of a pattern."""
    if not pattern:
        return not parts
    first, rest = pattern[0], pattern[1:]
    if first == _ANY_DEPTH:
        return any(_fits(parts[i:], rest) for i in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatch(parts[0], first) and _fits(parts[1:], rest)


def _is_wanted(name: str) -> bool:
    return is_image_name(name) or _is_shard(pathlib.Path(name))


def _is_shard(path: pathlib.Path) -> bool:
    return path.suffix.lower() == SHARD
