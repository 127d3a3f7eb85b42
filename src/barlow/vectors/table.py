r"""The file of vectors: one row an image, with its name, what its file is, and what made it.

Parquet with the columns

    path        string, the name of the image; bytes that are not UTF-8 as ``\udc..``
    vector      fixed_size_list<float32>[features]
    label       int64 or string, where the images have labels
    width, height, bytes, content, modified, format, exif, brightness, contrast
                see :mod:`barlow.vectors.facts`

and, under the key ``barlow`` of its schema, what made the vectors as JSON.
"""

import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import runs
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput, extra
from barlow.paths import as_path, replacing

with extra("data", "A file of vectors"):
    import pyarrow as pa
    import pyarrow.parquet as pq

SUFFIX = ".parquet"
FACTS = {
    "width": pa.int32(),
    "height": pa.int32(),
    "bytes": pa.int64(),
    "content": pa.string(),
    "modified": pa.timestamp("us", "UTC"),
    "format": pa.string(),
    "exif": pa.bool_(),
    "brightness": pa.float32(),
    "contrast": pa.float32(),
}
"""The columns beside path, vector and label."""

_KEY = b"barlow"


def as_table(embeddings: Embeddings) -> pa.Table:
    """Rows of a file, of embeddings with all facts."""
    vectors = np.ascontiguousarray(embeddings.vectors, "float32")
    features = vectors.shape[1]
    columns: dict[str, Any] = {
        "path": pa.array([as_text(name) for name in embeddings.names], pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), features),
    }
    if embeddings.labels is not None:
        columns["label"] = labels_of(embeddings.labels)
    for name, kind in FACTS.items():
        columns[name] = pa.array(embeddings.facts[name], kind, from_pandas=True)
    return pa.table(columns)


def write_tables(
    path: pathlib.Path,
    tables: Iterable[pa.Table],
    made_by: Mapping[str, Any],
    *,
    compress: bool = True,
) -> None:
    """Write a file whole or not at all, one table at a time in memory.

    Args:
        path: The file.
        tables: Its rows.
        made_by: What made the vectors.
        compress: Whether to make it small. Defaults to True; a part is soon read again.

    Raises:
        OSError: If it cannot be written; a file that was there stays.
    """
    with replacing(path) as temporary:
        writer = None
        for table in tables:
            table = table.replace_schema_metadata({_KEY: runs.as_json(dict(made_by))})  # noqa: PLW2901
            if writer is None:
                writer = pq.ParquetWriter(
                    temporary,
                    table.schema,
                    compression="zstd" if compress else "none",
                    use_dictionary=["label"] if "label" in table.column_names else False,
                    use_byte_stream_split=["vector.list.element"] if compress else False,
                )
            writer.write_table(table, row_group_size=max(1, len(table)))
        if writer is not None:
            writer.close()


def read(path: "str | os.PathLike[str]") -> Embeddings:
    """The vectors of a file, and all that is known of their images.

    Raises:
        FileNotFoundError: If there is no file.
        InvalidInput: If it is not one of vectors.
    """
    path = as_path(path)
    made_by = read_made_by(path)
    table = pq.read_table(path)
    vectors = table["vector"].combine_chunks()
    values = vectors.values if isinstance(vectors, pa.FixedSizeListArray) else None
    if values is None:  # no rows
        values = pa.array([], pa.float32())
    features = table.schema.field("vector").type.list_size
    return Embeddings(
        np.asarray(values, "float32").reshape(-1, features),
        np.array(table["path"].to_pylist(), dtype=object),
        table["label"].to_numpy() if "label" in table.column_names else None,
        made_by["encoder"],
        tuple(made_by["image_shape"]),
        made_by["resize"],
        tuple((where, why) for where, why in made_by["skipped"]),
        {name: table[name].to_numpy() for name in FACTS},
        made_by["origin"],
    )


def as_embeddings(vectors: "Embeddings | str | os.PathLike[str]") -> Embeddings:
    """Vectors as they are, or those of a file; see :func:`read`.

    Raises:
        InvalidInput: If it is neither.
    """
    if isinstance(vectors, Embeddings):
        return vectors
    if not isinstance(vectors, str | os.PathLike):
        raise InvalidInput(
            "Vectors are a file, or barlow.Embeddings, which takes an array: Embeddings(vectors, "
            f"names, None, '', (), ''). Received: {type(vectors).__name__}."
        )
    return read(vectors)


def read_made_by(path: pathlib.Path) -> dict[str, Any]:
    """What made the vectors of a file.

    Raises:
        FileNotFoundError: If there is no file.
        InvalidInput: If it is not one of vectors.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file at {path}. `barlow embed RUN DATA --out {path.name}` makes one."
        )
    try:
        schema = pq.read_schema(path)
        for name in FACTS:
            schema.field(name)
        return json.loads((schema.metadata or {})[_KEY])
    except (pa.ArrowInvalid, KeyError, ValueError) as error:
        raise InvalidInput(
            f"{path} is no file of vectors. `barlow embed RUN DATA --out FILE{SUFFIX}` makes one."
        ) from error


def is_file(path: pathlib.Path) -> bool:
    """Whether a file is one of vectors, not another one of the same suffix."""
    if path.suffix.lower() != SUFFIX or not path.is_file():
        return False
    try:
        read_made_by(path)
    except InvalidInput:
        return False
    return True


def groups(file: pathlib.Path) -> Iterator[pa.Table]:
    """The rows of a file, one row group at a time in memory."""
    with pq.ParquetFile(file) as opened:
        for number in range(opened.num_row_groups):
            yield opened.read_row_group(number)


def vectors_of(group: pa.Table) -> NDArray[np.float32]:
    """The vectors of some rows, ``[rows, features]``."""
    features = group.schema.field("vector").type.list_size
    return group["vector"].combine_chunks().values.to_numpy().reshape(-1, features)


def check_path(path: pathlib.Path) -> pathlib.Path:
    """The path, if a file of vectors can have it.

    Raises:
        InvalidInput: If it cannot.
    """
    if path.suffix.lower() != SUFFIX:
        raise InvalidInput(f"A file of vectors is called *{SUFFIX}. Received: {path}.")
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder. Choose another name for the file of vectors.")
    return path


def as_text(name: str) -> str:
    r"""A name as UTF-8 can hold it.

    Example:
        >>> from barlow.vectors.table import as_text
        >>> as_text("caf\udce9.png")
        'caf\\udce9.png'
    """
    return name.encode("utf-8", "backslashreplace").decode()


def labels_of(labels: NDArray[Any]) -> pa.ChunkedArray:
    """Labels as a column: whole numbers as such, all others as texts."""
    return pa.chunked_array([_labels(labels)])


def _labels(labels: NDArray[Any]) -> pa.Array:
    if np.issubdtype(labels.dtype, np.integer):
        return pa.array(labels.astype("int64"))
    return pa.array([as_text(str(label)) for label in labels], pa.string())
