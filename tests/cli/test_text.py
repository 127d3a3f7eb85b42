"""Names, labels and paths of any kind, on any terminal: never an error, least of all at the end."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from barlow.cli import app

pytestmark = pytest.mark.once

COMMAND = pathlib.Path(sys.executable).with_name("barlow")
LATIN_1 = os.fsdecode(b"caf\xe9")
TERMINALS = {
    "strict UTF-8": {"PYTHONIOENCODING": "utf-8:strict"},
    "ASCII": {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0", "LC_ALL": "C"},
    "Windows": {"PYTHONIOENCODING": "cp1252:strict", "PYTHONUTF8": "0"},
}


# Two commands, one after the other: a process takes seconds to start.
BOTH = """
import sys
from _barlow_command import main
place = sys.argv.index("then")
for arguments in (sys.argv[1:place], sys.argv[place + 1:]):
    sys.argv = ["barlow", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


def write(folder, names):
    """Images below a folder, by the names of their classes."""
    random = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 256, (8, 8, 3)).astype("uint8")
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


@pytest.mark.parametrize("terminal", TERMINALS)
def test_names_of_any_kind_are_trained_evaluated_and_shown(terminal, tmp_path):
    root, run = tmp_path / LATIN_1, tmp_path / os.fsdecode(b"r\xe9sultat")
    write(root, [LATIN_1, "写真", "tab\tand\nline", "\x1b[31mred"])
    for bad in ("写真.png", f"{LATIN_1}.jpg", "a\nb.png"):
        (root / LATIN_1 / bad).write_bytes(b"no image")
    small = ["--epochs", "1", "--batch-size", "8", "--projector", "8,8"]
    training = ["pretrain", root, "--out", run, "--probe", root, *small]
    done = subprocess.run(
        [sys.executable, "-c", BOTH, *training, "then", "evaluate", run, root],
        env={**os.environ, **TERMINALS[terminal]},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"\x1b[31mred" not in done.stdout
    assert done.stdout.count(b"4 classes") == 3  # of what is learned, of the probe, of the test
    texts = [path.read_text("ascii") for path in run.glob("*.json")]
    for text in (*texts, *(run / "metrics.jsonl").read_text("ascii").splitlines()):
        json.loads(text, parse_constant=pytest.fail)
    (metadata,) = run.glob("tensorboard/*/features/metadata.tsv")
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
    write(tmp_path / "photos", ["cat"])
    done = CliRunner().invoke(app, ["views", "~/photos", "--out", "~/sheet.png"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "sheet.png").is_file()
    small = ["--epochs", "1", "--batch-size", "8", "--projector", "8,8"]
    done = CliRunner().invoke(app, ["pretrain", "~/photos", "--out", "~/runs/x", *small])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "runs" / "x" / "encoder.keras").is_file()
    assert not (tmp_path / "~").exists()


def test_a_warning_is_one_line_without_its_place_in_the_code(tmp_path):
    write(tmp_path / "photos", ["cat"])
    for path in (tmp_path / "photos").rglob("*.png"):
        Image.new("RGB", (8, 8)).save(path)  # black
    small = ["--epochs", "1", "--batch-size", "8", "--projector", "8,8"]
    command = [COMMAND, "pretrain", tmp_path / "photos", "--out", tmp_path / "run", *small]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert any(line.startswith("Warning: The images are nearly constant") for line in lines)
    assert not any(".py:" in line for line in lines), done.stderr
