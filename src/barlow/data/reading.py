"""Images in order, read ahead by threads: chunk by chunk, or all of them into memory."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np

from barlow.data.images import Images
from barlow.data.lazy import MEMORY, BadImage, LazyPixels
from barlow.errors import InvalidInput
from barlow.progress import Track, silent
from barlow.resizing import as_size

_CHUNK = 256
_TASK = 16  # files, for a thread


def read_in_order(
    images: Images, batch_size: int, track: Track = silent
) -> Iterator[tuple[Images, list[BadImage]]]:
    """Chunks of images in order, with their pixels in memory.

    Threads read the next chunk while the caller works on this one. About two chunks are in
    memory at a time, however many images there are.

    Args:
        images: Images with pixels in memory or lazy ones.
        batch_size: Images per chunk, >= 1. The last chunk may have fewer.
        track: Shows the progress of reading; see :data:`barlow.progress.Track`.

    Yields:
        The images of the chunk that can be read, of which ``pixels`` is an array, and the bad
        ones. Of pixels in memory the chunks are views.

    Raises:
        InvalidInput: If ``batch_size`` is below 1.

    Example:
        >>> for chunk, bad in barlow.data.read_in_order(barlow.data.digits(), batch_size=1000):
        ...     print(chunk.pixels.shape, chunk.names[0], len(bad))
        (1000, 8, 8, 1) 0 0
        (797, 8, 8, 1) 1000 0
    """
    if batch_size < 1:
        raise InvalidInput(f"`batch_size` must be at least 1. Received: {batch_size}.")
    return _chunks(images, batch_size, track)


def in_memory(images: Images, track: Track = silent) -> Images:
    """The images with their pixels in memory, without those that cannot be read.

    Args:
        images: Images with pixels in memory or lazy ones.
        track: Shows the progress of reading; see :data:`barlow.progress.Track`.

    Returns:
        Images of which ``pixels`` is an array; those that cannot be read are in ``skipped``.

    Raises:
        InvalidInput: If there are images and none can be read.

    Example:
        >>> images = barlow.data.digits()
        >>> barlow.data.in_memory(images) is images  # they already are
        True
    """
    if not isinstance(images.pixels, LazyPixels):
        return images
    if not len(images):
        return dataclasses.replace(images, pixels=images.pixels[:])
    pixels = np.empty(images.pixels.shape, images.pixels.dtype)
    count, labels, names, files, skipped = 0, [], [], [], list(images.skipped)
    for chunk, bad in read_in_order(images, _CHUNK, track):
        pixels[count : count + len(chunk)] = chunk.pixels[:]
        count += len(chunk)
        labels.append(chunk.labels)
        names.append(chunk.names)
        files.append(chunk.files)
        skipped += [(image.source, image.reason) for image in bad]
    check_any(count, skipped)
    return dataclasses.replace(
        images,
        pixels=pixels[:count],
        labels=None if images.labels is None else np.concatenate(labels),
        names=np.concatenate(names),
        files=None if images.files is None else np.concatenate(files),
        skipped=tuple(skipped),
    )


def at_size(images: Images, image_size: tuple[int, int], track: Track = silent) -> Images:
    """Images of files brought to another size, from their files.

    They are in memory if they were and take no more than 2 GiB there, or no more than before.

    Args:
        images: Images of files.
        image_size: ``(height, width)`` of the result.
        track: Shows the progress of reading; see :data:`barlow.progress.Track`.

    Raises:
        InvalidInput: If they are not of files, or none can be read any more, or if the size is not
            valid.

    Example:
        >>> from PIL import Image
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (640, 480)).save(folder / "photo.png")
        >>> barlow.data.at_size(barlow.data.load(folder), (48, 48)).pixels.shape
        (1, 48, 48, 3)
    """
    if images.read is None or images.files is None:
        raise InvalidInput(
            "Only images of files can be brought to another size. Received: images of shape "
            f"{tuple(images.pixels.shape[1:])}, not of files."
        )
    image_size = as_size(image_size)
    read: Any = functools.partial(images.read, **{"image_size": image_size})
    shape = (*image_size, images.pixels.shape[3])
    lazy = dataclasses.replace(
        images, pixels=LazyPixels([*images.files], shape, read), read=read, size_is_open=False
    )
    is_read = isinstance(images.pixels, np.ndarray)
    fits = lazy.pixels.nbytes <= max(MEMORY, images.pixels.nbytes)
    return in_memory(lazy, track) if is_read and fits else lazy


def read_all(
    read: Callable[[Any], Any],
    files: Sequence[Any],
    track: Track,
    description: str,
    ahead: int = _CHUNK,
) -> Generator[Any, None, None]:
    """Result of ``read`` for every file, in their order, or the :class:`BadImage` it raises.

    While the caller uses one result, threads read about ``ahead`` files after it.
    """

    def read_some(files: Sequence[Any]) -> list[Any]:
        results = []
        for file in files:
            try:
                results.append(read(file))
            except BadImage as bad:
                results.append(bad)
        return results

    # Pillow decodes without Python's lock. But a thread that opens a file waits for that lock again
    # and again: few threads, and several files a task, wait less.
    threads = concurrent.futures.ThreadPoolExecutor((os.cpu_count() or 1) + 1)
    size = max(1, min(_TASK, ahead // _TASK))
    tasks = (files[start : start + size] for start in range(0, len(files), size))
    reading = collections.deque(
        threads.submit(read_some, task) for task in itertools.islice(tasks, max(1, ahead // size))
    )

    def results() -> Iterator[Any]:
        while reading:
            done = reading.popleft().result()
            reading.extend(threads.submit(read_some, task) for task in itertools.islice(tasks, 1))
            yield from done

    try:
        for _, result in zip(track(files, description), results(), strict=True):
            yield result
    finally:
        threads.shutdown(cancel_futures=True)


def check_any(good: int, skipped: Sequence[tuple[str, str]]) -> None:
    """Refuse a source without images, or in which all are bad.

    Args:
        good: Number of images that can be read.
        skipped: Those that cannot: where each is, and why.

    Raises:
        InvalidInput: If none is good.
    """
    if not good and not skipped:
        raise InvalidInput("There are no images: the set is empty.")
    if not good:
        raise InvalidInput(
            f"None of the {len(skipped)} images can be read. The first: "
            f"{skipped[0][0]}: {skipped[0][1]}."
        )


def _chunks(
    images: Images, batch_size: int, track: Track
) -> Iterator[tuple[Images, list[BadImage]]]:
    chunks = (images[i : i + batch_size] for i in range(0, len(images), batch_size))
    lazy = images.pixels
    if not isinstance(lazy, LazyPixels):
        yield from ((chunk, []) for chunk in chunks)
        return
    found = read_all(lazy.read, lazy.files, track, "Reading images", batch_size)
    with contextlib.closing(found):
        for chunk in chunks:
            pixels = np.empty(chunk.pixels.shape, lazy.dtype)
            good, bad = [], []
            for row, image in enumerate(itertools.islice(found, len(chunk))):
                if isinstance(image, BadImage):
                    bad.append(image)
                else:
                    pixels[row] = image
                    good.append(row)
            read = dataclasses.replace(chunk, pixels=pixels)
            yield (read[good] if bad else read), bad
        next(found, None)  # the progress ends
