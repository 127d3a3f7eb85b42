"""`barlow evaluate` shows what it finds, from any encoder and few images, before it writes."""

import json
import shutil
import warnings

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from barlow import data, runs
from barlow.cli import app, scores, show
from barlow.evaluation import Row


def evaluate(*arguments):
    """Exit code, output and warnings of the command."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    said = [str(each.message) for each in caught if each.category is UserWarning]
    return result.exit_code, result.output, said


@pytest.fixture
def classes(tmp_path):
    """Folders of classes: five images of two digits, and one of a third."""
    digits = data.digits()
    for label, count in ((0, 5), (1, 5), (2, 1)):
        folder = tmp_path / "classes" / f"digit {label}"
        folder.mkdir(parents=True)
        for row in np.flatnonzero(digits.labels == label)[:count]:
            Image.fromarray(digits.pixels[row, ..., 0]).save(folder / f"{row}.png")
    return tmp_path / "classes"


def encoder_of(*shape):
    inputs = keras.Input(shape)
    features = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(features))


@pytest.mark.parametrize("shape", [(8, 8, 1), (None, None, 1), (None, None, 3), (16, None, 3)])
def test_an_encoder_file_is_evaluated_whatever_sizes_it_leaves_open(shape, classes, tmp_path):
    encoder = tmp_path / "encoders" / "mine.keras"
    encoder.parent.mkdir()
    encoder_of(*shape).save(encoder)
    code, output, said = evaluate(encoder, classes)
    if shape[0] == 16:
        assert (code, "The encoder takes images of shape" in output) == (2, True)
        return
    assert code == 0, output
    rows = json.loads((encoder.parent / runs.EVALUATION).read_text())["rows"]
    assert {row["features"] for row in rows} == {"pixels", "random", "learned"}
    assert "Accuracy on 3" in output
    assert any("single image is set aside" in text and "digit 2" in text for text in said)


def test_an_encoder_of_no_images_is_refused_by_name(classes, tmp_path):
    keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]).save(tmp_path / "rows.keras")
    code, output, _ = evaluate(tmp_path / "rows.keras", classes)
    assert (code, "takes inputs of shape (5,), which are no images" in output) == (2, True), output


def test_a_part_of_a_split_is_taken_as_the_note_on_it_says(classes, tmp_path):
    encoder_of(8, 8, 1).save(tmp_path / "mine.keras")
    for part in ("train", "val"):
        shutil.copytree(classes, tmp_path / "parts" / part)
    for path in (tmp_path / "parts" / "train").rglob("*.png"):
        flipped = path.with_name(f"flipped {path.name}")
        Image.fromarray(np.asarray(Image.open(path))[::-1]).save(flipped)
    _, output, _ = evaluate(tmp_path / "mine.keras", tmp_path / "parts")
    assert "33 grey images" in output
    assert "(--split)" in output
    for part, count in (("train", 22), ("val", 11)):
        code, output, _ = evaluate(tmp_path / "mine.keras", tmp_path / "parts", "--split", part)
        assert code == 0, output
        assert f"{count} grey images" in output


def test_every_page_is_taken_as_the_note_on_it_says(classes, tmp_path):
    encoder_of(8, 8, 1).save(tmp_path / "mine.keras")
    for path in (classes / "digit 0").iterdir():
        page = Image.open(path)
        page.save(path.with_suffix(".tif"), save_all=True, append_images=[page.rotate(180)])
        path.unlink()
    _, output, _ = evaluate(tmp_path / "mine.keras", classes)
    assert "11 grey images" in output
    assert "(--pages all)" in output
    _, output, _ = evaluate(tmp_path / "mine.keras", classes, "--pages", "all")
    assert "16 grey images" in output


def test_with_few_images_the_table_says_how_many_neighbours_vote(classes, tmp_path):
    encoder_of(8, 8, 1).save(tmp_path / "mine.keras")
    for path in sorted(classes.rglob("*.png"))[:2]:  # three of one class, five of the other
        path.unlink()
    code, output, said = evaluate(tmp_path / "mine.keras", classes)
    assert code == 0, output
    assert "4-NN" not in output
    assert "5-NN" in output
    for path in sorted((classes / "digit 1").iterdir())[:3]:
        path.unlink()
    code, output, said = evaluate(tmp_path / "mine.keras", classes)
    assert code == 0, output
    assert "3-NN" in output
    assert any("5, 10 and 100 labels per class" in text for text in said)


def test_the_table_is_shown_where_it_cannot_be_written_and_that_is_said_at_once(classes, tmp_path):
    """Root may write to any folder: one with the name of the file stands for a read-only one."""
    encoder_of(8, 8, 1).save(tmp_path / "mine.keras")
    taken = tmp_path / f".{runs.EVALUATION.replace('.', '.partial.')}"
    (taken / "more").mkdir(parents=True)
    code, output, _ = evaluate(tmp_path / "mine.keras", classes)
    assert code == 2
    said, table = output.index("cannot be written"), output.index("learned")
    assert said < table < output.index("Error: ")
    assert not (tmp_path / runs.EVALUATION).exists()
    other = tmp_path / "other" / "theirs.keras"
    other.parent.mkdir()
    encoder_of(8, 8, 1).save(other)
    code, output, _ = evaluate(tmp_path / "mine.keras", other, classes)
    assert code == 2
    assert not (tmp_path / runs.EVALUATION).exists()
    assert json.loads((other.parent / runs.EVALUATION).read_text())["rows"]


def test_a_probe_that_is_left_out_is_a_dash_in_the_table():
    rows = [
        Row("pixels, 32 x 32", "linear", 5, 0.5, 0.1),
        Row("learned", "linear", 5, 0.75, 0.1),
        Row("learned", "knn", None, 0.875, 0.0, 20),
    ]
    lines = [(name, [row for row in rows if row.features == name]) for name in
             ("pixels, 32 x 32", "learned")]  # fmt: skip
    with show.console.capture() as capture:
        scores.accuracy_table(lines, 7)
    table = capture.get()
    assert "20-NN" in table
    lines = {line.split("│")[1].strip(): line.split("│")[2:4] for line in table.splitlines()
             if "│" in line}  # fmt: skip
    assert [cell.strip() for cell in lines["pixels, 32 x 32"]] == ["0.500 ±0.100", "-"]
    assert [cell.strip() for cell in lines["learned"]] == ["0.750 ±0.100", "0.875"]


def test_a_training_that_a_callback_ended_says_so():
    metrics = {"loss": 2.0, "invariance": 1.5, "redundancy": 0.5}
    with show.console.capture() as capture:
        show.training(runs.Summary(7, 30, True, 1.0, metrics, 16.0, 0.1))
        show.training(runs.Summary(30, 30, True, 1.0, metrics, 16.0, 0.1))
    early, whole = capture.get().split("Trained 7 epochs")
    assert "A callback ended training after epoch 7 of 30." in early
    assert "callback" not in whole
