"""Folders as bad as can be: every file is read, skipped with a reason, or counted."""

import io
import os
import shutil
import struct

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from barlow import data
from barlow.cli import app
from barlow.data import formats

FILES = 1_500
SEEDS = range(int(os.environ.get("BARLOW_SEEDS", "3")))  # twenty by hand
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F")
DEEP = {"I;16": "uint16", "I": "int32", "F": "float32"}
NAMES = (
    *("photo", "IMG 0001", "-rf", "a[b]", "*", "x'y\"z", "~", "100%", "a\nb", "a\tb", "\x1b[31m"),
    *("写真", "ÅÄÖ", "e\u0301", "🦊", b"caf\xe9".decode(errors="surrogateescape"), "training"),
)
OTHERS = (
    ("heic", b"\0\0\0\x18ftypheic" + bytes(99)),
    ("avif", b"\0\0\0\x18ftypavif" + bytes(99)),
    ("dcm", bytes(128) + b"DICM"),
    ("mp4", b"\0\0\0\x18ftypmp42" + bytes(99)),
    ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ("zip", b"PK\x03\x04" + bytes(99)),
    ("txt", b"just text"),
    ("json", b"{}"),
    ("", b"no suffix"),
    ("npz", b""),
)


def content(random):
    """The bytes of an image of any format and mode, and its suffix."""
    size = random.integers(1, 40, 2)
    kind, mode = random.choice(FORMATS), random.choice(MODES)
    if mode in DEEP:
        top = random.choice([1, 4095, 65535])
        values = random.uniform(0, top, size)
        image = Image.fromarray(
            values.astype({"I;16": "uint16", "I": "int32", "F": "float32"}[mode])
        )
        kind = "TIFF"
    else:
        pixels = random.integers(0, 256, (*size, 3)).astype("uint8")
        image = Image.fromarray(pixels).convert(mode)
    file = io.BytesIO()
    more = {"append_images": [image], "save_all": True} if random.random() < 0.1 else {}
    try:
        image.save(file, kind, **(more if kind in ("TIFF", "GIF") else {}))
    except (OSError, ValueError):  # not every format has every mode
        image.convert("RGB").save(file, kind := "PNG")
    return file.getvalue(), kind.lower()


def damaged(whole, random):
    """Cut short, with wrong bytes, empty, or of another kind."""
    way = random.integers(4)
    if way == 0:
        return whole[: random.integers(len(whole))]
    if way == 1:
        wrong = bytearray(whole)
        for place in random.integers(len(whole), size=5):
            wrong[place] = random.integers(256)
        return bytes(wrong)
    return b"" if way == 2 else struct.pack("<99I", *random.integers(2**32, size=99))


def make(folder, random):
    """Files of random kinds, damage, names and depths; returns their number."""
    classes = ["cat", "dog", "写真"][: random.integers(1, 4)]
    pictures = [content(random) for _ in range(200)]
    for number in range(FILES):
        place = folder / random.choice(classes) if random.random() < 0.99 else folder
        for _ in range(random.integers(0, 3)):
            place /= f"{random.choice(['deep', ' ', '.hidden', 'run'])}{random.integers(3)}"
        place.mkdir(parents=True, exist_ok=True)
        whole, suffix = pictures[random.integers(len(pictures))]
        if random.random() < 0.1:
            suffix, whole = OTHERS[random.integers(len(OTHERS))]
        elif random.random() < 0.15:
            whole = damaged(whole, random)
        hidden = "." if random.random() < 0.03 else ""
        name = f"{hidden}{random.choice(NAMES)}{number}"
        path = place / (f"{name}.{suffix}" if suffix else name)
        path = path.with_suffix(path.suffix.upper()) if random.random() < 0.1 else path
        path.write_bytes(whole)
    (folder / classes[0] / "circle").symlink_to(folder)
    (folder / classes[0] / "nowhere.png").symlink_to("nothing")
    os.mkfifo(folder / classes[0] / "pipe.png")
    return sum(len(files) for _, _, files in os.walk(folder))


pytestmark = [pytest.mark.slow, pytest.mark.once]


@pytest.fixture(scope="module", params=SEEDS)
def folder(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("any")
    files = make(place / "photos", np.random.default_rng(request.param))
    yield place / "photos", files
    shutil.rmtree(place)


def test_what_is_read_skipped_and_passed_over_are_all_files(folder):
    photos, files = folder
    for memory in (0, 2**30):
        images = data.load(photos, (16, 16), memory=memory)
        bad = [source for source, _ in images.skipped]
        assert len(images) + len(bad) + sum(images.passed_over.values()) == files
        assert len({*images.names, *bad}) == len(images) + len(bad)
        assert all(reason and source.isprintable() for source, reason in images.skipped)
        said = " ".join(images.notes)
        for kind in set(images.passed_over) - {formats.OTHER, formats.HIDDEN, formats.OWN}:
            assert kind in said


def test_commands_end_well_or_with_one_true_sentence(folder, tmp_path):
    photos, _ = folder
    run = tmp_path / "run"
    size = ["--image-size", "8", "--epochs", "1", "--projector", "8,8"]
    for command in (
        ["pretrain", photos, "--out", run, *size],
        ["evaluate", run, photos],
        ["pretrain", photos, "--out", tmp_path / "probed", "--probe", photos, *size],
    ):
        done = CliRunner().invoke(app, [os.fspath(argument) for argument in command])
        assert done.exit_code in (0, 2), done.output
        if done.exit_code:
            assert "Error: " in done.output
            assert "Traceback" not in done.output
            assert "bug" not in done.output
    assert (run / "encoder.keras").is_file()
