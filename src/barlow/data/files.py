"""Image files, wherever they lie, to images of one size."""

import functools
from collections.abc import Sequence

from barlow.data.decoding import Header, check_options, decode, read_header
from barlow.data.images import Images, check_any, in_memory, read_all
from barlow.data.lazy import BadImage, LazyPixels
from barlow.data.listing import Listing
from barlow.progress import Track

_LARGEST_OWN_SIZE = 64
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
    """Images of the files that a source comes down to.

    The options are those of :func:`barlow.data.load`.
    """
    check_options(background, max_pixels)
    files, labels, skipped, notes = listing
    read = functools.partial(read_header, max_pixels=max_pixels)
    found = list(read_all(read, files, track, "Looking at images"))
    bad = [BadImage(*what) for what in skipped] + [b for b in found if isinstance(b, BadImage)]
    skipped = [(image.source, image.reason) for image in bad]
    good = [i for i, header in enumerate(found) if isinstance(header, Header)]
    check_any(len(good), skipped)
    headers = [found[i] for i in good]

    image_size = image_size or _own_size(headers) or _DEFAULT_SIZE
    own_channels = 1 if all(header.grey for header in headers) else 3
    channels = channels or own_channels
    notes = [*notes, *_notes(headers, image_size, background)]
    if channels != own_channels:
        notes.append(f"The images were made {'grey' if channels == 1 else 'colour'}.")
    pixels = LazyPixels(
        [files[i] for i in good],
        (image_size[0], image_size[1], channels),
        functools.partial(
            decode,
            image_size=image_size,
            channels=channels,
            background=background,
            max_pixels=max_pixels,
        ),
    )
    labels = None if labels is None else labels[good]
    images = Images(pixels, labels, tuple(notes), tuple(skipped))
    return in_memory(images, track) if pixels.nbytes <= memory else images


def _own_size(headers: Sequence[Header]) -> tuple[int, int] | None:
    """``(height, width)`` of the images where they share one that is small enough to keep."""
    width, height = headers[0].size
    shared = all(header.size == (width, height) for header in headers)
    return (height, width) if shared and max(width, height) <= _LARGEST_OWN_SIZE else None


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
