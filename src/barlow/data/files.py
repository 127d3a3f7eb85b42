"""Image files of any source as images of one size."""

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from barlow import backend, own, pixels, resizing
from barlow.data.decoding import (
    Header,
    Page,
    decode,
    read_header,
    read_range,
)
from barlow.data.formats import OWN, passed_over
from barlow.data.images import Images, sample
from barlow.data.lazy import BadImage, LazyPixels
from barlow.data.listing import Entry, Listing, settle_labels
from barlow.data.reading import check_any, in_memory, read_all, read_in_order
from barlow.errors import InvalidInput, extra
from barlow.progress import Track, silent

with extra("cli", "Reading image files"):
    from PIL import ImageColor

PAGES = ("first", "all")
"""Which pages of a file with several are images."""

# Pixels of a side that is recommended; docs/decisions/0015 says why.
_ON_ACCELERATOR, _ON_CPU, _SMALLEST, _STEP = 224, 64, 16, 8
_LOOKS = 32  # images that are looked at to judge a set


class _Found(NamedTuple):
    """Image files whose headers can be read, and what became of the others."""

    entries: Sequence[Entry]
    headers: Sequence[Header]
    bad: list[BadImage]
    passed: collections.Counter[str]

    def without(self, bad: Sequence[BadImage | None]) -> "_Found":
        """Those at whose place is ``None``."""
        kept = [row for row, each in enumerate(bad) if each is None]
        return self._replace(
            entries=[self.entries[row] for row in kept],
            headers=[self.headers[row] for row in kept],
            bad=[*self.bad, *(each for each in bad if each is not None)],
        )


def load_files(
    listing: Listing,
    image_size: tuple[int, int] | None,
    channels: int | None,
    background: str,
    max_pixels: int,
    memory: int,
    pages: str,
    resize: str,
    track: Track,
) -> Images:
    """Images of the files of a source.

    The options are those of :func:`barlow.data.load`.
    """
    _check_options(background, max_pixels, resize)
    if pages not in PAGES:
        raise InvalidInput(f"`pages` must be one of {', '.join(PAGES)}. Received: {pages!r}.")
    found, page_notes = _pages(_headers(listing, max_pixels, track), pages, max_pixels)
    found, scales, scale_notes = _scales(found, max_pixels, track)
    skipped = tuple((image.source, image.reason) for image in found.bad)
    check_any(len(found.entries), skipped)
    headers = found.headers

    own_size = _own_size(headers)
    size_is_open = image_size is None and own_size is None
    image_size = image_size or own_size or _size_for(headers)
    own_channels = 1 if all(header.grey for header in headers) else 3
    channels = channels or own_channels
    labels, label_notes = settle_labels(found.entries)
    notes = [*listing.notes, *passed_over(found.passed), *page_notes, *label_notes]
    notes += [*_notes(headers, image_size, background), *scale_notes]
    if channels != own_channels:
        notes.append(f"The images were made {'grey' if channels == 1 else 'colour'}.")
    options = {"background": background, "max_pixels": max_pixels, "resize": resize, **scales}
    read = functools.partial(decode, image_size=image_size, channels=channels, **options)
    files = np.empty(len(headers), dtype=object)
    files[:] = [entry.file for entry in found.entries]  # a tuple stays one object in this way
    images = Images(
        LazyPixels([*files], (image_size[0], image_size[1], channels), read),
        labels,
        tuple(notes),
        skipped,
        np.array([entry.name for entry in found.entries], dtype=object),
        resizing.RESIZES[resize],
        files,
        dict(found.passed),
        read,
        size_is_open,
    )
    return _judged(in_memory(images, track) if images.pixels.nbytes <= memory else images)


def _check_options(background: str, max_pixels: int, resize: str) -> None:
    """Refuse options with which no image can be read, before every image seems bad.

    Raises:
        InvalidInput: If an option is not valid.
    """
    if max_pixels < 1:
        raise InvalidInput(f"`max_pixels` must be at least 1. Received: {max_pixels}.")
    if resize not in resizing.RESIZES:
        raise InvalidInput(
            f"`resize` must be one of {', '.join(resizing.RESIZES)}. Received: {resize!r}."
        )
    try:
        ImageColor.getrgb(background)
    except ValueError as error:
        raise InvalidInput(
            "`background` must be the name of a colour, such as 'white', or '#rrggbb'. "
            f"Received: {background!r}."
        ) from error


def _headers(listing: Listing, max_pixels: int, track: Track) -> _Found:
    """The headers of all files, without those that cannot be read and those of barlow itself."""
    read = functools.partial(read_header, max_pixels=max_pixels)
    files = [entry.file for entry in listing.entries]
    results = list(read_all(read, files, track, "Reading image headers"))
    good = [
        isinstance(result, Header) and not (result.own or own.is_named(file))
        for file, result in zip(files, results, strict=True)
    ]
    bad = [result for result in results if isinstance(result, BadImage)]
    passed = collections.Counter(dict(listing.passed_over))
    passed[OWN] += len(results) - len(bad) - sum(good)
    found = _Found(
        [entry for entry, is_good in zip(listing.entries, good, strict=True) if is_good],
        [header for header, is_good in zip(results, good, strict=True) if is_good],
        [*(BadImage(*which) for which in listing.skipped), *bad],
        +passed,
    )
    if not found.entries and not found.bad:
        raise InvalidInput("There are no images but those that barlow has written itself.")
    return found


def _pages(found: _Found, pages: str, max_pixels: int) -> tuple[_Found, list[str]]:
    """Each page as an image, or the first alone and a note."""
    several = [header for header in found.headers if len(header.pages) > 1]
    notes, entries, headers = [], [], []
    if several and pages == "first":
        rest = sum(len(header.pages) for header in several) - len(several)
        notes = [
            f"{len(several)} files have several pages or frames: the first is taken, {rest} more "
            "are left out. Take them all with pages='all' (--pages all)."
        ]
    for entry, header in zip(found.entries, found.headers, strict=True):
        taken = header.pages if pages == "all" else header.pages[:1]
        for number in taken:
            page = entry
            if number or len(taken) > 1:  # the first may be a smaller copy of a later one
                page = entry._replace(file=Page(entry.file, number))
            if len(taken) > 1:
                page = page._replace(name=f"{entry.name}, page {number + 1}")
            entries.append(page)
            headers.append(header)
    apart = [  # pages of a TIFF may differ in size, colour and depth, frames of a GIF in colour
        row
        for row, (entry, header) in enumerate(zip(entries, headers, strict=True))
        if isinstance(entry.file, Page) and header.format in ("TIFF", "GIF")
    ]
    bad: list[BadImage | None] = [None] * len(entries)
    read = functools.partial(read_header, max_pixels=max_pixels)
    results = read_all(read, [entries[row].file for row in apart], silent, "")
    for row, result in zip(apart, results, strict=True):
        if isinstance(result, BadImage):
            bad[row] = result
        else:
            headers[row] = result
    return found._replace(entries=entries, headers=headers).without(bad), notes


def _scales(
    found: _Found, max_pixels: int, track: Track
) -> tuple[_Found, dict[str, pixels.Scale], list[str]]:
    """How grey images become 0 .. 255: by one rule for all of 8 bits, and one for all deeper."""
    read = functools.partial(read_range, max_pixels=max_pixels)
    scales, notes = {}, []
    deep = [row for row, header in enumerate(found.headers) if header.deep]
    tops = {found.headers[row].top for row in deep}
    if len(tops) == 1 and 0 not in tops:  # every file says it
        scales["deep"] = pixels.scale_for(pixels.Range("i", 0, tops.pop(), 1))
    elif deep:
        found, scale = _scale(found, deep, read, track)
        scales |= {"deep": scale} if scale else {}
    plain = [row for row, header in enumerate(found.headers) if header.plain]
    some = plain[:: max(1, len(plain) // _LOOKS)]
    looks = read_all(read, [found.entries[row].file for row in some], silent, "")
    looks = [look for look in looks if isinstance(look, pixels.Range)]
    if looks and pixels.is_dark(sum(looks[1:], looks[0])):  # masks, perhaps
        files = [found.entries[row].file for row in plain]
        ranges = read_all(read, files, track, "Reading the range of values")
        ranges = [each for each in ranges if isinstance(each, pixels.Range)]
        if pixels.is_mask(sum(ranges[1:], ranges[0])):
            scales["plain"] = pixels.MASK
    notes = [scale.note for scale in scales.values() if scale.changes]
    return found, scales, notes


def _scale(
    found: _Found, rows: Sequence[int], read: Callable[[Any], pixels.Range], track: Track
) -> tuple[_Found, pixels.Scale | None]:
    """The scale of some of the images; those that cannot have one become bad."""
    files = [found.entries[row].file for row in rows]
    results = list(read_all(read, files, track, "Reading the range of values"))
    bad: list[BadImage | None] = [None] * len(found.entries)
    ranges = []
    for row, result in zip(rows, results, strict=True):
        if isinstance(result, BadImage):
            bad[row] = result
        else:
            ranges.append(result)
    scale = None
    if ranges:
        try:
            scale = pixels.scale_for(sum(ranges[1:], ranges[0]))
        except InvalidInput as error:
            for row in rows:
                bad[row] = bad[row] or BadImage(found.entries[row].file, str(error))
    return found.without(bad), scale


def _judged(images: Images) -> Images:
    """The images, with notes if there is nearly nothing to learn from them."""
    some, _ = next(read_in_order(sample(images, _LOOKS), _LOOKS))
    return dataclasses.replace(images, notes=(*images.notes, *pixels.doubts(some.pixels[:])))


def _own_size(headers: Sequence[Header]) -> tuple[int, int] | None:
    """``(height, width)`` of the images if they share one that is small."""
    width, height = headers[0].size
    shared = all(header.size == (width, height) for header in headers)
    return (height, width) if shared and max(width, height) <= pixels.SMALL else None


def _size_for(headers: Sequence[Header]) -> tuple[int, int]:
    """The recommended ``(height, width)`` of images of several sizes, or of large ones."""
    typical = float(np.median([min(header.size) for header in headers]))
    most = _ON_ACCELERATOR if backend.has_accelerator() else _ON_CPU
    side = min(most, max(_SMALLEST, _STEP * math.ceil(typical / _STEP)))
    return side, side


def _notes(headers: Sequence[Header], image_size: tuple[int, int], background: str) -> list[str]:
    notes, (height, width) = [], image_size
    sizes = sorted({header.size for header in headers}, key=lambda size: size[0] * size[1])
    if sizes != [(width, height)]:
        (small_width, small_height), (large_width, large_height) = sizes[0], sizes[-1]
        were = f"{small_height} x {small_width}"
        if len(sizes) > 1:
            were = f"{len(sizes)} sizes from {were} to {large_height} x {large_width}"
        notes.append(f"The images were brought to {height} x {width} pixels; they had {were}.")
    if any(header.transparent for header in headers):
        notes.append(f"Transparent images were laid on {background}.")
    return notes
