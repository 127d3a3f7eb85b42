"""Image files of any source as images of one size."""

import functools
from collections.abc import Sequence

import numpy as np

from barlow.data.decoding import RESIZE, Header, check_options, decode, read_header
from barlow.data.images import Images
from barlow.data.lazy import BadImage, LazyPixels
from barlow.data.listing import Listing
from barlow.data.reading import check_any, in_memory, read_all
from barlow.pixels import SMALL
from barlow.progress import Track

_DEFAULT_SIZE = (32, 32)


def load_files(
    listing: Listing,
    image_size: tuple[int, int] | None,
    channels: int | None,
    background: str,
    max_pixels: int,
    memory: int,
    track: Track,
) -> Images:
    """Images of the files of a source.

    The options are those of :func:`barlow.data.load`.
    """
    check_options(background, max_pixels)
    files = [entry.file for entry in listing.entries]
    read = functools.partial(read_header, max_pixels=max_pixels)
    found = list(read_all(read, files, track, "Reading image headers"))
    bad = [*(BadImage(*which) for which in listing.skipped), *_only(BadImage, found)]
    headers = _only(Header, found)
    skipped = tuple((image.source, image.reason) for image in bad)
    check_any(len(headers), skipped)

    image_size = image_size or _own_size(headers) or _DEFAULT_SIZE
    own_channels = 1 if all(header.grey for header in headers) else 3
    channels = channels or own_channels
    notes = [*listing.notes, *_notes(headers, image_size, background)]
    if channels != own_channels:
        notes.append(f"The images were made {'grey' if channels == 1 else 'colour'}.")
    read = functools.partial(
        decode,
        image_size=image_size,
        channels=channels,
        background=background,
        max_pixels=max_pixels,
    )
    labels = [entry.label for entry in listing.entries]
    of_images = np.empty(len(files), dtype=object)
    of_images[:] = files  # in this way a tuple of an archive's member stays one object
    images = Images(
        LazyPixels(files, (image_size[0], image_size[1], channels), read),
        None if None in labels else np.array(labels),
        tuple(notes),
        skipped,
        np.array([entry.name for entry in listing.entries], dtype=object),
        RESIZE,
        of_images,
    )[np.array([isinstance(header, Header) for header in found])]
    return in_memory(images, track) if images.pixels.nbytes <= memory else images


def _only(kind: type, found: Sequence[object]) -> list:
    return [each for each in found if isinstance(each, kind)]


def _own_size(headers: Sequence[Header]) -> tuple[int, int] | None:
    """``(height, width)`` of the images if they share one that is small."""
    width, height = headers[0].size
    shared = all(header.size == (width, height) for header in headers)
    return (height, width) if shared and max(width, height) <= SMALL else None


def _notes(headers: Sequence[Header], image_size: tuple[int, int], background: str) -> list[str]:
    notes, (height, width) = [], image_size
    sizes = sorted({header.size for header in headers}, key=lambda size: size[0] * size[1])
    if sizes != [(width, height)]:
        (small_width, small_height), (large_width, large_height) = sizes[0], sizes[-1]
        were = f"{small_height} x {small_width}"
        if len(sizes) > 1:
            were = f"{len(sizes)} sizes from {were} to {large_height} x {large_width}"
        notes.append(f"The images were brought to {height} x {width} pixels; they had {were}.")
    if any(header.deep for header in headers):
        notes.append("Grey images of 16 bits were scaled to 8 bits.")
    if any(header.transparent for header in headers):
        notes.append(f"Transparent images were laid on {background}.")
    return notes
