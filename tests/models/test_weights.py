"""Weights that an encoder starts from, and the values that they were learned with."""

import os
import pathlib
import re
import subprocess
import sys
import warnings
import zipfile

import keras
import numpy as np
import pytest
import small

import barlow
from barlow import models
from barlow.errors import InvalidInput
from barlow.models import applications

SHAPE = (8, 8, 3)
SHORT = {"epochs": 1, "batch_size": 8, "encoder": "small:network", "projector": (8, 8)}
# A network of every module of keras.applications.
FAMILIES = {
    getattr(keras.applications, name).__module__: name for name in reversed(models.APPLICATIONS)
}.values()


def module_of(name):
    return sys.modules[getattr(keras.applications, name).__module__]


def photos(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype("float32")


def vectors(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def assert_same_weights(found, expected):
    for one, other in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def random_network(name, image_shape):
    """Keras' own network, with weights that are all different."""
    make = getattr(keras.applications, name)
    network = make(include_top=False, weights=None, input_shape=image_shape, pooling="avg")
    for layer in network.layers:
        if layer.weights and isinstance(layer, keras.layers.Normalization):
            mean, variance, count = layer.get_weights()
            layer.set_weights([mean + np.array([0.485, 0.456, 0.406]), variance * 0.22, count])
            layer.finalize_state()
    return network


def write_as_applications(network, path):
    """A file in the form that Keras has for its applications."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            names = [f"{i}" for i in range(len(layer.weights))]
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_keras_sees_what_its_own_preprocessing_computes(name, channels, tmp_path):
    inputs = keras.Input((4, 4, channels))
    prepared = keras.layers.Identity()(applications.preprocessed(inputs, name))
    path = tmp_path / "prepared.keras"
    keras.Model(inputs, prepared).save(path)
    images = photos(16, 4, 4, channels)
    colours = np.repeat(images, 3 // channels, axis=-1)
    found = vectors(keras.models.load_model(path), images)
    np.testing.assert_allclose(
        found, module_of(name).preprocess_input(colours), rtol=1e-5, atol=1e-5
    )
    modules = re.findall(
        r'"module": "([\w.]+)"', zipfile.ZipFile(path).read("config.json").decode()
    )
    assert {module.partition(".")[0] for module in modules} == {"keras"}


def test_there_are_networks_of_every_kind_of_preprocessing():
    white = np.full((1, 1, 3), 255.0)
    kinds = {
        tuple(module_of(name).preprocess_input(white.copy())[0, 0].round(2)) for name in FAMILIES
    }
    caffe, torch = (151.06, 138.22, 131.32), (2.25, 2.43, 2.64)
    assert kinds == {(1, 1, 1), (255, 255, 255), caffe, torch}


@pytest.mark.once
@pytest.mark.parametrize("name", ["VGG16", "MobileNetV2", "EfficientNetB0"])
def test_an_encoder_with_weights_computes_what_keras_computes(name, tmp_path, monkeypatch):
    images, make = photos(2, 32, 32, 3), getattr(keras.applications, name)
    write_as_applications(random_network(name, images.shape[1:]), tmp_path / "no_top.h5")
    # As if Keras had downloaded it; what it makes of the file is its own.
    monkeypatch.setattr(
        keras.src.utils.file_utils, "get_file", lambda *_, **__: str(tmp_path / "no_top.h5")
    )
    with warnings.catch_warnings(action="ignore"):  # of the size of images
        reference = make(include_top=False, input_shape=images.shape[1:], pooling="avg")
    reference.save_weights(tmp_path / "no_top.weights.h5")
    expected = vectors(reference, module_of(name).preprocess_input(images.copy()))
    for weights in (
        "imagenet",
        *(str(tmp_path / f"no_top.{each}") for each in ("h5", "weights.h5")),
    ):
        found = vectors(models.encoder(name, images.shape[1:], weights), images)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.once
def test_grey_images_take_weights_of_colour_images_and_others_do_not(tmp_path):
    network = random_network("VGG16", (32, 32, 3))
    path = tmp_path / "no_top.weights.h5"
    network.save_weights(path)
    assert_same_weights(models.encoder("VGG16", (32, 32, 1), str(path)), network)
    with warnings.catch_warnings(action="ignore"):
        encoder = models.encoder("VGG16", (32, 32, 4))
        with pytest.raises(InvalidInput, match=r"3 channels, or grey ones of 1.*\(32, 32, 4\)"):
            models.encoder("VGG16", (32, 32, 4), "imagenet")
    assert encoder.input_shape[1:] == (32, 32, 4)


OFFLINE = """
import pathlib, sys
from barlow import models
from barlow.errors import InvalidInput
try:
    models.encoder("MobileNetV2", (32, 32, 3), "imagenet")
except InvalidInput as error:
    print(error)
name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
pathlib.Path(sys.argv[2]).rename(pathlib.Path(sys.argv[1]) / name)
models.encoder("MobileNetV2", (32, 32, 3), "imagenet").save(sys.argv[3])
"""


@pytest.mark.once
def test_weights_for_imagenet_come_from_the_cache_of_keras_and_without_a_network_it_is_named(
    tmp_path,
):
    network = random_network("MobileNetV2", (32, 32, 3))
    write_as_applications(network, tmp_path / "file.h5")
    cache, file, kept = tmp_path / "cache", tmp_path / "file.h5", tmp_path / "encoder.keras"
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, cache / "models", file, kept],
        env={**os.environ, **nowhere, "KERAS_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for words in (
        "of MobileNetV2 for ImageNet",
        str(cache / "models"),
        "--weights PATH",
        "no_top.h5",
    ):
        assert words in done.stdout
    assert_same_weights(keras.models.load_model(kept), network)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of a small network, and files that are none of it."""
    folder = tmp_path_factory.mktemp("weights")
    network = small.network(SHAPE)
    network.save_weights(folder / "right.weights.h5")
    network.save(folder / "right.keras")
    write_as_applications(network, folder / "right.h5")
    other = keras.Sequential([keras.Input(SHAPE), keras.layers.Conv2D(5, 3)])
    other.save_weights(folder / "other.weights.h5")
    other.save(folder / "other.keras")
    write_as_applications(other, folder / "other.h5")
    for name in ("weights.h5", "keras", "h5"):
        whole = (folder / f"right.{name}").read_bytes()
        (folder / f"cut.{name}").write_bytes(whole[: len(whole) // 2])
        (folder / f"text.{name}").write_text("no weights")
    broken = small.network(SHAPE)
    broken.set_weights([np.full_like(each, np.nan) for each in broken.get_weights()])
    broken.save_weights(folder / "nan.weights.h5")
    broken.save(folder / "nan.keras")
    return folder, network


ENDINGS = ("weights.h5", "keras", "h5")


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_encoder_starts_from_the_weights_of_a_file(ending, files):
    folder, network = files
    encoder = models.encoder("small:network", SHAPE, str(folder / f"right.{ending}"))
    assert_same_weights(encoder, network)


def test_a_network_without_positions_takes_its_weights_at_any_size_of_images(files):
    folder, network = files
    encoder = models.encoder("small:network", (16, 12, 3), str(folder / "right.keras"))
    assert_same_weights(encoder, network)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ["other", "cut", "text", "missing"])
def test_files_that_are_no_weights_of_the_network_are_refused_by_name(kind, ending, files):
    path = str(files[0] / f"{kind}.{ending}")
    with pytest.raises(InvalidInput, match=re.escape(path)) as error:
        models.encoder("small:network", SHAPE, path)
    assert "\n" not in str(error.value)
    words = {
        "other": "does not fit" if ending == "keras" else "those of this network",
        "missing": "There is no file of weights",
    }
    assert words.get(kind, "must be whole") in str(error.value)


def test_weights_that_are_missing_or_nan_are_refused(files):
    with pytest.raises(InvalidInput, match=r"5 of its weights are missing or NaN"):
        models.encoder("small:network", SHAPE, str(files[0] / "nan.weights.h5"))


def test_weights_of_layers_that_the_network_has_not_are_counted(tmp_path):
    path = tmp_path / "larger.weights.h5"
    larger = models.encoder("conv", (64, 64, 3))
    larger.save_weights(path)
    surplus = len(larger.weights) - len(models.encoder("conv", (16, 16, 3)).weights)
    with pytest.warns(UserWarning, match=f"{surplus} weights of .*larger.* have no part in it"):
        models.encoder("conv", (16, 16, 3), str(path))
    assert_same_weights(models.encoder("conv", (64, 64, 3), str(path)), larger)  # no warning


def test_what_normalises_by_weights_computes_with_those_that_it_is_given():
    def network():
        return keras.Sequential([keras.Input((3,)), keras.layers.Normalization()])

    one, other = network(), network()
    rows = np.random.default_rng(0).normal(5, 3, (64, 3)).astype("float32")
    other.layers[0].adapt(rows)
    models.copy_weights(one, other, "another")
    np.testing.assert_array_equal(vectors(one, rows), vectors(other, rows))


def test_an_encoder_whose_training_failed_is_no_start(files, tmp_path):
    path = str(files[0] / "nan.keras")
    before = barlow.pretrain(photos(8, *SHAPE), tmp_path / "run", barlow.Settings(**SHORT))
    kept = {each: each.read_bytes() for each in before.rglob("*") if each.is_file()}
    for settings in ({"encoder": path}, {"weights": path}):
        with pytest.raises(
            InvalidInput, match=r"weights of .*nan\.keras hold NaN or Inf, the first"
        ):
            barlow.pretrain(
                photos(8, *SHAPE),
                before,
                barlow.Settings(**{**SHORT, **settings}),
                overwrite=True,
            )
    assert kept == {each: each.read_bytes() for each in before.rglob("*") if each.is_file()}


def test_layers_that_are_not_known_are_said_in_one_sentence(tmp_path):
    class Own(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    layers = [keras.Input(SHAPE), Own(), keras.layers.GlobalAveragePooling2D()]
    keras.Sequential(layers).save(tmp_path / "own.keras")
    with pytest.raises(InvalidInput, match=r"own\.keras: TypeError: .*registered by a module"):
        barlow.embed(tmp_path / "own.keras", photos(2, *SHAPE))


@pytest.mark.once
@pytest.mark.parametrize(
    ("encoder", "weights", "words"),
    [
        ("resnet18", "imagenet", r"networks of keras\.applications, such as.*encoder 'resnet18'"),
        ("auto", "imagenet", r"`barlow encoders` lists them"),
        ("MobileNetV2", "imagenets", r"Did you mean 'imagenet'\?"),
        ("conv", "weights.pt", r"\.weights\.h5.*Received: 'weights\.pt'"),
        ("conv", "nowhere/run/encoder.keras", r"no file of weights at nowhere/run/encoder\.keras"),
        (
            "own.keras",
            "imagenet",
            r"own\.keras has its own weights\. Received: the weights imagenet",
        ),
    ],
)
def test_settings_refuse_weights_that_an_encoder_cannot_have(
    encoder, weights, words, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("own.keras").touch()
    with pytest.raises(InvalidInput, match=words):
        barlow.Settings(encoder=encoder, weights=weights)


def test_the_whole_model_of_a_run_is_no_encoder(tmp_path):
    encoder = small.network(SHAPE)
    model = barlow.BarlowTwins(encoder, (8, 8))
    model((photos(2, *SHAPE), photos(2, *SHAPE)))
    model.save(tmp_path / "model.keras")
    path = str(tmp_path / "model.keras")
    for use in (
        lambda: models.encoder(path, SHAPE),
        lambda: models.encoder("small:network", SHAPE, path),
        lambda: barlow.embed(path, photos(2, *SHAPE)),
    ):
        with pytest.raises(InvalidInput, match=r"holds no encoder, but a BarlowTwins.*encoder\.ke"):
            use()


def test_a_part_of_a_file_is_said_to_be_one(tmp_path):
    small.network(SHAPE).save(tmp_path / "whole.keras")
    path = tmp_path / "part.keras"
    path.write_bytes((tmp_path / "whole.keras").read_bytes()[:-100])
    for use in (
        lambda: models.encoder(str(path), SHAPE),
        lambda: models.encoder("small:network", SHAPE, str(path)),
        lambda: barlow.embed(path, photos(2, *SHAPE)),
    ):
        with pytest.raises(InvalidInput, match="only a part of one"):
            use()
    assert models.image_shape_of(str(path)) == ()
    assert models.image_shape_of(str(tmp_path / "whole.keras")) == SHAPE
    assert models.image_shape_of("some.weights.h5") == ()
