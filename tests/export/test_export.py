"""`barlow.export`: every format gives the vectors of the encoder, in its own runtime."""

import json
import re
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import small
from PIL import Image, ImageOps
from typer.testing import CliRunner

import barlow
from barlow import backend, embedding, runs
from barlow.cli import app
from barlow.data.decoding import decode
from barlow.export import converting, formats
from barlow.export.card import RESIZED, card

BACKEND = keras.backend.backend()
# Formats that the backend writes itself, and with JAX one that another backend writes for it.
TRIED = {
    "torch": ("keras", "onnx", "torch", "openvino"),
    "jax": ("saved_model",),
    "tensorflow": ("saved_model", "litert"),
}[keras.backend.backend()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    start, out = folder / "start.weights.h5", folder / "digits"
    small.network((8, 8, 1)).save_weights(start)
    settings = barlow.Settings(
        epochs=1,
        batch_size=32,
        encoder="small:network",
        weights=str(start),
        projector=(8,),
        views="glyphs",
    )
    return barlow.pretrain(barlow.data.digits()[:64], out, settings)


def test_the_code_of_the_cards_gives_the_vectors_of_the_encoder(run, tmp_path):
    program = "import os, sys; sys.modules['barlow'] = None\n"
    for name in TRIED:
        written = barlow.export.write(run, tmp_path / name, name)
        assert written.file.exists()
        assert written.differences.keys() == {1, 7}
        card = (written.folder / "README.md").read_text("utf-8")
        assert re.search(r"began with the weights `.*start\.weights\.h5`", card)
        (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
        assert len(code.splitlines()) == 5
        program += f"os.chdir(r'{written.folder}')\n{code}\n"
        program += f"np.savez(r'{tmp_path / name}.npz', images=images, vectors=vectors)\n"
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(TRIED)
    subprocess.run([sys.executable, "-c", program], check=True)
    encoder = runs.load_encoder(run)
    for name in TRIED:
        with np.load(tmp_path / f"{name}.npz") as found:
            expected = backend.predict(encoder, found["images"])
            largest = np.abs(expected).max()
            np.testing.assert_allclose(found["vectors"], expected, atol=1e-4 * largest)


@pytest.mark.once
def test_an_export_that_was_damaged_is_refused(run, tmp_path):
    import onnx

    written = barlow.export.write(run, tmp_path / "export", "onnx")
    content = written.file.read_bytes()
    model = onnx.load(written.file)
    weights = next(each for each in model.graph.initializer if len(each.raw_data) > 100)
    weights.raw_data = weights.raw_data[4:] + weights.raw_data[:4]  # by one number
    for damaged in (model.SerializeToString(), content[: len(content) // 2]):
        written.file.write_bytes(damaged)
        result = CliRunner().invoke(app, ["export", "--check", str(written.folder)])
        assert result.exit_code == 2
        assert "Error: The exported file" in result.output
    written.file.write_bytes(content)
    result = CliRunner().invoke(app, ["export", "--check", str(written.folder)])
    assert result.exit_code == 0
    assert "Largest difference from the encoder's vectors" in result.output


@pytest.mark.once
def test_a_layer_that_others_do_not_have_is_no_keras_file_for_others(tmp_path, monkeypatch):
    (tmp_path / "ours.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('ours')\n"
        "class Halve(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return x / 2\n"
        "def network(shape):\n"
        "    inputs = keras.Input(shape)\n"
        "    return keras.Model(inputs, keras.layers.Flatten()(Halve()(inputs)))\n"
    )
    monkeypatch.chdir(tmp_path)
    settings = barlow.Settings(epochs=1, batch_size=32, encoder="ours:network", projector=(8,))
    run = barlow.pretrain(barlow.data.digits()[:32], "run", settings)
    with pytest.raises(barlow.export.Differs, match=r"does not run in keras: .*Halve"):
        barlow.export.write(run, format="keras")
    assert {file.name for file in tmp_path.iterdir()} <= {"ours.py", "__pycache__", "run"}


def test_barlows_own_layers_are_replaced_by_those_of_keras():
    encoder = barlow.models.encoder("vit_tiny", (16, 16, 1))
    plain = converting.without_barlow(encoder)
    assert all(type(layer).__module__.startswith("keras.") for layer in plain.layers)
    images = converting.examples((16, 16, 1))
    found, expected = (backend.predict(model, images) for model in (plain, encoder))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    small_one = small.network((8, 8, 1))
    assert converting.without_barlow(small_one) is small_one


def test_an_encoder_of_half_precision_is_exported_in_float32():
    with backend.keras_defaults("mixed_bfloat16"):
        encoder = small.network((8, 8, 1))
        other = small.network((8, 8, 1))
    other.set_weights(encoder.get_weights())
    images = converting.examples((8, 8, 1))
    half = np.asarray(backend.predict(encoder, images), "float32")
    single = backend.predict(converting.as_float32(other), images)
    assert single.dtype == "float32"
    assert 0 < np.abs(single - half).max() < 0.02 * np.abs(single).max()
    assert embedding.weights_hash(encoder) == embedding.weights_hash(other)


@pytest.mark.once
@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("size", "mode"), [((50, 31), "RGB"), ((17, 40), "L")])
def test_the_card_resizes_as_barlow_does(size, mode, resize, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    photo = Image.open(tmp_path / "photo.png").convert(mode)
    _, call = RESIZED[resize]
    names = {"Image": Image.Resampling, "ImageOps": ImageOps, "photo": photo}
    how = {"size": (16, 12), "background": "#ff8000"}
    image = eval(call.format(**how), names)  # noqa: S307 - the text of the card
    expected = decode(tmp_path / "photo.png", (12, 16), len(mode), "#ff8000", resize=resize)
    np.testing.assert_array_equal(np.asarray(image).reshape(expected.shape), expected)


@pytest.mark.once
@pytest.mark.parametrize("channels", [1, 3])
def test_the_card_reads_photos_as_barlow_does(channels, tmp_path, monkeypatch):
    """Turned by the camera, and transparent."""
    pixels = np.random.default_rng(0).integers(0, 256, (50, 31, 4)).astype("uint8")
    exif = Image.Exif()
    exif[0x0112] = 6
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels).save("photo.jpg", "PNG", exif=exif)
    shape, version = (12, 16, channels), {"barlow": "0.1.0"}
    facts = {
        **{"format": "keras", "image_shape": shape, "features": 8, "resize": "pad"},
        **{"background": "#ff8000", "versions": version, "packages": version, "weights": ""},
        "differences": {},
    }
    text = card("x", formats.FORMATS["keras"], None, facts)
    (code,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"Image": Image, "ImageOps": ImageOps, "np": np}
    exec(code, names)  # noqa: S102 - the text of the card
    expected = decode(tmp_path / "photo.jpg", (12, 16), channels, "#ff8000", resize="pad")
    np.testing.assert_allclose(names["images"][0], expected, atol=1)  # of rounding


@pytest.mark.once
def test_nothing_is_lost_and_nothing_is_left(run, tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="is no export"):
            barlow.export.write(run, taken, "keras", overwrite=overwrite)
    with pytest.raises(FileNotFoundError, match="not a finished run"):
        barlow.export.write(taken, tmp_path / "x", "keras")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="No export can be written"):
        barlow.export.write(run, tmp_path / "file" / "x", "keras")
    with pytest.raises(ValueError, match=r"no format 'onx'\. Did you mean 'onnx'"):
        barlow.export.write(run, tmp_path / "x", "onx")
    with pytest.raises(ValueError, match="name a folder"):
        barlow.export.write(small.network((8, 8, 1)), format="keras")
    with pytest.raises(ValueError, match="leaves the size of images open"):
        barlow.export.write(small.network((None, None, 1)), tmp_path / "x", "keras")
    with pytest.raises(FileNotFoundError, match="no export"):
        barlow.export.check(taken)
    assert {file.name for file in tmp_path.iterdir()} == {"taken", "file"}

    exported = tmp_path / "exported"
    exported.mkdir()
    (exported / "export.json").write_text(json.dumps({"format": "keras", "backend": "torch"}))
    with pytest.raises(FileExistsError, match="--overwrite"):
        barlow.export.write(run, exported, "keras")


@pytest.mark.once
def test_what_is_missing_is_named_with_the_command(monkeypatch):
    there = set()
    monkeypatch.setattr(formats, "_is_installed", lambda module: module in there)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'barlow\[tensorflow\]'"):
        formats.backend_for("litert", "jax")
    there |= {"torch", "jax"}
    with pytest.raises(ModuleNotFoundError, match=r"pip install onnx onnxscript onnxruntime$"):
        formats.backend_for("onnx", "jax")
    there |= {"tensorflow", "tf2onnx", "onnxruntime"}  # complete, where PyTorch is not
    assert formats.backend_for("onnx", "torch") == "tensorflow"
    there |= {"onnx", "onnxscript"}
    assert formats.backend_for("onnx", "torch") == "torch"
    assert formats.backend_for("onnx", "tensorflow") == "torch"  # holds more networks
    there |= {"keras"}
    assert formats.backend_for("keras", "jax") == "jax"


@pytest.mark.once
def test_the_command_takes_a_run_or_an_export():
    for arguments in ([], ["run", "--check", "export"]):
        result = CliRunner().invoke(app, ["export", *arguments])
        assert result.exit_code == 2
        assert "Give the run to export" in result.output


@pytest.mark.once
def test_what_is_no_part_of_an_export_stays_when_it_is_replaced(run, tmp_path):
    out = tmp_path / "exported"
    barlow.export.write(run, out, "keras")
    for name in ("app.py", "README.md", "encoder.onnx"):  # the last as of another format
        (out / name).write_text("mine")
    barlow.export.write(run, out, "keras", overwrite=True)
    assert {path.name for path in out.iterdir()} == {
        *("README.md", "export.json", "check.npz", "encoder.keras"),
        *("app.py", "README-2.md"),
    }
    assert (out / "README-2.md").read_text() == (out / "app.py").read_text() == "mine"
    assert (out / "README.md").read_text().startswith("---")
    assert barlow.export.check(out)
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]
