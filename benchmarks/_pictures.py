"""Two real sets of pictures from Debian packages: stamps, and characters in many fonts."""

import pathlib
import subprocess

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from barlow import data

STAMPS = "/usr/share/tuxpaint/stamps"
"""Of the package tuxpaint-stamps-default: GPL-2."""

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_NAMES = """
adf-accanthis adf-baskervald adf-berenis adf-gillius adf-ikarius adf-irianis adf-libris adf-mekanus
adf-oldania adf-romande adf-solothurn adf-switzera adf-tribun adf-universalis adf-verana averia-gwf
averia-sans-gwf averia-serif-gwf b612 bebas-neue breip cabin cantarell clear-sans comfortaa
comic-neue compagnon courier-prime crosextra-caladea crosextra-carlito dancingscript dejavu-core
dejavu-extra dosis ebgaramond essays1743 fanwood fantasque-sans firacode freefont-ttf go
goudybookletter hack-ttf inconsolata isabella jetbrains-mono junction junicode jura karla
kaushanscript kristi lato league-mono leckerli-one liberation linuxlibertine lobster lobstertwo
manrope mononoki national-park oldstandard open-sans opendyslexic play prociono quattrocento
quicksand roboto-unhinted roboto-slab sil-andika sil-charis sil-gentium sora staypuft tomsontalks
tuffy urw-base35 vollkorn yanone-kaffeesatz yrsa-rasa texgyre
"""
FONTS = [f"fonts-{name}" for name in _NAMES.split()]
"""Debian packages, all free: most under the SIL Open Font License, others under the GPL, the Apache
License 2.0, GUST's or Bitstream Vera's; /usr/share/doc/PACKAGE/copyright of each says it."""

_ABSENT = "\U0010fffd"  # no font has it
_FINE = 4  # times as large, before it is brought to its size


def characters(size: int = 32) -> data.Images:
    """Letters and digits, one of each in every font that is installed: grey, black on white.

    Names are ``package/file/character``, and the label is the character. All fonts stand on the
    same line at the same size, so that o and O differ.
    """
    pixels, labels, names = [], [], []
    for package in FONTS:
        for path in _files(package):
            for character, drawn in zip(CHARACTERS, _draw(path, size), strict=False):
                pixels.append(drawn)
                labels.append(character)
                names.append(f"{package}/{path.name}/{character}")
    return data.Images(np.stack(pixels)[..., None], np.array(labels), names=np.array(names, object))


def by_font(images: data.Images, seed: int = 0) -> tuple[data.Images, data.Images]:
    """Characters to learn from, and those of a quarter of the packages, which are new fonts."""
    packages = np.array([name.partition("/")[0] for name in images.names])
    order = np.random.default_rng(seed).permutation(np.unique(packages))
    new = np.isin(packages, order[: len(order) // 4])
    return images[~new], images[new]


def _files(package: str) -> list[pathlib.Path]:
    found = subprocess.run(
        ["/usr/bin/dpkg", "-L", package], capture_output=True, text=True, check=False
    )
    paths = map(pathlib.Path, found.stdout.split("\n"))
    return sorted(path for path in paths if path.suffix.lower() in (".ttf", ".otf"))


def _draw(path: pathlib.Path, size: int) -> list[np.ndarray]:
    """Every character; nothing of a font that lacks one or has its symbols in their place."""
    font = ImageFont.truetype(path, int(0.8 * size * _FINE))
    absent = bytes(font.getmask(_ABSENT))
    if any(bytes(font.getmask(each)) in (absent, b"") for each in CHARACTERS):
        return []
    found = []
    for character in CHARACTERS:
        page = Image.new("L", (size * _FINE, size * _FINE), "white")
        place = size * _FINE // 2, int(0.75 * size * _FINE)
        ImageDraw.Draw(page).text(place, character, "black", font, anchor="ms")
        found.append(np.asarray(page.resize((size, size), Image.Resampling.BOX)))
    return found
