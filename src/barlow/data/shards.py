"""Images in tar archives, as WebDataset lays them out, each read from its place in the archive.

An archive is scanned once, for where its members begin and end. After that any image is one seek
away, so images are read in any order, as from a folder.
"""

import collections
import io
import itertools
import os
import pathlib
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

from barlow.data.formats import HIDDEN, OTHER, is_image_name, kind_of, passed_over
from barlow.data.listing import Entry, Listing, Skipped
from barlow.errors import InvalidInput
from barlow.progress import Track, silent
from barlow.text import printable

SHARD = ".tar"
"""Extension of archives; not of compressed ones, in which one cannot seek."""

_LABEL = "cls"


class Member(NamedTuple):
    """A file in an archive that opens as a path does."""

    shard: pathlib.Path
    name: str
    offset: int
    size: int

    def open(self, mode: str = "rb", /) -> IO[bytes]:
        """Open the file to read bytes."""
        return io.BufferedReader(_Part(self.shard.open(mode, buffering=0), self.offset, self.size))

    def __str__(self) -> str:
        return f"{self.shard}/{self.name}"


def list_shards(
    shards: Sequence[pathlib.Path], track: Track = silent, name: Callable[[Member], str] = str
) -> Listing:
    """Every image in tar archives, in their order, with the labels of the samples.

    A sample is the files of an archive with one name up to the first dot, such as ``a/12.jpg``
    and ``a/12.cls``; the second, a text, is the label of all images of the sample. ``name`` gives
    the name of an image; its default is archive and member.

    Raises:
        InvalidInput: If there are no images.
    """
    entries: list[Entry] = []
    skipped: Skipped = []
    passed: collections.Counter[str] = collections.Counter()
    for shard in track(shards, "Scanning archives"):
        images, labels = _index(shard, skipped, passed)
        entries += [
            Entry(name(image), image, labels.get(_sample(image.name)[0])) for image in images
        ]
    if not entries and not skipped:
        of = ", ".join(map(printable, shards))
        raise InvalidInput(" ".join([f"There are no images in {of}.", *passed_over(passed)]))
    return Listing(entries, skipped, passed_over=passed)


def _index(
    shard: pathlib.Path, skipped: Skipped, passed: collections.Counter[str]
) -> tuple[list[Member], dict[str, str]]:
    """Images of an archive, and labels by sample."""
    images: list[Member] = []
    labels: dict[str, str] = {}
    try:
        with shard.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(0)
            for member in _members(stream):
                if member.isdir():
                    continue
                found = Member(shard, member.name, member.offset_data, member.size)
                key, extension = _sample(member.name)
                is_image, is_label = is_image_name(member.name), extension == _LABEL
                if not key or not (is_image or is_label):
                    passed[kind_of(member.name) if key else HIDDEN] += 1
                    continue
                if not member.isreg() or member.issparse():
                    skipped.append((str(found), "it is not a plain file in the archive"))
                elif found.offset + found.size > end:
                    skipped.append((str(found), "the archive is cut short in it"))
                elif is_image:
                    images.append(found)
                else:
                    with found.open() as file:
                        labels[key] = file.read().decode(errors="replace").strip()
                    passed[OTHER] += 1
    except (tarfile.TarError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        cut = _without_label(images, labels)
        images = images[: len(images) - len(cut)]
        skipped += [(str(image), "the archive is cut short before its label") for image in cut]
        skipped.append((str(shard), f"{reason}; {len(images)} images before that are used"))
    return images, labels


def _without_label(images: Sequence[Member], labels: Mapping[str, str]) -> list[Member]:
    """Images of the last sample if it has no label and others do."""
    last = _sample(images[-1].name)[0] if images and labels else None
    if last is None or last in labels:
        return []
    return list(itertools.takewhile(lambda i: _sample(i.name)[0] == last, reversed(images)))


def _members(stream: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Members of an archive, which must have a proper end."""
    archive: Any  # two of the attributes have no types
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        while member := archive.next():
            archive.members.clear()  # to bound the memory
            yield member
        # `next` also ends at a damaged header, without an error. A proper end is a block of zeros.
        stream.seek(archive.offset)
        block = stream.read(tarfile.BLOCKSIZE)
        if len(block) < tarfile.BLOCKSIZE or any(block):
            raise tarfile.ReadError("it is damaged or cut short")


def _sample(name: str) -> tuple[str, str]:
    """Name of a member up to the first dot of its last part, and the rest; ``""`` if hidden."""
    *folders, last = pathlib.PurePosixPath(name).parts or ("",)
    key, _, extension = last.partition(".")
    hidden = any(part.startswith(".") for part in (*folders, last))
    return "" if hidden else "/".join((*folders, key)), extension.lower()


class _Part(io.RawIOBase):
    """Part of a file, as a file."""

    def __init__(self, stream: Any, offset: int, size: int):
        self._stream, self._offset, self._size = stream, offset, size
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        return self._stream.seek(self._offset + max(0, start + position)) - self._offset

    def tell(self) -> int:
        return self._stream.tell() - self._offset

    def readinto(self, buffer: Any) -> int:
        rest = max(0, self._size - self.tell())
        return self._stream.readinto(memoryview(buffer)[:rest])

    def close(self) -> None:
        self._stream.close()
        super().close()
