"""Contact sheets: rows of small images with captions, as a page or a picture."""

import base64
import contextlib
import html
import io
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import data, errors, own, vectors
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.paths import as_path, replacing
from barlow.report.pictures import save
from barlow.text import printable

with errors.extra("cli", "Drawing"):
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from PIL import Image

_SIDE = 1.3  # inches of an image
_COLUMNS = 13  # images beside each other in a picture
_SHOWN = 24  # characters of a caption in a picture
_FIRST = 4096  # bytes that have the mark, after the title
_PIXELS = 160  # of the side of an image file
_SMALL = 64  # pixels: smaller images are shown with their pixels
_MARK = '<meta name="generator" content="barlow">'
_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }
section { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0 0 2rem }
h1 { font-size: 1.4rem } h2 { font-size: 1rem; flex-basis: 100%; margin: 0 }
figure { margin: 0; width: 160px } figcaption { overflow-wrap: anywhere; font-size: 12px }
img { width: 160px; height: 160px; object-fit: contain; background: #eee }
img.small { image-rendering: pixelated }
"""


class Tile(NamedTuple):
    """A small image of a sheet."""

    pixels: NDArray[np.uint8]
    """Shape ``[height, width, channels]``."""
    caption: str


class Row(NamedTuple):
    """Images that belong together."""

    title: str
    tiles: Sequence[Tile]


def contact_sheet(
    rows: Sequence[Row], path: str | os.PathLike[str], title: str = ""
) -> pathlib.Path:
    """Write a contact sheet: a page that needs nothing else, or a picture.

    Args:
        rows: Rows of images.
        path: ``.html``, or a picture in any format that Matplotlib knows.
        title: Title of the sheet.

    Returns:
        The path.

    Raises:
        InvalidInput: If the format is not known.
        OSError: If it cannot be written.

    Example:
        >>> tiles = [report.Tile(pixels, "a digit") for pixels in barlow.data.digits().pixels[:3]]
        >>> place = pathlib.Path(tempfile.mkdtemp()) / "digits.html"
        >>> report.contact_sheet([report.Row("digits", tiles)], place).name
        'digits.html'
    """
    path = check_sheet(path)
    if path.suffix.lower() == ".html":
        with replacing(path) as temporary:
            temporary.write_text(_page(rows, title), encoding="utf-8")
    else:
        _draw(rows, path, title)
    return path


def check_sheet(path: str | os.PathLike[str], *, page: bool = True) -> pathlib.Path:
    """The path, if a contact sheet can have it; to be asked before computing.

    Args:
        path: Where it is to be written.
        page: Whether it may be a page of HTML; else it is a picture. Defaults to ``True``.

    Raises:
        FileExistsError: If what is there is no sheet, such as a photo.
        InvalidInput: If its format is not known.
        OSError: If its folder is not there.
    """
    path = as_path(path)
    known = ["html"] * page + sorted(Figure().canvas.get_supported_filetypes())
    if path.is_dir() or path.suffix.lower().removeprefix(".") not in known:
        what = "contact sheet" if page else "picture"
        raise InvalidInput(f"A {what} is .{', .'.join(known)}. Received: {path}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for {path.name}.")
    if path.exists() and path.stat().st_size and not is_sheet(path):
        raise FileExistsError(
            f"{path} is there, and is no picture or page of barlow: it would be lost. Choose "
            "another name."
        )
    return path


def is_sheet(path: str | os.PathLike[str]) -> bool:
    """Whether there is a page or a picture that barlow has written."""
    path = as_path(path)
    with contextlib.suppress(OSError), path.open("rb") as file:
        if path.suffix.lower() == ".html":
            return _MARK.encode() in file.read(_FIRST)
        if not own.options(path):  # a drawing of lines, which Pillow does not open
            return own.MARK.encode() in file.read()
        with Image.open(file) as image:
            return own.is_marked(image)
    return False


def tiles_of(
    embeddings: Embeddings, rows: Sequence[int], captions: Sequence[str], images: Any = None
) -> list[Tile]:
    """Images of some rows of a collection, small. What cannot be read is a grey tile.

    Args:
        embeddings: Vectors of the collection.
        rows: Numbers of rows.
        captions: One for each.
        images: Where the images are now, as for :func:`barlow.vectors.images_of`.
    """
    unique = list(dict.fromkeys(rows))
    formats = embeddings.facts.get("format", np.empty(0))
    size = (_PIXELS, _PIXELS) if np.any(formats != "") else None  # arrays stay as they are
    small = vectors.images_of(embeddings, unique, images, size)
    vectors.warn_of_changed(embeddings, unique, small)
    pixels: dict[int, NDArray[Any]] = {}
    for chunk, _ in data.read_in_order(data.Images(small.pixels), _PIXELS):
        pixels |= zip(chunk.names.astype(int), chunk.pixels[:], strict=True)
    grey = np.full(small.pixels.shape[1:], 128, "uint8")
    found = (pixels.get(unique.index(row), grey) for row in rows)
    return [
        Tile(np.rint(each).astype("uint8"), caption)
        for each, caption in zip(found, captions, strict=True)
    ]


def _page(rows: Sequence[Row], title: str) -> str:
    parts = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>{_text(title)}</title>',
        f"{_MARK}<style>{_STYLE}</style><h1>{_text(title)}</h1>",
    ]
    for row in rows:
        parts.append(f"<section><h2>{_text(row.title)}</h2>")
        parts += [_figure(tile) for tile in row.tiles]
        parts.append("</section>")
    return "\n".join(parts) + "\n"


def _figure(tile: Tile) -> str:
    stream = io.BytesIO()
    Image.fromarray(tile.pixels.squeeze()).save(stream, "PNG")
    source = base64.b64encode(stream.getvalue()).decode()
    kind = ' class="small"' if max(tile.pixels.shape[:2]) <= _SMALL else ""
    return (
        f'<figure><img{kind} alt="" src="data:image/png;base64,{source}">'
        f"<figcaption>{_text(tile.caption)}</figcaption></figure>"
    )


def _text(text: str) -> str:
    return html.escape(printable(text))


def _draw(rows: Sequence[Row], path: pathlib.Path, title: str) -> None:
    lines = [
        Row(row.title if start == 0 else "", row.tiles[start : start + _COLUMNS])
        for row in rows
        for start in range(0, max(1, len(row.tiles)), _COLUMNS)
    ]
    columns = max((len(line.tiles) for line in lines), default=1)
    size = (_SIDE * columns, (_SIDE + 0.5) * max(1, len(lines)) + 0.5)
    with mpl.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(printable(title))
        grid = figure.subplots(max(1, len(lines)), max(1, columns), squeeze=False)
        for place in grid.flat:
            place.set_axis_off()
        for line, places in zip(lines, grid, strict=False):
            places[0].set_title(printable(line.title), loc="left", fontsize="small")
            for tile, place in zip(line.tiles, places, strict=False):
                place.imshow(tile.pixels.squeeze(), cmap="grey", vmin=0, vmax=255)
                place.text(0.5, -0.04, _short(tile.caption), transform=place.transAxes, **_CAPTION)
        save(figure, path)


_CAPTION: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": "xx-small"}


def _short(caption: str) -> str:
    """The ends of a long caption, which tell paths apart."""
    lines = (printable(line) for line in caption.split("\n"))
    return "\n".join(line if len(line) <= _SHOWN else "..." + line[-_SHOWN:] for line in lines)
