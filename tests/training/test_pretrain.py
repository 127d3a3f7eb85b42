import importlib
import json
import os
import re
import signal

import keras
import numpy as np
import pytest
from PIL import Image

import barlow
from barlow import data, models, runs
from barlow.errors import InvalidInput

TINY = {"epochs": 2, "batch_size": 64, "encoder": "small:network", "projector": (16, 16)}


@pytest.fixture
def images():
    return data.digits().pixels[:200]


def test_a_run_holds_everything_that_it_says(images, tmp_path):
    settings = barlow.Settings(**TINY)
    run = barlow.pretrain(images, tmp_path / "run", settings)
    assert {path.name for path in run.iterdir()} == {
        runs.CONFIG, runs.IMAGES, runs.METRICS, runs.CORRELATION, runs.ENCODER, runs.MODEL,
        runs.PICTURE, runs.TENSORBOARD,
    }  # fmt: skip
    config = runs.read_config(run)
    assert (config["views"], config["batch_size"], config["images"]) == ("glyphs", 64, 200)
    assert config["reasons"]["batch_size"] == "given"
    assert config["loss_floor"] < config["loss_at_start"]
    metrics = runs.read_metrics(run)
    assert [row["epoch"] for row in metrics] == [1, 2]
    schedule = barlow.recommendation.schedule(barlow.recommend(200, (8, 8, 1), settings), 200)
    assert [row["learning_rate"] for row in metrics] == pytest.approx(
        [float(schedule(step)) for step in (3, 6)]
    )
    assert all(
        row["images_per_second"] * row["seconds"] == pytest.approx(3 * 64) for row in metrics
    )
    assert metrics[1]["loss"] == pytest.approx(
        metrics[1]["invariance"] + metrics[1]["redundancy"], rel=1e-4
    )
    with np.load(run / runs.CORRELATION, allow_pickle=False) as correlation:
        for matrix in correlation.values():
            assert matrix.shape == (16, 16)
            assert np.abs(matrix).max() <= 1 + 1e-5
    encoder = runs.load_encoder(run)
    model = keras.models.load_model(run / runs.MODEL, safe_mode=True)
    np.testing.assert_allclose(
        encoder.predict(images, verbose=0), model.encoder.predict(images, verbose=0), atol=1e-5
    )
    model.fit(images, batch_size=64, verbose=0)  # its optimizer is loaded, too


@pytest.mark.once
def test_pieces_larger_than_the_batch_are_the_batch(images, tmp_path):
    settings = barlow.Settings(**{**TINY, "epochs": 1, "micro_batch_size": 10**9})
    run = barlow.pretrain(images, tmp_path / "run", settings)
    assert runs.read_config(run)["micro_batch_size"] == 10**9
    assert keras.models.load_model(run / runs.MODEL).micro_batch_size is None


@pytest.mark.once
def test_what_ends_a_training_as_it_begins_leaves_a_place_for_the_next(
    images, tmp_path, monkeypatch
):
    def fails(images):
        raise OSError(28, "No space left on device")

    settings = barlow.Settings(**{**TINY, "epochs": 1})
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("barlow.training.pretrain"), "fingerprint", fails)
        with pytest.raises(OSError, match="No space left"):
            barlow.pretrain(images, tmp_path / "run", settings)
    barlow.pretrain(images, tmp_path / "run", settings, resume=True)
    assert runs.is_complete(tmp_path / "run")


@pytest.mark.once
def test_several_steps_at_once_are_refused_where_keras_has_none(images, tmp_path):
    settings = barlow.Settings(**{**TINY, "batch_size": 50, "steps_per_execution": 2})
    with pytest.raises(InvalidInput, match="with TensorFlow and JAX, not with PyTorch"):
        barlow.pretrain(images, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_the_picture_is_a_picture(images, tmp_path):
    run = barlow.pretrain(images, tmp_path / "run", barlow.Settings(**{**TINY, "epochs": 1}))
    with Image.open(run / runs.PICTURE) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) > 300
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100


def test_the_seed_decides(images, tmp_path):
    losses = [
        runs.read_metrics(
            barlow.pretrain(images, tmp_path / str(i), barlow.Settings(**TINY, seed=seed))
        )[-1]["loss"]
        for i, seed in enumerate((1, 1, 2))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0] != pytest.approx(losses[2], rel=1e-4)


class Weights(keras.callbacks.Callback):
    """All weights after each step."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        weights = self.model.encoder.trainable_variables
        self.steps.append([np.copy(keras.ops.convert_to_numpy(weight)) for weight in weights])


def stop(at):
    def action(step, logs=None):
        callback.model.stop_training |= step == at

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=action)
    return callback


@pytest.mark.parametrize(
    ("ema", "optimizer", "end"),
    [
        (0.9999, "muon", []),
        pytest.param(0.3, "adamw", [], marks=pytest.mark.once),
        pytest.param(0.3, "muon", [stop(2)], marks=pytest.mark.once),
    ],
    ids=["muon", "adamw", "stopped"],
)
def test_with_ema_a_run_ends_with_averages_that_soon_forget_the_first_weights(
    ema, optimizer, end, images, tmp_path
):
    weights = Weights()
    settings = barlow.Settings(**TINY, optimizer=optimizer, learning_rate=0.01, ema=ema)
    run = barlow.pretrain(images, tmp_path / "run", settings, [weights, *end])
    assert len(weights.steps) == (3 if end else 6)
    average, *others = weights.steps
    for step, after in enumerate(others, 1):
        momentum = min(ema, (1 + step) / (10 + step))
        average = [momentum * a + (1 - momentum) * w for a, w in zip(average, after, strict=True)]
    model = keras.models.load_model(run / runs.MODEL)
    for found in (runs.load_encoder(run), model.encoder):
        for a, w in zip(average, found.trainable_variables, strict=True):
            np.testing.assert_allclose(keras.ops.convert_to_numpy(w), a, rtol=1e-5, atol=1e-6)
    # The statistics are those that other views have with these weights: the deviation of a mean of
    # 384 views is 0.05 of theirs at most, that of a variance about 0.1 of it.
    layers = models.normalizations(model)
    found = [[keras.ops.convert_to_numpy(w) for w in x.non_trainable_variables] for x in layers]
    found = [[np.copy(value) for value in statistics] for statistics in found]
    models.renew_statistics(model, images[:192].reshape(3, 64, 8, 8, 1))
    for layer, (mean, variance) in zip(layers, found, strict=True):
        expected, scale = map(keras.ops.convert_to_numpy, layer.non_trainable_variables)
        assert np.abs(mean - expected).max() < 0.2 * np.sqrt(scale).max()
        np.testing.assert_allclose(variance, scale, rtol=0.5)


def test_whatever_the_precision_of_training_the_encoder_of_the_run_is_float32(images, tmp_path):
    settings = barlow.Settings(**TINY, dtype_policy="mixed_bfloat16")
    run = barlow.pretrain(images, tmp_path / "run", settings)
    assert keras.config.dtype_policy().name == "float32"
    encoder = runs.load_encoder(run)
    trained = keras.models.load_model(run / runs.MODEL).encoder
    assert {layer.compute_dtype for layer in trained.layers[1:]} == {"bfloat16"}
    assert {layer.compute_dtype for layer in encoder.layers[1:]} == {"float32"}
    features, half = (model.predict(images, verbose=0) for model in (encoder, trained))
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, half.astype("float32"), atol=0.03 * features.max())


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras has neither with PyTorch")
def test_several_compiled_steps_at_once_train_the_same(images, tmp_path):
    settings = {**TINY, "batch_size": 50}
    losses = [
        [row["loss"] for row in runs.read_metrics(barlow.pretrain(images, out, given))]
        for out, given in (
            (tmp_path / "one", barlow.Settings(**settings)),
            (tmp_path / "two", barlow.Settings(**settings, steps_per_execution=2)),
            (tmp_path / "compiled", barlow.Settings(**settings, jit_compile=True)),
        )
    ]
    one, two, compiled = losses
    assert two == pytest.approx(one, rel=1e-3)
    assert compiled == pytest.approx(one, rel=0.3)  # TensorFlow draws other numbers with XLA


@pytest.mark.once
def test_paths_and_colour_images_are_taken_and_a_batch_is_never_more_than_all(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.integers(0, 256, (40, 12, 12, 3)).astype("uint8"))
    run = barlow.pretrain(tmp_path / "x.npy", tmp_path / "run", barlow.Settings(epochs=1))
    config = runs.read_config(run)
    assert (config["views"], config["batch_size"]) == ("photos", 40)


@pytest.mark.once
def test_images_that_cannot_be_read_later_are_named_in_the_run_and_no_others_are_lost(
    images, tmp_path
):
    def read(i):
        if i == 7:
            raise data.BadImage("7.png", "it is empty")
        return images[i]

    lazy = data.Images(
        data.LazyPixels(range(200), (8, 8, 1), read), skipped=(("x.png", "it is text"),)
    )
    run = barlow.pretrain(lazy, tmp_path / "run", barlow.Settings(**TINY))
    skipped = json.loads((run / runs.SKIPPED).read_text())
    assert skipped == {"x.png": "it is text", "7.png": "it is empty"}
    assert len(runs.read_metrics(run)) == 2


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("set_model", marks=pytest.mark.once),
        pytest.param("on_train_begin", marks=pytest.mark.once),
        "on_train_batch_end",
    ],
)
def test_an_interrupt_ends_training_after_the_step_with_a_usable_run(moment, images, tmp_path):
    steps, callback = [], keras.callbacks.Callback()
    callback.on_train_batch_begin = lambda batch, logs: steps.append(batch)
    setattr(callback, moment, lambda *_, **__: os.kill(os.getpid(), signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    settings = barlow.Settings(**{**TINY, "epochs": 50})
    run = barlow.pretrain(images, tmp_path / "run", settings, callbacks=[callback])
    assert len(steps) == len(runs.read_metrics(run)) == 1
    assert runs.load_encoder(run).predict(images, verbose=0).shape == (200, 8)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_is_as_usual(images, tmp_path, request):
    # A shell that runs this in the background has interrupts ignored: that is not as usual.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    class InterruptTwice(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        barlow.pretrain(
            images, tmp_path / "run", barlow.Settings(**TINY), callbacks=[InterruptTwice()]
        )


def test_a_folder_that_is_not_empty_is_left_as_it_is(images, tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileExistsError):
        barlow.pretrain(images, tmp_path, barlow.Settings(**TINY))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "encoder",
            "resnet9000",
            "No encoder is called 'resnet9000'. Did you mean 'resnet50'?",
        ),
        ("views", "cifar", "`views` must be one of auto, glyphs"),
        (
            "optimizer",
            "sgd",
            "`optimizer` must be one of auto, adamw, lars, muon. Received: 'sgd'.",
        ),
        ("epochs", 0, "`epochs` must be at least 1. Received: 0."),
        ("batch_size", 1, "`batch_size` must be at least 2. Received: 1."),
        ("micro_batch_size", 0, "`micro_batch_size` must be at least 1. Received: 0."),
        ("learning_rate", 0.0, "`learning_rate` must be above 0. Received: 0.0."),
        ("learning_rate", float("nan"), "`learning_rate` must be a finite number. Received: nan."),
        ("weight_decay", -1.0, "`weight_decay` must be at least 0. Received: -1.0."),
        ("lambda_", -0.5, "`lambda_` must be at least 0. Received: -0.5."),
        ("projector", (), "`widths` must be positive integers. Received: widths=()."),
        ("warmup_epochs", -1, "`warmup_epochs` must be at least 0. Received: -1."),
        ("ema", 1.0, "`ema` must be above 0 and below 1. Received: 1.0."),
        ("dtype_policy", "half", "`dtype_policy` must be one of float32, mixed_bfloat16"),
        ("steps_per_execution", 0, "`steps_per_execution` must be at least 1. Received: 0."),
        ("steps_per_execution", 2, "The 1 steps of an epoch must be a multiple of"),
        ("seed", -1, "`seed` must be at least 0 and at most 4294967295. Received: -1."),
        ("seed", 2**32, "`seed` must be at least 0 and at most 4294967295. Received: 4294967296."),
    ],
)
def test_settings_that_are_not_valid_are_refused_before_anything_is_made(
    name, value, message, images, tmp_path
):
    with pytest.raises(ValueError, match=re.escape(message)):
        barlow.pretrain(images, tmp_path / "run", barlow.Settings(**{name: value}))
    assert not (tmp_path / "run").exists()
