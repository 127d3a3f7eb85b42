"""Vectors as a NumPy file, with their names beside it."""

import json
import os
import pathlib

import numpy as np

from barlow import runs
from barlow.errors import extra
from barlow.paths import as_path, replacing
from barlow.vectors import table

with extra("data", "A file of vectors"):
    import pyarrow.parquet as pq


def write_npy(path: str | os.PathLike[str]) -> tuple[pathlib.Path, pathlib.Path]:
    """Write the vectors of a file as ``.npy``, and their names as a JSON list, beside it.

    Memory does not grow with the number of vectors.

    Args:
        path: File of vectors, such as ``photos.parquet``.

    Returns:
        Paths of ``photos.npy``, float32, ``[images, features]``; and of ``photos.names.json``.

    Raises:
        FileExistsError: If there is another array of the name, such as the images.
        FileNotFoundError: If there is no file.
        InvalidInput: If it is not one of vectors.
        OSError: If it cannot be written.

    Example:
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "digits.parquet"
        >>> encoder = barlow.models.encoder("conv", (8, 8, 1))
        >>> written = barlow.vectors.write(encoder, barlow.data.digits()[:9], path)
        >>> values, names = barlow.vectors.write_npy(path)
        >>> np.load(values).shape, names.name
        ((9, 128), 'digits.names.json')
    """
    path = as_path(path)
    table.read_made_by(path)
    check_npy(path)
    rows = pq.read_metadata(path).num_rows
    features = pq.read_schema(path).field("vector").type.list_size
    values, names = _places(path)
    with replacing(values) as temporary:
        written = np.lib.format.open_memmap(temporary, "w+", "float32", (rows, features))
        start = 0
        for group in table.groups(path):
            written[start : start + len(group)] = table.vectors_of(group)
            start += len(group)
        written.flush()
        del written
    with replacing(names) as temporary:
        found = pq.read_table(path, columns=["path"])["path"].to_pylist()
        temporary.write_text(runs.as_json(found), encoding="utf-8")
    return values, names


def check_npy(path: str | os.PathLike[str]) -> None:
    """Refuse to write what is no array of vectors over; to be asked before computing.

    Args:
        path: File of vectors, which need not be there yet.

    Raises:
        FileExistsError: If there is another array, such as the images.
    """
    values, names = _places(as_path(path))
    there = [each for each in (values, names) if each.exists()]
    if not there:
        return
    try:
        array = np.load(values, mmap_mode="r", allow_pickle=False)
        written = json.loads(names.read_text("utf-8"))
        own = array.ndim == 2 and array.dtype == np.float32 and len(written) == len(array)
        own = own and isinstance(written, list) and all(isinstance(name, str) for name in written)
    except (OSError, ValueError, TypeError):  # no array, or a part of one, or no names beside it
        own = False
    if not own:
        raise FileExistsError(
            f"{there[0]} is there, and is no array of vectors with their names: it would be lost. "
            "Choose another name for the file of vectors (--out), or delete it."
        )


def _places(path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Of the values, and of the names."""
    return path.with_suffix(".npy"), path.with_suffix(".names.json")
