"""`write`: a file of vectors, made part by part, so that any end of it can be resumed.

Beside ``photos.parquet`` stands, while it is made, the folder ``.photos.parquet.parts`` with a file
of each few thousand rows. A part is written whole; at the end the parts become the file, which
replaces the one that was there. A vector is embedded only if neither a part nor the file of before
has it: what decides is the content of the image, not its name.
"""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras

from barlow import data, embedding, lock
from barlow.data.lazy import MAX_PIXELS
from barlow.errors import InvalidInput, extra
from barlow.paths import as_path, replacing
from barlow.progress import Track, silent
from barlow.vectors import known, table
from barlow.vectors.known import Known
from barlow.vectors.origin import origin_of, placed
from barlow.vectors.parts import Embedder, Ray, Settings

with extra("data", "A file of vectors"):
    import pyarrow.parquet as pq

_PART = 4096  # rows, about


class Written(NamedTuple):
    """What became of the images of a source, in numbers."""

    rows: int
    """Rows of the file."""
    there: int
    """Images that the file had already."""
    new: int
    changed: int
    """Images whose name the file had with other content."""
    gone: int
    """Images of the file that are no longer in the source."""
    skipped: tuple[tuple[str, str], ...]
    """Images that could not be read: where each is, and why."""


def write(
    encoder: keras.Model | str | os.PathLike[str],
    images: Any,
    path: str | os.PathLike[str],
    *,
    batch_size: int = 256,
    shard: tuple[int, int] | None = None,
    origin: Mapping[str, Any] | None = None,
    engine: Ray | None = None,
    track: Track = silent,
    **options: Any,
) -> Written:
    """Write the vectors of images to a file, in the order of the source.

    Memory does not grow with the images, but for their names. A call that was interrupted is
    resumed by the same call. Where the file is there already, only images are embedded that are new
    or have other content; rows of images that are gone leave it.

    Args:
        encoder: As for :func:`barlow.embed`.
        images: As for :func:`barlow.embed`.
        path: The file, ``.parquet``; its columns are those of :mod:`barlow.vectors.table`.
        batch_size: Images to embed at a time, >= 1. Defaults to 256.
        shard: ``(k, n)``: the k-th of n parts of the rows, k from 1 on, for many jobs; see
            :func:`barlow.vectors.join`. Defaults to ``None``, all rows.
        origin: Where encoder and images are, as :func:`barlow.vectors.origin_of` returns it: kept
            in the file, so that search and duplicates find them again. Defaults to ``None``: the
            paths that are given here.
        engine: Many machines, see :class:`barlow.vectors.Ray`. Defaults to ``None``: this process.
        track: Shows the progress; see :data:`barlow.progress.Track`.
        **options: Options of :func:`barlow.data.load`, for a source.

    Returns:
        What was there, new, changed and gone.

    Raises:
        FileExistsError: If another process writes the file.
        FileNotFoundError: If there is no run, encoder or source at a path.
        FloatingPointError: If vectors hold NaN or Inf; the message names the first image.
        MissingPackage: If pyarrow is not installed.
        OSError: If the file cannot be written. What was there is whole, and so are the parts.
        ValueError: If the encoder does not take these images, none of them can be read, or the
            file is of another encoder.

    Example:
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "digits.parquet"
        >>> encoder = barlow.models.encoder("conv", (8, 8, 1))
        >>> barlow.vectors.write(encoder, barlow.data.digits()[:100], path).new
        100
        >>> barlow.vectors.write(encoder, barlow.data.digits()[:103], path)[:4]
        (103, 100, 3, 0)
        >>> barlow.vectors.read(path).vectors.shape
        (103, 128)
    """
    path = check_place(path, shard)
    parts = _parts(path)
    origin = origin_of(encoder, images, **options) if origin is None else origin
    with locked(path):
        given = encoder
        encoder, images = embedding.prepare(
            encoder, images, batch_size, track=track, **{"memory": 0, **options}
        )
        whole, images = images, _shard_of(images, shard)
        made_by = known.made_by(encoder, whole, shard, origin)
        before = Known(parts, path, made_by)
        size = max(1, _PART // batch_size) * batch_size
        starts = range(0, len(images), size)
        files = [parts / f"{number:06}.parquet" for number in range(len(starts))]
        slices = (images[start : start + size] for start in starts)
        tasks = zip(files, slices, strict=True)
        how = Settings(batch_size, before, made_by, options.get("max_pixels", MAX_PIXELS))
        if engine is None:
            embedded = map(Embedder(encoder, how), tasks)
        else:
            from barlow.vectors import cluster  # noqa: PLC0415 - optional

            embedded = cluster.run(engine, _path_of(given, origin, parts), how, tasks)
        skipped = [*images.skipped]
        for _, bad in zip(track(files, "Embedding"), embedded, strict=True):
            skipped += bad
        files = [file for file in files if pq.read_metadata(file).num_rows]
        data.check_any(len(files), skipped)
        rows = (pq.read_table(file, memory_map=True) for file in files)
        table.write_tables(path, rows, {**made_by, "skipped": skipped})
        counted = before.compare(path)
        shutil.rmtree(parts, ignore_errors=True)
    return Written(*counted, tuple(skipped))


def check_place(path: str | os.PathLike[str], shard: tuple[int, int] | None = None) -> pathlib.Path:
    """The path, if a file of vectors can be written there now; to be asked before reading.

    Args:
        path: As for :func:`write`.
        shard: As for :func:`write`.

    Raises:
        FileExistsError: If another process writes the file.
        InvalidInput: If a file of vectors cannot have that name, or there is no such shard.
        OSError: If nothing can be written there.
    """
    path = table.check_path(as_path(path))
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise InvalidInput(
            f"A shard is k/n with k from 1 to n, such as 3/16. Received: {shard[0]}/{shard[1]}."
        )
    try:
        with locked(path):
            pass
    except FileExistsError:
        raise
    except OSError as error:
        raise type(error)(
            f"No file of vectors can be written at {path}: {error.strerror}. Choose another place."
        ) from error
    return path


def _path_of(
    encoder: keras.Model | str | os.PathLike[str],
    origin: Mapping[str, Any],
    folder: pathlib.Path,
) -> str | os.PathLike[str]:
    """Where other processes load an encoder from."""
    if isinstance(encoder, str | os.PathLike):
        return encoder
    if origin.get("run"):
        return placed(origin, origin["run"])
    with replacing(folder / "encoder.keras") as temporary:
        encoder.save(temporary)
    return folder / "encoder.keras"


def _parts(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f".{path.name}.parts")


def locked(path: pathlib.Path) -> contextlib.AbstractContextManager[None]:
    """No other process writes this file of vectors meanwhile."""
    return lock.locked(_parts(path), f"The file of vectors {path} is being written")


def _shard_of(images: data.Images, shard: tuple[int, int] | None) -> data.Images:
    k, of = shard or (1, 1)
    if of > len(images):
        raise InvalidInput(
            f"There cannot be more shards than images. Received: shard {k}/{of} of {len(images)} "
            "images."
        )
    return images[(k - 1) * len(images) // of : k * len(images) // of]
