"""Pictures of a run, whatever its numbers are."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from barlow import report, runs
from barlow.evaluation import Confusion
from barlow.report.confusion import most_confused

LOSS = [10.0, 5.0, 2.5]
TERMS = {
    "both": (LOSS, [8.0, 4.0, 2.0], [2.0, 1.0, 0.5], 0.4),
    "lambda is 0": (LOSS, LOSS, [0.0, 0.0, 0.0], 0.0),
    "lambda is 0, rounded": (LOSS, LOSS, [-1e-7, 1e-7, 0.0], 0.0),
    "one epoch": (LOSS[:1], LOSS[:1], [0.0], 0.0),
    "perfect": ([0.0], [0.0], [0.0], 0.0),
    "zero at last": ([4.0, 0.0], [4.0, 0.0], [1e-30, 0.0], 0.0),
}


@pytest.mark.once
@pytest.mark.parametrize("name", TERMS)
def test_a_training_is_drawn_without_a_warning_whatever_its_terms_are(name, tmp_path):
    *columns, floor = TERMS[name]
    runs.write_json(tmp_path / runs.CONFIG, {"loss_at_start": 16.0, "loss_floor": floor})
    names = ("loss", "invariance", "redundancy")
    rows = [
        {"epoch": epoch, **dict(zip(names, row, strict=True))}
        for epoch, row in enumerate(zip(*columns, strict=True), 1)
    ]
    (tmp_path / runs.METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    np.savez(tmp_path / runs.CORRELATION, before=np.eye(4), after=np.eye(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Matplotlib's
        picture = report.draw_training(tmp_path)
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue = np.all(np.abs(pixels - [0, 0x72, 0xB2]) < 20, axis=-1)  # of the invariance
    assert blue.any() == any(value > 0 for value in columns[1])
    dark = np.all(pixels < 128, axis=-1)
    left = dark[:, : pixels.shape[1] // 3]  # the first axes
    assert np.ptp(np.flatnonzero(left.any(axis=1))) / len(left) > 0.75  # as high as the picture


@pytest.mark.once
@pytest.mark.parametrize(("classes", "mistaken"), [(2, 0), (10, 5), (60, 20), (1, 0)], ids=str)
def test_confusions_are_drawn_without_a_warning_whatever_the_classes_are(
    classes, mistaken, tmp_path
):
    names = ["a$b", "日本", "line\nbreak", "a name that is longer than all the others", "", "$\\x$"]
    names = (names + [f"class {number}" for number in range(classes)])[:classes]
    counts = 9 * np.eye(classes, dtype=int)
    for row in range(mistaken):
        counts[row, row + 1] = 5
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        picture = report.draw_confusion(Confusion(tuple(names), counts), tmp_path / "c.png")
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue = np.all(np.abs(pixels - [8, 48, 107]) < 20, axis=-1)  # of all images of a class
    assert blue.sum() > 50
    assert max(pixels.shape) < 2500


@pytest.mark.once
def test_of_many_classes_the_most_mistaken_are_shown():
    random = np.random.default_rng(0)
    counts = np.diag(random.integers(5, 9, 50))
    for one, other in ((3, 40), (40, 7), (20, 21)):
        counts[one, other] += 4
    assert most_confused(Confusion(tuple(map(str, range(50))), counts), 5).tolist() == [
        3, 7, 20, 21, 40,
    ]  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    ["beach.jpg", "icon.png", "index.html", "notes.png", "thesis.pdf", "plan.svg", "a.eps", "a.ps"],
)
def test_a_sheet_replaces_a_sheet_and_nothing_else(name, tmp_path):
    tile = report.Tile(np.zeros((8, 8, 3), "uint8"), "black")
    path, rows = tmp_path / name, [report.Row("row", [tile])]
    if name not in ("beach.jpg", "icon.png"):
        path.write_text("mine")
    else:
        Image.new("RGB", (8, 8)).save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"it would be lost\. Choose another name"):
        report.contact_sheet(rows, path)
    assert path.read_bytes() == before
    path.write_bytes(b"")  # as a program makes a temporary file
    for _ in range(2):
        report.contact_sheet(rows, path)
    assert report.is_sheet(path)
