"""Image files of any source: a folder, a pattern, a list, a manifest, an archive, a dataset."""

import fnmatch
import glob
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from barlow.data.decoding import FORMATS, is_image_name
from barlow.data.folder import list_folder, walk
from barlow.data.huggingface import is_dataset, is_saved_dataset, list_dataset, list_saved_dataset
from barlow.data.listing import Entry, Listing, Skipped
from barlow.data.manifest import list_manifest
from barlow.data.shards import SHARD, list_shards
from barlow.errors import InvalidInput
from barlow.progress import Track, silent

_ANY_DEPTH = "**"


def list_files(source: Any, track: Track = silent) -> Listing:
    """Image files of a source, none of them opened yet.

    Raises:
        FileNotFoundError: If there is nothing at a path, or no file matches a pattern.
        InvalidInput: If there are no images in it, or it cannot be read.
        MissingPackage: If a package is needed that is not installed.
        TypeError: If it is not a source.
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
    if _is_shard(path):
        return list_shards([path], track, name=lambda member: member.name)
    return list_manifest(path)


def list_paths(paths: Sequence[Any], track: Track = silent) -> Listing:
    """Image files of a list, named by their paths as given, or the members of listed archives.

    Raises:
        InvalidInput: If the list is empty, or has both images and archives.
        TypeError: If an item of the list is not a path.
    """
    if not paths:
        raise InvalidInput("The list of paths is empty.")
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"A list must hold paths. Received: {path!r} in it.")
    entries = [Entry(os.fspath(path), pathlib.Path(path)) for path in paths]
    shards = [path for path in map(pathlib.Path, paths) if _is_shard(path)]
    if len(shards) == len(paths):
        return list_shards(shards, track)
    if shards:
        raise InvalidInput(
            f"A list must hold either image files or {SHARD} archives, not both. "
            f"Received: {len(paths)} paths, {len(shards)} of them archives, such as {shards[0]}."
        )
    return Listing(entries)


def list_pattern(pattern: pathlib.Path, track: Track = silent) -> Listing:
    """Image files that match a pattern, sorted by path, or the members of such archives.

    Raises:
        FileNotFoundError: If no file matches.
        InvalidInput: If both images and archives match.
    """
    skipped: Skipped = []
    paths = sorted(_expand(pattern, skipped))
    if paths:
        listing = list_paths(paths, track)
        return listing._replace(skipped=[*skipped, *listing.skipped])
    if skipped:
        return Listing([], skipped=skipped)
    raise FileNotFoundError(
        f"No image file matches the pattern {pattern}. Known: {', '.join(FORMATS)}, {SHARD}; "
        f"{_ANY_DEPTH} matches folders at any depth."
    )


def _expand(pattern: pathlib.Path, skipped: Skipped) -> set[pathlib.Path]:
    """Files that match a pattern. ``**`` walks folders as :func:`list_folder` does."""
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
        if _matches(path.relative_to(folder).parts, parts[depth:])
    }


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the parts of a path match those of a pattern."""
    if not pattern:
        return not parts
    first, rest = pattern[0], pattern[1:]
    if first == _ANY_DEPTH:
        return any(_matches(parts[i:], rest) for i in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatch(parts[0], first) and _matches(parts[1:], rest)


def _is_wanted(name: str) -> bool:
    return is_image_name(name) or _is_shard(pathlib.Path(name))


def _is_shard(path: pathlib.Path) -> bool:
    return path.suffix.lower() == SHARD
