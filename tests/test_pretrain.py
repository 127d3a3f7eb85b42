import json
import os
import re
import signal

import keras
import numpy as np
import pytest
from PIL import Image

import barlow
from barlow import data, report, runs

TINY = {"epochs": 2, "batch_size": 64, "projector": (16, 16)}


@pytest.fixture
def images():
    return data.digits().pixels[:200]


def test_a_run_holds_everything_that_it_says(images, tmp_path):
    run = barlow.pretrain(images, tmp_path / "run", barlow.Settings(**TINY))
    assert {path.name for path in run.iterdir()} == {
        runs.CONFIG, runs.METRICS, runs.CORRELATION, runs.ENCODER, runs.MODEL
    }  # fmt: skip
    config = runs.read_config(run)
    assert (config["views"], config["batch_size"], config["images"]) == ("glyphs", 64, 200)
    assert config["reasons"]["batch_size"] == "given"
    assert config["loss_floor"] < config["loss_at_start"]
    metrics = runs.read_metrics(run)
    assert [row["epoch"] for row in metrics] == [1, 2]
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
    model.fit(images, batch_size=64, verbose=0)  # its optimizer goes on


def test_the_picture_is_a_picture(images, tmp_path):
    run = barlow.pretrain(images, tmp_path / "run", barlow.Settings(**{**TINY, "epochs": 1}))
    with Image.open(report.draw_training(run)) as picture:
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


def test_paths_and_colour_images_are_taken_and_a_batch_is_never_more_than_all(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.integers(0, 256, (40, 12, 12, 3)).astype("uint8"))
    run = barlow.pretrain(tmp_path / "x.npy", tmp_path / "run", barlow.Settings(epochs=1))
    config = runs.read_config(run)
    assert (config["views"], config["batch_size"]) == ("photos", 40)


def test_images_that_go_bad_are_named_in_the_run_and_nothing_else_is_lost(images, tmp_path):
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


@pytest.mark.parametrize("moment", ["set_model", "on_train_begin", "on_train_batch_end"])
def test_an_interrupt_ends_training_after_the_step_with_a_usable_run(moment, images, tmp_path):
    steps, callback = [], keras.callbacks.Callback()
    callback.on_train_batch_begin = lambda batch, logs: steps.append(batch)
    setattr(callback, moment, lambda *_, **__: os.kill(os.getpid(), signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    settings = barlow.Settings(**{**TINY, "epochs": 50})
    run = barlow.pretrain(images, tmp_path / "run", settings, callbacks=[callback])
    assert len(steps) == len(runs.read_metrics(run)) == 1
    assert runs.load_encoder(run).predict(images, verbose=0).shape == (200, 128)
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
        ("encoder", "resnet9000", "No encoder is called 'resnet9000'. Known: conv"),
        ("views", "cifar", "`views` must be one of auto, glyphs"),
        ("optimizer", "sgd", "`optimizer` must be one of auto, adamw, lars. Received: 'sgd'."),
        ("epochs", 0, "`epochs` must be at least 1. Received: 0."),
        ("batch_size", 1, "`batch_size` must be at least 2. Received: 1."),
        ("micro_batch_size", 0, "`micro_batch_size` must be at least 1. Received: 0."),
        ("learning_rate", 0.0, "`learning_rate` must be above 0. Received: 0.0."),
        ("learning_rate", float("nan"), "`learning_rate` must be above 0. Received: nan."),
        ("weight_decay", -1.0, "`weight_decay` must be at least 0. Received: -1.0."),
        ("lambda_", -0.5, "`lambda_` must be at least 0. Received: -0.5."),
        ("projector", (), "`widths` must be positive integers. Received: widths=()."),
        ("warmup_epochs", -1, "`warmup_epochs` must be at least 0. Received: -1."),
        ("seed", -1, "`seed` must be at least 0. Received: -1."),
    ],
)
def test_settings_that_are_not_valid_are_refused_before_anything_is_made(
    name, value, message, images, tmp_path
):
    with pytest.raises(ValueError, match=re.escape(message)):
        barlow.pretrain(images, tmp_path / "run", barlow.Settings(**{name: value}))
    assert not (tmp_path / "run").exists()
