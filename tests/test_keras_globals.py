"""Keras' global settings change nothing of what barlow computes, or are named."""

import contextlib
import itertools

import keras
import numpy as np
import pytest
import small

import barlow
from barlow import backend, models, runs, views

FORMATS = ("channels_first", "channels_last")
FLOATS = ("float16", "bfloat16", "float64")
OTHERS = [("channels_first", "float32"), *itertools.product(FORMATS, FLOATS)]
TINY = {"epochs": 1, "batch_size": 16, "encoder": "small:network", "projector": (8, 8)}
TURNS = {"rotation": 20.0, "shear": 10.0, "blur": 0.5, "solarize": 0.3, "erase": 0.5, "noise": 0.1}


@pytest.fixture(autouse=True)
def restored():
    config = keras.config
    before = config.dtype_policy(), config.floatx(), config.image_data_format()
    yield
    config.set_dtype_policy(before[0])
    config.set_floatx(before[1])
    config.set_image_data_format(before[2])


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3)).astype("uint8")


def set_globals(data_format, floats):
    keras.config.set_image_data_format(data_format)
    keras.config.set_floatx(floats)


@pytest.mark.parametrize(("data_format", "floats"), OTHERS)
def test_in_the_block_settings_are_the_defaults_and_afterwards_what_they_were(data_format, floats):
    set_globals(data_format, floats)
    keras.config.set_dtype_policy("mixed_bfloat16")
    for policy in (None, "float32"):
        with contextlib.suppress(RuntimeError), backend.keras_defaults(policy):
            assert keras.config.image_data_format() == "channels_last"
            assert keras.config.floatx() == "float32"
            assert keras.config.dtype_policy().name == (policy or "mixed_bfloat16")
            raise RuntimeError
        assert keras.config.image_data_format() == data_format
        assert keras.config.floatx() == floats
        assert keras.config.dtype_policy().name == "mixed_bfloat16"


@pytest.mark.parametrize(
    "name",
    [
        *("conv", "vit_tiny"),
        *(pytest.param(n, marks=pytest.mark.once) for n in ("resnet18", "MobileNetV2", "VGG16")),
    ],
)
def test_encoders_compute_the_same_however_axes_lie_by_default(name, images):
    expected = models.encoder(name, (32, 32, 3))
    set_globals("channels_first", "float64")
    keras.config.set_dtype_policy("float32")
    encoder = models.encoder(name, (32, 32, 3))
    assert encoder.output_shape == expected.output_shape
    encoder.set_weights(expected.get_weights())
    found, wanted = (
        keras.ops.convert_to_numpy(each(images[:4].astype("float32")))
        for each in (encoder, expected)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    assert found.dtype == "float32"
    assert models.projector(8, (4, 2)).output_shape == (None, 2)


@pytest.mark.parametrize(
    ("data_format", "floats"),
    [
        OTHERS[0],
        *(pytest.param(*other, marks=pytest.mark.once) for other in OTHERS[1:-1]),
        OTHERS[-1],
    ],
)
def test_views_are_the_same_whatever_the_global_settings(data_format, floats, images):
    signals = np.random.default_rng(0).normal(size=(4, 50, 3)).astype("float32")
    cases = [
        *((views.ImageViews(name, seed=3), images[:4]) for name in views.RECIPES),
        (views.ImageViews("photos", seed=3, **TURNS), images[:4]),
        (views.SignalViews(seed=3), signals),
        (views.TableViews(seed=3), signals[:, 0]),
    ]
    expected = [type(layer).from_config(layer.get_config())(x) for layer, x in cases]
    set_globals(data_format, floats)
    for (layer, x), pair in zip(cases, expected, strict=True):
        for found, wanted in zip(layer(x), pair, strict=True):
            assert keras.backend.standardize_dtype(found.dtype) == "float32"
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(wanted)
            )


@pytest.mark.parametrize(
    ("data_format", "floats", "optimizer"),
    [
        ("channels_first", "bfloat16", "lars"),
        ("channels_last", "float64", "muon"),
    ],
)
def test_a_run_is_the_same_whatever_the_global_settings(
    data_format, floats, optimizer, images, tmp_path
):
    set_globals(data_format, floats)
    keras.config.set_dtype_policy("float32")
    settings = barlow.Settings(**TINY, optimizer=optimizer)
    run = barlow.pretrain(images, tmp_path / "run", settings)
    assert (keras.config.image_data_format(), keras.config.floatx()) == (data_format, floats)
    features = runs.load_encoder(run).predict(images, verbose=0)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    vectors = barlow.embed(run, images).vectors
    np.testing.assert_allclose(vectors, features, rtol=1e-4, atol=1e-4)
    loss = runs.read_metrics(run)[-1]["loss"]
    set_globals("channels_last", "float32")
    other = barlow.pretrain(images, tmp_path / "other", settings)
    assert loss == pytest.approx(runs.read_metrics(other)[-1]["loss"], rel=1e-3)


@pytest.mark.parametrize(
    "policy",
    ["float64", *(pytest.param(name, marks=pytest.mark.once) for name in FLOATS[:2])],
)
def test_a_policy_that_is_not_trained_with_is_named_unless_another_is_set(policy, images, tmp_path):
    keras.config.set_dtype_policy(policy)
    with pytest.raises(ValueError, match=f"global dtype policy is '{policy}'.*--dtype-policy"):
        barlow.pretrain(images, tmp_path / "run", barlow.Settings(**TINY))
    assert not (tmp_path / "run").exists()
    settings = barlow.Settings(**TINY, dtype_policy="float32")
    run = barlow.pretrain(images, tmp_path / "run", settings)
    assert runs.load_encoder(run).dtype_policy.name == "float32"
    assert keras.config.dtype_policy().name == policy


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")  # JAX's, of any model
@pytest.mark.parametrize("floats", FLOATS)
def test_a_model_is_fitted_in_the_floats_of_its_user(floats, images):
    keras.config.set_floatx(floats)
    keras.config.set_dtype_policy(floats)
    model = barlow.BarlowTwins(
        small.network((32, 32, 3)), (8, 8), views.ImageViews("photos", seed=0)
    )
    model.compile(barlow.optimizers.LARS(0.1))
    history = model.fit(images, batch_size=16, verbose=0).history
    assert np.isfinite([float(value) for (value,) in history.values()]).all()


SEEDS = [0, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 1795866768123456789]


@pytest.mark.parametrize("seed", SEEDS)
def test_views_take_seeds_of_any_size_and_each_draws_its_own(seed, images):
    layer = views.ImageViews("photos", seed=seed)
    assert layer.get_config()["seed"] == seed
    first, again, other = (
        keras.ops.convert_to_numpy(each(images[:4])[0])
        for each in (layer, views.ImageViews.from_config(layer.get_config()),
                     views.ImageViews("photos", seed=seed + 1))
    )  # fmt: skip
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1


def test_small_seeds_draw_what_keras_draws():
    for seed in (0, 5, 2**31 - 1):
        drawn = views.ImageViews("photos", seed=seed).uniform(backend.Share(4, 0, 4), ())
        expected = keras.random.uniform((4,), seed=keras.random.SeedGenerator(seed))
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (drawn, expected)))


@pytest.mark.parametrize("seed", [2**31, 2**32 - 1])
@pytest.mark.once
def test_a_run_takes_seeds_up_to_32_bits(seed, images, tmp_path):
    run = barlow.pretrain(images, tmp_path / "run", barlow.Settings(**TINY, seed=seed))
    assert runs.read_config(run)["seed"] == seed
