"""Formats of image files: those that are read, and those that are known and passed over."""

import collections
import contextlib
import os
from collections.abc import Mapping

from barlow import own
from barlow.errors import extra

with extra("cli", "Reading image files"):
    from PIL import Image, PngImagePlugin

with contextlib.suppress(ModuleNotFoundError):
    import pillow_heif  # pyright: ignore[reportMissingImports] - the extra `heif`

    pillow_heif.register_heif_opener()

Image.init()  # loads the formats now, before many threads do so at once

# Pillow refuses descriptions and colour profiles above 1 MB, and with them the image.
PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, 2**26)

_OPTIONAL = ("AVIF", "HEIF", "JPEG2000")  # where Pillow, or pillow-heif, was built with them

FORMATS = (
    *("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"),
    *(name for name in _OPTIONAL if name in Image.SAVE),
)
"""Formats that are read, by Pillow's names. It also knows HDF5, MPEG and others, not of photos."""

OTHER, HIDDEN, OWN = "other files", "hidden files", "written by barlow"
"""Kinds of files that are passed over without a word: they do not look like images."""

_KINDS = {
    "HEIC": ".heic .heif .hif",
    "AVIF": ".avif .avifs",
    "JPEG 2000": ".jp2 .j2k .j2c .jpc .jpf .jpx",
    "JPEG XL": ".jxl",
    "DICOM": ".dcm .dicom .ima",
    "raw photos": ".3fr .arw .cr2 .cr3 .dng .erf .kdc .mrw .nef .nrw .orf .pef .raf .raw .rw2 .srw",
    "SVG": ".svg .svgz",
    "PSD": ".psd .psb",
    "other drawings": ".ai .cdr .eps .kra .ora .xcf",
    "other image formats": ".cur .dds .exr .fit .fits .fts .hdr .icns .ico .jfi .pcx .qoi .tga",
    "volumes": ".hdr .img .mha .mhd .nii .nii.gz .nrrd",
    "microscopy formats": ".czi .ims .lif .lsm .mrxs .nd2 .ndpi .oib .oif .scn .svs .vsi",
    "PDF": ".pdf .djvu",
    "arrays": ".h5 .hdf5 .mat .npy .npz .zarr",
    "films": ".3gp .avi .m4v .mkv .mov .mp4 .mpeg .mpg .mts .webm .wmv",
    "archives": ".7z .bz2 .gz .rar .tar .tgz .txz .xz .zip .zst",
}
_FORMAT = {"HEIC": "HEIF", "AVIF": "AVIF"}  # Pillow's name
_KIND = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
_HOW = {
    "HEIC": "pip install 'barlow[heif]' reads them",
    "AVIF": "Pillow 11.3 or newer reads them",
    "archives": "a .tar is read where it is given itself; unpack others",
    "arrays": "an .npy or .npz is read where it is given itself",
}


def is_image_name(name: str) -> bool:
    """Whether a file name has the extension of an image format that is read."""
    return Image.registered_extensions().get(_suffix(name)) in FORMATS


def kind_of(name: str) -> str:
    """Kind of a file that is not read, by its name."""
    last = os.path.basename(name)  # noqa: PTH119 - also in archives
    if last in (own.CORRELATION, own.IMAGES):
        return OWN
    if last.startswith("."):
        return f"hidden {_KIND.get(_suffix(name), 'images')}" if _looks(name) else HIDDEN
    return _KIND.get(_suffix(name), OTHER)


def passed_over(counts: Mapping[str, int]) -> list[str]:
    """A sentence on the files that look like images and are not read; none if there are none.

    Args:
        counts: Number of files by kind; see :func:`kind_of`.
    """
    seen = collections.Counter(dict(counts))
    for quiet in (OTHER, HIDDEN, OWN):
        seen.pop(quiet, None)
    parts = [
        f"{count} {kind}" + (f" ({_HOW[kind]})" if kind in _HOW else "")
        for kind, count in seen.most_common()
        if count
    ]
    return [f"Passed over: {', '.join(parts)}."] if parts else []


def not_read(first: bytes, readable: str = ", ".join(FORMATS)) -> str:
    """Why the content of a file is not read, from its first bytes.

    Example:
        >>> from barlow.data.formats import not_read
        >>> not_read(b"<!DOCTYPE html>")
        'it is a web page'
    """
    if not first:
        return "it is empty"
    if first[4:8] == b"ftyp":
        return _container(first[8:10])
    for signature, what in _SIGNATURES.items():
        if first.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(signature):
            return f"it is {what}"
    if first[128:132] == b"DICM":
        return "it is DICOM"
    if first[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "it is a damaged TIFF, or one whose channels or bits Pillow does not read"
    return f"it is damaged, or none of {readable}"


def _container(brand: bytes) -> str:
    """What a file is that begins as HEIC, AVIF and films do."""
    kind = {b"av": "AVIF", b"he": "HEIC", b"mi": "HEIC", b"ms": "HEIC"}.get(brand)
    if kind is None:
        return "it is a film"
    if _FORMAT[kind] in FORMATS:
        return f"it is damaged {kind}"
    return f"it is {kind}; {_HOW[kind].replace('them', 'it')}"


_SIGNATURES = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<svg": "SVG",
    b"<?xml": "XML, such as SVG",
    b"%pdf": "PDF",
    b"8bps": "PSD",
    b"pk\x03\x04": "a .zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\0\0\0\x0cjp  ": "damaged JPEG 2000",
    b"version https://git-lfs": "a pointer of Git LFS, not the image: run `git lfs pull`",
}


def _looks(name: str) -> bool:
    return is_image_name(name) or _suffix(name) in _KIND


def _suffix(name: str) -> str:
    """Extension in lower case; of a hidden file, too, such as ``.1.png``."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - also in archives and on links
    return ".nii.gz" if name.lower().endswith(".nii.gz") else suffix
