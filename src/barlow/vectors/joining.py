"""`join`: the files of all shards put together."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from barlow.errors import InvalidInput, extra
from barlow.paths import as_path
from barlow.vectors import table
from barlow.vectors.known import SAME, WHAT
from barlow.vectors.writing import locked

with extra("data", "A file of vectors"):
    import pyarrow.parquet as pq


def join(parts: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str]) -> int:
    """Put the files of all shards together, in the order of the source.

    Args:
        parts: The files of ``write(..., shard=(k, n))`` for every k, in any order.
        path: The file to write.

    Returns:
        Number of its rows.

    Raises:
        FileExistsError: If another process writes the file.
        InvalidInput: If a shard is missing or there twice, or they are not of one encoder and one
            source; or if the file to write is there, and is a shard or no file of these vectors.

    Example:
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> encoder, digits = barlow.models.encoder("conv", (8, 8, 1)), barlow.data.digits()
        >>> files = [folder / f"{k}.parquet" for k in (1, 2)]
        >>> for k, file in enumerate(files, 1):
        ...     rows = barlow.vectors.write(encoder, digits[:9], file, shard=(k, 2)).rows
        >>> barlow.vectors.join(files, folder / "digits.parquet")
        9
    """
    path, files = table.check_path(as_path(path)), [as_path(part) for part in parts]
    made = [table.read_made_by(file) for file in files]
    order = _shards_in_order(files, made)
    with locked(path):
        _check_free(path, files, made[0])
        return _write(path, files, made, order)


def _write(
    path: pathlib.Path,
    files: Sequence[pathlib.Path],
    made: Sequence[dict[str, Any]],
    order: Sequence[int],
) -> int:
    """Write the file, and return its rows."""
    skipped = [tuple(pair) for place in order for pair in made[place]["skipped"]]
    made_by = {**made[order[0]], "shard": None, "skipped": [*dict.fromkeys(skipped)]}
    groups = (group for place in order for group in table.groups(files[place]))
    table.write_tables(path, groups, made_by)
    return pq.read_metadata(path).num_rows


def _check_free(path: pathlib.Path, files: Sequence[pathlib.Path], made: dict[str, Any]) -> None:
    """Refuse to replace a part, or what is no file of the same vectors.

    Raises:
        InvalidInput: If it is one of these.
    """
    if not path.exists():
        return
    if any(path.samefile(file) for file in files):
        raise InvalidInput(f"{path} is one of the shards. Choose another file to join them in.")
    before = table.read_made_by(path)
    for name in SAME:
        if before.get(name) != made[name]:
            raise InvalidInput(
                f"{path} is there and differs in {WHAT[name]}. Choose another file, or delete it."
            )


def _shards_in_order(files: Sequence[pathlib.Path], made: Sequence[dict[str, Any]]) -> list[int]:
    """Places of the files in the order of the source."""
    if not files:
        raise InvalidInput("There are no files to join. Give the file of every shard.")
    for file, made_by in zip(files, made, strict=True):
        if made_by["shard"] is None:
            raise InvalidInput(f"{file} is no shard: it was written without --shard (`shard`).")
        for name in (*SAME, "rows", "names"):
            if made_by[name] != made[0][name]:
                raise InvalidInput(
                    f"{file} and {files[0]} differ in {WHAT[name]}. Shards of one file come from "
                    "the same encoder and the same source. Embed them again."
                )
    of = made[0]["shard"][1]
    numbers = [tuple(made_by["shard"]) for made_by in made]
    wanted = [(k, of) for k in range(1, of + 1)]
    if sorted(numbers) != wanted:
        missing = [f"{k}/{of}" for k, of in wanted if (k, of) not in numbers]
        raise InvalidInput(
            f"There must be one file of each of the {of} shards. Missing: "
            f"{', '.join(missing) or 'none'}. Received: "
            f"{', '.join(f'{k}/{n}' for k, n in sorted(numbers))}."
        )
    return [numbers.index(each) for each in wanted]
