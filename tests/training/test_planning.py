"""A training in a given time: the plan is the most that fits, is made once, and changes nothing."""

import dataclasses
import os
import signal
import types

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import draw

import barlow
from barlow import data, runs
from barlow.errors import InvalidInput
from barlow.training import planning

SETTINGS = barlow.Settings(batch_size=50, encoder="small:network", projector=(8, 8))
IMAGES = data.digits().pixels[:400]  # eight steps an epoch
seconds = st.floats(1e-4, 10)


class After(keras.callbacks.Callback):
    """Ends a training in an epoch, and has seen how many steps an epoch has."""

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch == 1


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(planning, "_ENOUGH", 0.01)  # seconds of steps are enough


@pytest.mark.once
@given(st.builds(planning.Costs, seconds, seconds, seconds, seconds), st.integers(1, 50), seconds)
def test_a_plan_is_the_most_that_fits(costs, steps, time_there):
    time_there *= 20
    epochs = planning.fitting(costs, steps, time_there)
    assert not epochs or costs.of(epochs, steps) <= time_there
    more = range(epochs + 1, int(time_there / (steps * costs.step)) + 2)
    assert all(costs.of(each, steps) > time_there for each in more)


@pytest.mark.once
@pytest.mark.parametrize("at_once", [1, 4])
def test_costs_are_those_of_the_clock(at_once, monkeypatch):
    now = 0.0

    def passes(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr(planning, "time", types.SimpleNamespace(perf_counter=lambda: now))
    watch = planning._Watch(patience=100)
    watch.set_model(keras.Sequential())
    watch.model.stop_training = False
    for epoch, compiling in enumerate((7, 0, 0)):
        assert not watch.model.stop_training
        watch.on_epoch_begin(epoch)
        passes(0.25 + compiling)
        for batch in range(at_once - 1, 12, at_once):
            passes(0.125 * at_once)
            watch.on_train_batch_end(batch)
        passes(0.5 + compiling)  # a look
        watch.on_epoch_end(epoch)
    passes(3)
    assert watch.model.stop_training
    costs = watch.costs(now)
    assert costs == pytest.approx((0.125, 0.25, 0.5, 3 + 2 * 7))
    assert costs.of(3, 12) + costs.once == pytest.approx(now)


def test_a_training_in_a_time_is_the_one_of_the_epochs_that_fit(quick, tmp_path):
    timed = dataclasses.replace(SETTINGS, minutes=5)
    run = barlow.pretrain(IMAGES, tmp_path / "timed", timed, [After()])
    config = runs.read_config(run)
    epochs = config["epochs"]
    assert epochs > 50  # eight steps of a network of a thousand weights
    assert 200 < config["planned_seconds"] <= 0.95 * 300
    assert "measured" in config["reasons"]["epochs"]
    other = dataclasses.replace(SETTINGS, epochs=epochs)
    same = barlow.pretrain(IMAGES, tmp_path / "epochs", other, [After()])
    for one, two in zip(
        *(runs.load_encoder(each).get_weights() for each in (run, same)), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    # The plan stands: nothing is measured, and other minutes are another training.
    barlow.pretrain(IMAGES, run, timed, [After()], resume=True)
    assert runs.read_config(run) == config
    with pytest.raises(InvalidInput, match=r"minutes is 5.* in the run and 6 now"):
        barlow.pretrain(IMAGES, run, dataclasses.replace(timed, minutes=6), resume=True)


def test_an_interrupt_while_it_is_planned_ends_it_all(tmp_path, monkeypatch):
    class Interrupted(planning._Watch):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch, logs)
            if epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(planning, "_Watch", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        barlow.pretrain(IMAGES, tmp_path / "run", dataclasses.replace(SETTINGS, minutes=5))
    assert not (tmp_path / "run").exists()


def test_too_little_time_is_refused_before_a_run_is_begun(quick, tmp_path):
    settings = dataclasses.replace(SETTINGS, minutes=0.001)
    with pytest.raises(InvalidInput, match=r"An epoch of 400 images .* Give at least .* minutes"):
        barlow.pretrain(IMAGES, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_minutes_and_epochs_contradict_each_other(tmp_path):
    settings = dataclasses.replace(SETTINGS, minutes=1, epochs=3)
    with pytest.raises(InvalidInput, match=r"give one of them. Received: minutes=1 and epochs=3"):
        barlow.pretrain(IMAGES, tmp_path / "run", settings)


@pytest.mark.once
def test_a_place_that_is_taken_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    unmeasurable = dataclasses.replace(SETTINGS, minutes=1, encoder="small:network")
    with pytest.raises(FileExistsError):
        barlow.pretrain(np.zeros((1, 2)), tmp_path / "run", unmeasurable)  # not even read


@pytest.fixture
def photos(tmp_path):
    for number in range(8):
        draw(number).save(tmp_path / f"{number}.png")  # 96 pixels
    return tmp_path


def test_an_open_size_is_halved_until_enough_steps_fit(photos, quick, monkeypatch, tmp_path):
    monkeypatch.setattr(planning, "_FEW_STEPS", 10**9)
    settings = barlow.Settings(minutes=1, projector=(8, 8))
    images = data.load(photos)
    labelled = dataclasses.replace(data.at_size(images, (64, 64)), labels=[0, 1] * 4)
    run = barlow.pretrain(images, tmp_path / "run", settings, [Ends()], probe=labelled)
    config = runs.read_config(run)
    assert config["image_shape"] == [32, 32, 3]
    assert config["image_size"] == 32
    assert "few steps" in config["reasons"]["image_size"]
    # Resumed, the images have the size of the run; what was read at another is read again.
    assert images.pixels.shape[1:3] == (64, 64)
    barlow.pretrain(images, run, settings, [Ends()], resume=True)
    assert runs.read_config(run) == config
    given = dataclasses.replace(settings, image_size=48)
    kept = barlow.pretrain(photos, tmp_path / "given", given, [Ends()])
    assert runs.read_config(kept)["image_shape"] == [48, 48, 3]


class Ends(keras.callbacks.Callback):
    """Ends a training after its first step."""

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = True
