"""Encoders that another process could not load are refused before they are trained."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import barlow
from barlow import models, runs
from barlow.errors import InvalidInput

OURS = """
import keras
from keras import layers, ops
import our_registered

class NoConfig(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units
    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units))
    def call(self, x):
        return ops.matmul(x, self.w)

class Thing:
    pass

class WithThing(layers.Layer):
    def __init__(self, thing):
        super().__init__()
    def call(self, x):
        return x

@keras.saving.register_keras_serializable("ours")
class Forgets(layers.Layer):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
    def get_config(self):
        return {}
    def call(self, x):
        return self.scale * x

@keras.saving.register_keras_serializable("ours")
class Known(layers.Layer):
    def call(self, x):
        return 2.0 * x

@keras.saving.register_keras_serializable("ours")
class Random(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed = keras.random.SeedGenerator(0)
    def call(self, x):
        return x + keras.random.normal(ops.shape(x), seed=self.seed)

@keras.saving.register_keras_serializable("ours")
def double(x):
    return 2.0 * x

def unknown_activation(x):
    return 2.0 * x

def _ends_with(image_shape, last):
    x = inputs = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x))
    return keras.Model(inputs, last(x))

def lambda_layer(s): return _ends_with(s, layers.Lambda(lambda x: 2.0 * x))
def no_config(s): return _ends_with(s, NoConfig(4))
def no_config_of_a_thing(s): return _ends_with(s, WithThing(Thing()))
def forgets(s): return _ends_with(s, Forgets(3.0))
def activation(s): return _ends_with(s, layers.Dense(4, activation=unknown_activation))
def in_the_script(s): return _ends_with(s, keras.saving.get_registered_object("script>Script")())

def known(s): return _ends_with(s, Known())
def known_activation(s): return _ends_with(s, layers.Dense(4, activation=double))
def known_elsewhere(s): return _ends_with(s, our_registered.Elsewhere())
def random(s): return _ends_with(s, Random())
def plain(s): return _ends_with(s, layers.Dense(4))
def any_size(s): return _ends_with((None, None, s[-1]), layers.Dense(4))
"""
REGISTERED = """
import keras

@keras.saving.register_keras_serializable("elsewhere")
class Elsewhere(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x
"""
REFUSED = {
    "lambda_layer": "Lambda",
    "no_config": "'NoConfig'",
    "no_config_of_a_thing": "get_config",
    "forgets": "other features",
    "activation": "'unknown_activation'",
    "in_the_script": "'Script'",
}
KEPT = ["known", "known_activation", "known_elsewhere", "random", "plain", "any_size"]


@keras.saving.register_keras_serializable("script")
class Script(keras.layers.Layer):
    """Registered by the running program alone."""

    def call(self, x):
        return 2.0 * x


@pytest.fixture
def ours(tmp_path, monkeypatch):
    """A module of a user's encoders, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "our_networks.py").write_text(OURS)
    (tmp_path / "our_registered.py").write_text(REGISTERED)
    registry = keras.saving.get_custom_objects()
    before = dict(registry)
    yield
    for name in ("our_networks", "our_registered"):
        sys.modules.pop(name, None)
    registry.clear()
    registry.update(before)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype("uint8")


SETTINGS = {"epochs": 1, "batch_size": 8, "projector": (4,)}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_not_be_loaded_is_refused_before_anything_is_written(
    name, ours, images, tmp_path
):
    settings = barlow.Settings(encoder=f"our_networks:{name}", **SETTINGS)
    registry = dict(keras.saving.get_custom_objects())
    scope = keras.saving.custom_object_scope({"NoConfig": models.BarlowTwins})
    refused = pytest.raises(InvalidInput, match=r"is not trained.*the module our_networks")
    with scope, refused as error:
        barlow.pretrain(images, tmp_path / "run", settings)
    assert REFUSED[name] in str(error.value)
    assert "get_config" in str(error.value)
    assert len(str(error.value)) < 700
    assert not (tmp_path / "run").exists()
    assert keras.saving.get_custom_objects().items() >= registry.items()


@pytest.mark.parametrize(
    "name",
    [
        each if each in ("random", "plain") else pytest.param(each, marks=pytest.mark.once)
        for each in KEPT
    ],
)
def test_what_can_be_loaded_is_trained(name, ours, images, tmp_path):
    settings = barlow.Settings(encoder=f"our_networks:{name}", **SETTINGS)
    run = barlow.pretrain(images, tmp_path / "run", settings)
    assert runs.load_encoder(run).output_shape[1] == 4
    assert barlow.embed(run, images).vectors.shape == (16, 4)


def test_a_file_is_loaded_with_what_keras_and_barlow_know_alone(images, tmp_path):
    inputs = keras.Input((8, 8, 3))
    encoder = keras.Model(inputs, Script()(keras.layers.GlobalAveragePooling2D()(inputs)))
    encoder.save(tmp_path / "ours.keras")
    settings = barlow.Settings(encoder=str(tmp_path / "ours.keras"), **SETTINGS)
    with pytest.raises(InvalidInput, match=r"'Script'.*in a module, and give module:function"):
        barlow.pretrain(images, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


def test_a_function_of_the_program_itself_is_refused(images, tmp_path, monkeypatch):
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "own", lambda shape: models.encoder("conv", shape), raising=False)
    settings = barlow.Settings(encoder="__main__:own", **SETTINGS)
    with pytest.raises(InvalidInput, match="part of the program that runs now"):
        barlow.pretrain(images, tmp_path / "run", settings)


@pytest.mark.once
def test_what_is_kept_is_loaded_by_another_process(ours, images, tmp_path):
    settings = barlow.Settings(encoder="our_networks:known_elsewhere", **SETTINGS)
    run = barlow.pretrain(images, tmp_path / "run", settings)
    program = "import sys; from barlow import runs; print(runs.load_encoder(sys.argv[1]).name)"
    subprocess.run([sys.executable, "-c", program, run], check=True, cwd=tmp_path)


@pytest.mark.once
def test_how_a_file_was_compiled_plays_no_part(images, tmp_path):
    def own_loss(y, z):
        return keras.ops.mean(keras.ops.square(y - z))

    model = models.encoder("conv", (8, 8, 3))
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), own_loss, metrics=[own_loss])
    model.fit(images, np.zeros((16, 128)), verbose=0)
    path = tmp_path / "mine.keras"
    model.save(path)
    start = []

    class Start(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            start.extend(self.model.encoder.get_weights())

    settings = barlow.Settings(encoder=str(path), **SETTINGS)
    run = barlow.pretrain(images, tmp_path / "run", settings, [Start()])
    for found, expected in zip(start, model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    barlow.pretrain(images, tmp_path / "next", settings, from_run=path)
    for loaded in (runs.load_encoder(path), runs.load_encoder(run)):
        assert not loaded.compiled
    assert barlow.embed(path, images).vectors.shape == (16, 128)
