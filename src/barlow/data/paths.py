"""Image files of any source: a folder, a pattern, a list, a manifest, an archive, a dataset."""

import collections
import fnmatch
import glob
import itertools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from barlow.data.folder import list_folder, walk
from barlow.data.formats import FORMATS, is_image_name, kind_of, not_read
from barlow.data.huggingface import (
    PARQUET,
    is_dataset,
    is_parquet_of_images,
    is_saved_dataset,
    list_dataset,
    list_parquet,
    list_saved_dataset,
)
from barlow.data.listing import Entry, Listing, Skipped
from barlow.data.manifest import MANIFESTS, list_manifest
from barlow.data.shards import SHARD, list_shards
from barlow.errors import InvalidInput, extra
from barlow.paths import as_path
from barlow.progress import Track, silent
from barlow.text import printable

_ANY_DEPTH = "**"
_FIRST = 256  # bytes that tell what a file is
_MOST_PATTERNS = 1_000_000  # from braces


def list_files(source: Any, track: Track = silent, split: str | None = None) -> Listing:
    """Image files of a source, none of them opened yet.

    Raises:
        FileNotFoundError: If there is nothing at a path, or no file matches a pattern.
        InvalidInput: If there are no images in it, it cannot be read, or it is no folder and a
            split is asked for.
        MissingPackage: If a package is needed that is not installed.
        TypeError: If it is not a source.
    """
    is_path = isinstance(source, str | os.PathLike)
    if split is not None and not (is_path and as_path(source).is_dir()):
        raise InvalidInput(
            "Only a folder of image files has splits, its subfolders. Received: "
            f"split={split!r} for {printable(source)}."
        )
    if is_path:
        return _list_path(as_path(source), track, split)
    if is_dataset(source):
        return list_dataset(source)
    if isinstance(source, Sequence) and not isinstance(source, bytes):
        return list_paths(source, track)
    raise TypeError(
        "Images are loaded from a path, a pattern, a list of paths or a datasets.Dataset. "
        f"Received: {type(source).__name__}."
    )


def _list_path(path: pathlib.Path, track: Track, split: str | None) -> Listing:
    """Image files of a path or a pattern."""
    if path.is_dir():
        is_saved = split is None and is_saved_dataset(path)
        return list_saved_dataset(path) if is_saved else list_folder(path, split)
    if not path.exists():
        return _list_patterns(path, track)
    if not path.is_file():
        raise InvalidInput(f"{printable(path)} is a pipe or a device, which is read only once.")
    if _is_shard(path):
        return list_shards([path], track, name=lambda member: member.name)
    if is_parquet_of_images(path):
        return list_parquet([path])
    if path.suffix.lower() in MANIFESTS:
        return list_manifest(path)
    if is_image_name(path.name):
        return list_paths([path], track)
    with path.open("rb") as file:
        what = not_read(file.read(_FIRST), "what is read")
    raise InvalidInput(
        f"{printable(path)} is not an IDX file: {what}. Known: a folder or a pattern of image "
        f"files, lists of them ({', '.join(MANIFESTS)}), {SHARD} archives, .npy, .npz, IDX."
    )


def list_paths(paths: Sequence[Any], track: Track = silent) -> Listing:
    """Image files of a list, named by their paths as given, or the members of listed archives.

    A folder stands for the images below it.

    Raises:
        InvalidInput: If the list is empty, or has both images and archives.
        TypeError: If an item of the list is not a path.
    """
    if not paths:
        raise InvalidInput("The list of paths is empty.")
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"A list must hold paths. Received: {path!r} in it.")
    if all(map(is_parquet_of_images, map(as_path, paths))):
        return list_parquet([*map(as_path, paths)])
    shards = [path for path in map(as_path, paths) if _is_shard(path)]
    if len(shards) == len(paths):
        return list_shards(shards, track)
    if shards:
        raise InvalidInput(
            f"A list must hold either image files or {SHARD} archives, not both. "
            f"Received: {len(paths)} paths, {len(shards)} of them archives, such as {shards[0]}."
        )
    entries: list[Entry] = []
    skipped: Skipped = []
    passed: collections.Counter[str] = collections.Counter()
    for given in paths:
        path = as_path(given)
        if path.is_dir():
            found = walk(path, skipped, is_image_name, passed)
            entries += [Entry(str(below), below) for below in found]
        else:
            entries.append(Entry(os.fsdecode(given), path))
    return Listing(entries, skipped, passed_over=passed)


def _list_patterns(path: pathlib.Path, track: Track) -> Listing:
    """Files of a pattern, which may have braces: ``train-{000000..000009}.tar``.

    Raises:
        FileNotFoundError: If no file matches.
    """
    patterns = [str(path)]
    if "{" in str(path):
        with extra("cli", "Reading a pattern with braces"):
            import bracex  # noqa: PLC0415 - optional
        patterns = bracex.expand(str(path), limit=_MOST_PATTERNS)
    if len(patterns) == 1 and not glob.has_magic(str(path)):
        raise FileNotFoundError(f"There is nothing at {printable(path)}.")
    if all(pattern.endswith(PARQUET) for pattern in patterns):
        found = sorted(itertools.chain(*map(glob.glob, patterns)))
        if found:
            return list_parquet([pathlib.Path(name) for name in found])
    if any(map(glob.has_magic, patterns)):
        return list_pattern([pathlib.Path(pattern) for pattern in patterns], track)
    return list_paths(patterns, track)


def list_pattern(patterns: Sequence[pathlib.Path], track: Track = silent) -> Listing:
    """Image files that match a pattern, sorted by path, or the members of such archives.

    Raises:
        FileNotFoundError: If no file matches.
        InvalidInput: If both images and archives match.
    """
    skipped: Skipped = []
    passed: collections.Counter[str] = collections.Counter()
    paths = sorted(set().union(*(_expand(pattern, skipped, passed) for pattern in patterns)))
    if paths:
        listing = list_paths(paths, track)
        passed += listing.passed_over
        return listing._replace(skipped=[*skipped, *listing.skipped], passed_over=passed)
    if skipped:
        return Listing([], skipped=skipped)
    raise FileNotFoundError(
        f"No image file matches the pattern {', '.join(map(printable, patterns))}. Known: "
        f"{', '.join(FORMATS)}, {SHARD}; {_ANY_DEPTH} matches folders at any depth."
    )


def _expand(
    pattern: pathlib.Path, skipped: Skipped, passed: collections.Counter[str]
) -> set[pathlib.Path]:
    """Files that match a pattern. ``**`` walks folders as :func:`list_folder` does."""
    parts = pattern.parts
    if _ANY_DEPTH not in parts:
        found = [pathlib.Path(name) for name in glob.glob(str(pattern))]  # noqa: PTH207 - no hidden
        files = [path for path in found if (path.is_symlink() or path.is_file())]
        wanted = {path for path in files if _is_wanted(path.name) and not path.is_dir()}
        passed.update(kind_of(path.name) for path in files if path not in wanted)
        return wanted
    depth = parts.index(_ANY_DEPTH)
    folders = glob.glob(str(pathlib.Path(*parts[:depth], "")))  # noqa: PTH207
    return {
        path
        for folder in map(pathlib.Path, folders)
        for path in walk(folder, skipped, _is_wanted, passed)
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
