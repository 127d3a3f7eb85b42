"""A classifier as files: a Keras model that needs nothing else, predictions, figures."""

import csv
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import small
from clouds import clouds, collection, some_labels

import barlow
from barlow import backend, labelling
from barlow.data import Images
from barlow.errors import InvalidInput
from barlow.labelling import writing
from barlow.models.vision_transformer import vision_transformer

ODD = ("a b", "c/d\\e", 'it\'s "f"', "ñandú 鳥", "=1+1", "-1", "{x}", "100 %")

LOAD = """\
import sys
sys.modules["barlow"] = None
import json, keras, numpy as np
images, *files = sys.argv[1:]
for file in files:
    model = keras.saving.load_model(file)
    found = model(np.load(images), training=False)
    np.save(file + ".npy", keras.ops.convert_to_numpy(found))
    classes = model.get_layer("temperature").bias_initializer.value
    print(json.dumps([classes, [type(layer).__module__ for layer in model._flatten_layers()]]))
"""


def without_barlow(images, *files):
    """Probabilities, classes and modules of layers in a process that has no barlow."""
    np.save(files[0].with_name("images.npy"), images)
    arguments = [files[0].with_name("images.npy"), *files]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, arguments)],
        check=True, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    said = map(json.loads, done.stdout.splitlines()[-len(files) :])
    return [(np.load(f"{file}.npy"), *each) for file, each in zip(files, said, strict=True)]


@pytest.fixture(scope="module")
def digits():
    images = barlow.data.digits()
    return images[np.flatnonzero(images.labels < 4)[:200]]


def test_it_predicts_without_barlow_and_knows_its_classes(digits, tmp_path):
    encoders = {
        "small": small.network((8, 8, 1)),
        "transformer": vision_transformer((8, 8, 1), width=8, depth=1, heads=2),
    }
    layers = encoders["transformer"].layers
    assert any(type(layer).__module__.startswith("barlow") for layer in layers)
    names = np.array(ODD, object)[np.arange(200) % 2 * 4 + digits.labels]
    labels = np.where(np.arange(200) < 60, names, "")
    fitted, written = {}, {}
    for name, encoder in encoders.items():
        encoder.save(tmp_path / f"{name}.keras")
        fitted[name] = labelling.fit(barlow.embed(encoder, digits), labels, method="both")
        written[name] = labelling.write(fitted[name], tmp_path / name, tmp_path / f"{name}.keras")
    assert written["small"] == (tmp_path / "small", tmp_path / "small" / "classifier.keras", True)
    images = digits.pixels[:].astype("float32")
    said = without_barlow(images, *(each.file for each in written.values()))
    for name, (found, classes, modules) in zip(encoders, said, strict=True):
        np.testing.assert_allclose(found, fitted[name].probabilities, atol=1e-4)
        assert classes == [*fitted[name].classes] == sorted(ODD)
        assert all(module.startswith("keras.") for module in modules)
        model = keras.saving.load_model(written[name].file)
        assert labelling.classes_of(model) == classes
        assert labelling.classes_of(encoders[name]) is None
        assert model.input_shape == (None, 8, 8, 1)


@pytest.fixture(scope="module")
def points():
    values, numbers = clouds([30, 25, 20], apart=4.0)
    return values, some_labels(numbers, 6)


def test_an_encoder_of_half_precision_stays_what_it_is(points):
    with backend.keras_defaults("mixed_bfloat16"):
        encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    fitted = labelling.fit(collection(points[0]), points[1])
    labelling.as_model(encoder, fitted.head)
    assert encoder.layers[0].compute_dtype == "bfloat16"


@pytest.mark.once
def test_where_no_encoder_is_known_it_takes_vectors(points, tmp_path):
    fitted = labelling.fit(collection(points[0]), points[1])
    written = labelling.write(fitted, tmp_path / "c")
    assert not written.takes_images
    model = keras.saving.load_model(written.file)
    assert labelling.classes_of(model) == ["class 0", "class 1", "class 2"]
    found = backend.predict(model, points[0])
    np.testing.assert_allclose(found, fitted.probabilities, atol=1e-4)


@pytest.mark.once
def test_predictions_and_figures_are_in_files(points, tmp_path):
    fitted = labelling.fit(collection(points[0]), points[1])
    labelling.write(fitted, tmp_path / "c")
    with (tmp_path / "c" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [each.path for each in fitted.predictions()]
    assert {row["path"] for row in rows} == {
        f"{row}.png" for row in np.flatnonzero(points[1] == "")
    }
    margins = [float(row["margin"]) for row in rows]
    assert margins == sorted(margins)
    assert [*rows[0]] == ["path", "label", "probability", "second", "margin"]
    content = json.loads((tmp_path / "c" / "labelling.json").read_text())
    assert content["method"] == fitted.choice.method
    assert (content["images"], content["labels"]) == (75, 18)
    assert [each["name"] for each in content["classes"]] == [*fitted.classes]
    assert sum(each["predicted"] for each in content["classes"]) == 57
    assert content["scores"]["accuracy"] == fitted.scores.accuracy
    assert np.sum(content["scores"]["confusion"]) == 18
    assert content["look_again"] == [each._asdict() for each in fitted.doubts()]
    assert {path.name for path in (tmp_path / "c").iterdir()} == {
        "classifier.keras",
        "predictions.csv",
        "labelling.json",
    }


@pytest.mark.once
def test_with_too_few_labels_the_file_says_so(points, tmp_path):
    labels = np.full(75, "", object)
    labels[[0, 40]] = "a", "b"
    labelling.write(labelling.fit(collection(points[0]), labels), tmp_path / "c")
    content = json.loads((tmp_path / "c" / "labelling.json").read_text())
    assert (content["scores"], content["log_loss"]) == (None, {})
    assert "nothing can be cross-validated" in content["why"]


@pytest.mark.once
def test_names_that_are_no_text_are_written(points, tmp_path):
    names = [f"{row}\udce9\n.png" for row in range(75)]
    labels = points[1].copy()
    labels[0] = labels[1] = "caf\udce9"
    labels[70] = labels[40] = "café"
    fitted = labelling.fit(collection(points[0], names), labels)
    assert "café" in fitted.classes
    labelling.write(fitted, tmp_path / "c")
    json.loads((tmp_path / "c" / "labelling.json").read_text())
    assert len((tmp_path / "c" / "predictions.csv").read_text("utf-8-sig")) > 1000


@pytest.mark.once
def test_another_encoder_is_refused_and_nothing_is_written(digits, tmp_path):
    encoder, other = small.network((8, 8, 1)), small.network((8, 8, 1))
    fitted = labelling.fit(barlow.embed(encoder, digits), digits.labels)
    with pytest.raises(InvalidInput, match="did not make these vectors"):
        labelling.write(fitted, tmp_path / "c", other)
    assert not (tmp_path / "c").exists()
    with pytest.raises(FileNotFoundError, match="gone"):
        labelling.write(fitted, tmp_path / "c", tmp_path / "gone")


@pytest.mark.once
def test_a_place_that_is_taken_is_refused(points, tmp_path):
    fitted = labelling.fit(collection(points[0]), points[1])
    labelling.write(fitted, tmp_path / "c")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        labelling.write(fitted, tmp_path / "c")
    (tmp_path / "c" / "mine.txt").write_text("mine")
    other = labelling.fit(collection(points[0]), points[1], method="linear")
    labelling.write(other, tmp_path / "c", overwrite=True)
    assert json.loads((tmp_path / "c" / "labelling.json").read_text())["why"] == "asked for"
    assert (tmp_path / "c" / "mine.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(FileExistsError, match="is no classifier"):
            labelling.write(fitted, place, overwrite=True)
    with pytest.raises(InvalidInput, match=r"that has classifier\.keras"):
        labelling.write(fitted, tmp_path / "x.keras")
    with pytest.raises(OSError, match="No classifier can be written"):
        writing.check_place(tmp_path / "file" / "c")
    (tmp_path / "empty").mkdir()
    assert writing.check_place(tmp_path / "empty") == tmp_path / "empty"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "empty", "file"]


@pytest.mark.once
def test_an_interrupted_write_leaves_what_was_there(points, tmp_path, monkeypatch):
    fitted = labelling.fit(collection(points[0]), points[1])
    labelling.write(fitted, tmp_path / "c")
    before = {path: path.read_bytes() for path in (tmp_path / "c").iterdir()}

    def fails(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(keras.Model, "save", fails)
    with pytest.raises(OSError, match="No space left"):
        labelling.write(fitted, tmp_path / "c", overwrite=True)
    assert {path: path.read_bytes() for path in (tmp_path / "c").iterdir()} == before
    with pytest.raises(OSError, match="No space left"):
        labelling.write(fitted, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.once
def test_signals_and_rows_have_classifiers_too(points, tmp_path):
    inputs = keras.Input((8,))
    encoder = keras.Model(inputs, keras.layers.Dense(6)(inputs))
    embeddings = barlow.embed(encoder, Images(points[0]))
    fitted = labelling.fit(embeddings, points[1])
    written = labelling.write(fitted, tmp_path / "c", encoder)
    found = backend.predict(keras.saving.load_model(written.file), points[0])
    np.testing.assert_allclose(found, fitted.probabilities, atol=1e-4)


@pytest.mark.once
def test_a_size_that_the_encoder_leaves_open_is_that_of_the_images(tmp_path):
    inputs = keras.Input((None, None, 1))
    features = keras.layers.Conv2D(8, 3)(keras.layers.Rescaling(1 / 255)(inputs))
    encoder = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(features))
    images = barlow.data.digits()
    labels = [str(label) if row < 100 else "" for row, label in enumerate(images.labels)]
    fitted = labelling.fit(barlow.embed(encoder, images), labels)
    written = labelling.write(fitted, tmp_path / "c", encoder)
    model = keras.saving.load_model(written.file)
    assert model.input_shape == (None, 8, 8, 1)
    found = backend.predict(model, images.pixels[:50].astype("float32"))
    np.testing.assert_allclose(found, fitted.probabilities[:50], atol=1e-4)
