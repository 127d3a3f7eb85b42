"""`barlow evaluate` with several runs, encoders and files of vectors."""

import json
import re

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from barlow import data, own, runs, vectors
from barlow.cli import app

pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore:Left out. linear probes:UserWarning"),
]


def evaluate(*arguments):
    """Exit code and output of the command, without line breaks."""
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)], env={"COLUMNS": "160"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.output


def save_encoder(path, features, shape=(8, 8, 1), seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input(shape), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    encoder = keras.Sequential([*layers, keras.layers.Dense(features)])
    path.parent.mkdir(exist_ok=True)
    encoder.save(path)
    return encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six digits a class of three, as files; one file is no image. Two encoders, and vectors."""
    path, digits = tmp_path_factory.mktemp("compared"), data.digits()
    for label in range(3):
        for row in np.flatnonzero(digits.labels == label)[: 12 + 12 * label]:
            place = path / "digits" / f"digit {label}" / f"{row}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(digits.pixels[row, ..., 0]).save(place)
    (path / "digits" / "digit 0" / "bad.png").write_bytes(b"no image")
    good = save_encoder(path / "good" / "good.keras", 32)
    save_encoder(path / "large" / "large.keras", 2, (12, 12, 3))
    vectors.write(good, path / "digits", path / "good.parquet")
    return path


def test_encoders_of_other_sizes_and_vectors_are_tested_on_the_same_images(folder):
    names = ("good/good.keras", "large/large.keras", "good.parquet")
    paths = [folder / name for name in names]
    code, output = evaluate(*paths, folder / "digits")
    assert code == 0, output
    written = [json.loads((path.parent / runs.EVALUATION).read_text()) for path in paths]
    good, large, file = written
    assert good["test_images"] == large["test_images"] == file["test_images"] == 18
    learned = [[row for row in each["rows"] if row["features"] == "learned"] for each in written]
    assert learned[0] == learned[2]
    assert {row["features"] for row in file["rows"]} == {"learned"}
    assert good["retrieval"][-1] == file["retrieval"][0]
    assert [each["features"] for each in written] == [32, 2, 32]
    assert all(each["lidar"] is None for each in written)
    assert output.count("has no views, so there is no LiDAR of it") == 2
    comparison = good["comparison"]
    assert comparison["this"] == str(paths[0])
    assert [each["second"] for each in comparison["differences"]] == [str(paths[2]), str(paths[1])]
    assert comparison["verdict"] in output
    low, high = (100 * comparison["differences"][1][end] for end in ("low", "high"))
    assert f"{low:+.1f} to {high:+.1f}" in output
    assert "balanced" in output  # since the classes are unequal
    with Image.open(paths[1].parent / runs.CONFUSION) as picture:
        assert own.is_marked(picture)


def test_vectors_with_labels_need_no_images_and_take_others_by_name(folder, tmp_path):
    file = tmp_path / "mine.parquet"
    file.write_bytes((folder / "good.parquet").read_bytes())
    code, output = evaluate(file)
    assert code == 0, output
    alone = json.loads((tmp_path / runs.EVALUATION).read_text())
    assert alone["confusion"]["classes"] == ["digit 0", "digit 1", "digit 2"]
    lines = ["path,label\n"]
    lines += [f"{name},{name.split('/')[0] == 'digit 1'}\n" for name in vectors.read(file).names]
    (folder / "digits" / "list.csv").write_text("".join(lines))
    code, output = evaluate(file, folder / "digits")
    assert code == 0, output
    assert json.loads((tmp_path / "evaluation-2.json").read_text())["rows"] == alone["rows"]
    code, output = evaluate(file, folder / "digits" / "list.csv")
    assert code == 2
    assert re.search("The image digit 0/.* has the label False in one set and digit 0 in", output)


def test_a_run_has_lidar_by_its_own_views(folder, tmp_path):
    run = tmp_path / "run"
    arguments = ["pretrain", folder / "digits", "--out", run, "--epochs", 1, "--batch-size", 36]
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    code, output = evaluate(run, folder / "digits")
    assert code == 0, output
    found = json.loads((run / runs.EVALUATION).read_text())
    assert 1 <= found["lidar"] <= 53
    assert f"LiDAR {found['lidar']:.1f}." in output
    assert (run / runs.CONFUSION).exists()
    assert "comparison" not in found


def test_what_cannot_be_compared_is_one_sentence(folder, tmp_path):
    broken = save_encoder(tmp_path / "broken" / "broken.keras", 4)
    broken.set_weights([np.full_like(weight, np.nan) for weight in broken.get_weights()])
    broken.save(tmp_path / "broken" / "broken.keras")
    good, file = folder / "good" / "good.keras", folder / "good.parquet"
    bare = tmp_path / "bare.parquet"
    vectors.write(runs.load_encoder(good), sorted((folder / "digits").rglob("?.png")), bare)
    for arguments, words in (
        ((good, good, folder / "digits"), "is given twice"),
        ((good, file), "needs labelled images"),
        ((good,), "needs labelled images"),
        ((bare,), "needs labels"),
        ((file, "--group-duplicates"), "Copies are found by an encoder and images"),
        ((good, tmp_path / "broken" / "broken.keras", folder / "digits"), "broken.keras: The enc"),
        ((good, bare, folder / "digits"), "No image is in all of the sets"),
    ):
        code, output = evaluate(*arguments)
        assert code == 2, (arguments, output)
        assert words in output, (arguments, output)
