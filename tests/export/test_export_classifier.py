"""A classifier is exported as encoders are, with its classes and its figures in the card."""

import json
import re

import numpy as np
import onnxruntime
import pytest
import small
from pictures import draw
from typer.testing import CliRunner

import barlow
from barlow import labelling
from barlow.cli import app
from barlow.export import FORMATS
from barlow.export.card import card

pytestmark = pytest.mark.once

NAMES = ("a b", "c/d|e", 'it\'s "ñ" 鳥', "=1+1")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classifier of digits, and its folder."""
    place = tmp_path_factory.mktemp("classifiers")
    images = barlow.data.digits()
    images = images[np.flatnonzero(images.labels < 4)[:200]]
    small.network((8, 8, 1)).save(place / "encoder.keras")
    labels = [NAMES[label] if row < 80 else "" for row, label in enumerate(images.labels)]
    fitted = labelling.fit(barlow.embed(place / "encoder.keras", images), labels, method="both")
    labelling.write(fitted, place / "digits", place / "encoder.keras")
    return place, fitted, images.pixels[:].astype("float32")


@pytest.fixture(scope="module")
def exported(made):
    return barlow.export.write(made[0] / "digits", format="onnx")


def test_onnx_gives_the_probabilities_of_the_classifier(made, exported):
    place, fitted, images = made
    assert exported.folder == place / "digits-onnx"
    assert exported.file.name == "classifier.onnx"
    session = onnxruntime.InferenceSession(exported.file)
    for count in (1, 200):
        (found,) = session.run(None, {session.get_inputs()[0].name: images[:count]})
        np.testing.assert_allclose(found, fitted.probabilities[:count], atol=1e-4)


def test_the_facts_and_the_card_have_classes_and_figures(made, exported):
    _, fitted, _ = made
    facts = json.loads((exported.folder / "export.json").read_text())
    assert facts["classes"] == [*fitted.classes] == sorted(NAMES)
    assert facts["labelling"]["labels"] == 80
    assert facts["labelling"]["scores"]["accuracy"] == fitted.scores.accuracy
    assert "look_again" not in facts["labelling"]  # names of images are nobody's business
    text = (exported.folder / "README.md").read_text("utf-8")
    assert text.startswith("---\nlibrary_name: onnx\npipeline_tag: image-classification\n")
    assert "# digits, ONNX" in text
    (listed,) = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert json.loads(listed) == [*fitted.classes]
    assert f"its accuracy is {fitted.scores.accuracy:.3f}" in text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "classifier.onnx" in code
    assert "encoder" not in code
    for name in NAMES:
        assert f"| {name.replace('|', '/')} | " in text


def test_a_classifier_and_its_export_resize_as_its_vectors_were(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        draw(number).resize((40, 90)).save(folder / f"{number}.png")
    small.network((16, 16, 3)).save(tmp_path / "encoder.keras")
    way = {"resize": "pad", "background": "black"}
    barlow.vectors.write(tmp_path / "encoder.keras", folder, tmp_path / "x.parquet", **way)
    vectors = barlow.vectors.read(tmp_path / "x.parquet")
    labels = [str(row % 2) if row < 12 else "" for row in range(len(vectors))]
    fitted = labelling.fit(vectors, labels)
    labelling.write(fitted, tmp_path / "classifier", tmp_path / "encoder.keras")
    exported = barlow.export.write(tmp_path / "classifier", format="keras")
    for file in (tmp_path / "classifier" / labelling.MODEL, exported.file):
        found = barlow.embed(file, folder)
        assert found.resize == vectors.resize
        np.testing.assert_allclose(found.vectors, fitted.probabilities, atol=1e-4)
    card_ = (exported.folder / "README.md").read_text("utf-8")
    assert "ImageOps.pad(photo, (16, 16), Image.BICUBIC, 'black')" in card_


def test_the_command_checks_it_and_refuses_what_is_there(made, exported):
    place, _, _ = made
    result = CliRunner().invoke(app, ["export", "--check", str(exported.folder)])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["export", str(place / "digits"), "--format", "onnx"])
    assert result.exit_code == 2
    assert "Replace it (--overwrite" in result.output


def test_of_vectors_and_too_few_labels_the_card_says_so():
    facts = {
        "format": "keras", "image_shape": [8], "classes": ["a", "b"], "labelling": {},
        "differences": {1: 0.0}, "packages": {"keras": "3"}, "versions": {"barlow": "1"},
        "weights": "0",
    }  # fmt: skip
    text = card("c", FORMATS["keras"].called("classifier"), None, facts)
    assert "pipeline_tag: tabular-classification" in text
    assert "Not known: there were too few labels" in text
    assert 'load_model("classifier.keras"' in text
