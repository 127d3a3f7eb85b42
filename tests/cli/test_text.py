"""Names, labels and paths of any kind, on any terminal: never an error, least of all at the end."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from barlow.cli import app

COMMAND = os.fsencode(pathlib.Path(sys.executable).with_name("barlow"))
LATIN_1 = b"caf\xe9"
TERMINALS = {
    "strict UTF-8": {"PYTHONIOENCODING": "utf-8:strict"},
    "ASCII": {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0", "LC_ALL": "C"},
    "Windows": {"PYTHONIOENCODING": "cp1252:strict", "PYTHONUTF8": "0"},
}


def write(folder, names):
    """Images below a folder whose name is bytes, by the names of their classes."""
    random = np.random.default_rng(0)
    for name in names:
        place = os.path.join(folder, name)
        os.makedirs(place)
        for number in range(8):
            pixels = random.integers(0, 256, (8, 8, 3)).astype("uint8")
            Image.fromarray(pixels).save(os.path.join(place, b"%d.png" % number))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the same for all: done once, on JAX")
@pytest.mark.parametrize("terminal", TERMINALS)
def test_names_of_any_kind_are_trained_evaluated_and_shown(terminal, tmp_path):
    root = os.fsencode(tmp_path) + b"/" + LATIN_1
    write(root, [LATIN_1, "写真".encode(), b"tab\tand\nline", b"\x1b[31mred"])
    for bad in ("写真.png".encode(), LATIN_1 + b".jpg", b"a\nb.png"):
        pathlib.Path(os.fsdecode(os.path.join(root, LATIN_1, bad))).write_bytes(b"no image")
    run = os.path.join(os.fsencode(tmp_path), b"r\xe9sultat")
    small = [b"--epochs", b"1", b"--batch-size", b"8", b"--projector", b"8,8"]
    for arguments in (
        [b"pretrain", root, b"--out", run, b"--probe", root, *small],
        [b"evaluate", run, root],
    ):
        done = subprocess.run(
            [COMMAND, *arguments],
            env={**os.environ, **TERMINALS[terminal]},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        assert b"\x1b[31mred" not in done.stdout
        assert b"4 classes" in done.stdout
    written = pathlib.Path(os.fsdecode(run))
    for path in (*written.glob("*.json"), *written.glob("*.jsonl")):
        for line in path.read_text("ascii").splitlines() if path.suffix == ".jsonl" else [""]:
            json.loads(line or path.read_text("ascii"), parse_constant=pytest.fail)
    (metadata,) = written.glob("tensorboard/*/features/metadata.tsv")
    assert len(metadata.read_bytes().decode("utf-8").splitlines()) > 1


def test_classes_are_shown_with_their_numbers(tmp_path):
    for name, count in (("cat", 3), ("dog", 2), ("rare moth", 1)):
        (tmp_path / name).mkdir()
        for number in range(count):
            pixels = np.random.default_rng(number).integers(0, 256, (8, 8)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    done = CliRunner().invoke(app, ["recommend", str(tmp_path)])
    assert done.exit_code == 0
    shown = "3 classes: cat 3, dog 2, rare moth 1; 1 of them with a single image."
    assert shown in done.output


def test_home_is_home_in_every_option(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write(os.fsencode(tmp_path / "photos"), [b"cat"])
    done = CliRunner().invoke(app, ["views", "~/photos", "--out", "~/sheet.png"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "sheet.png").is_file()
    small = ["--epochs", "1", "--batch-size", "8", "--projector", "8,8"]
    done = CliRunner().invoke(app, ["pretrain", "~/photos", "--out", "~/runs/x", *small])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "runs" / "x" / "encoder.keras").is_file()
    assert not (tmp_path / "~").exists()
