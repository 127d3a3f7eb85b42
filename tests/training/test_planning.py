"""A training in a given time: the plan is the most that fits, is made once, and changes nothing."""

import dataclasses
import errno
import os
import signal
import threading
import time
import types

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import draw

import barlow
from barlow import backend, data, runs
from barlow.errors import InvalidInput
from barlow.training import checkpoints, planning, reading_time

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
    monkeypatch.setattr(planning, "_SIDE", 32)  # as is the product of small matrices


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


@pytest.fixture
def promising(quick, monkeypatch):
    """Half precision is tried, wherever this runs."""
    monkeypatch.setattr(planning, "_PROMISES", 0.0)


def test_half_precision_is_taken_where_its_steps_are_faster(promising, monkeypatch, tmp_path):
    monkeypatch.setattr(planning, "_GAIN", 0.0)
    timed = barlow.Settings(batch_size=50, projector=(8, 8), minutes=60)
    run = barlow.pretrain(IMAGES, tmp_path / "timed", timed, [After()])
    config = runs.read_config(run)
    assert config["dtype_policy"] == "mixed_bfloat16"
    assert "times as fast" in config["reasons"]["dtype_policy"]
    assert keras.config.dtype_policy().name == "float32"  # as it was
    assert all(weights.dtype == "float32" for weights in runs.load_encoder(run).get_weights())
    # It is the training that has this precision, and it stands.
    other = dataclasses.replace(
        timed, minutes=None, epochs=config["epochs"], dtype_policy="mixed_bfloat16"
    )
    same = barlow.pretrain(IMAGES, tmp_path / "epochs", other, [After()])
    for one, two in zip(
        *(runs.load_encoder(each).get_weights() for each in (run, same)), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    barlow.pretrain(IMAGES, run, timed, [After()], resume=True)
    assert runs.read_config(run) == config
    given = dataclasses.replace(timed, dtype_policy="float32")
    with pytest.raises(InvalidInput, match="dtype_policy is 'mixed_bfloat16' in the run and 'flo"):
        barlow.pretrain(IMAGES, run, given, resume=True)


@pytest.mark.once
def test_a_precision_that_is_not_faster_is_not_taken(promising, monkeypatch, tmp_path):
    monkeypatch.setattr(planning, "_GAIN", np.inf)
    timed = barlow.Settings(batch_size=50, projector=(8, 8), minutes=60)
    run = barlow.pretrain(IMAGES, tmp_path / "run", timed, [After()])
    assert runs.read_config(run)["dtype_policy"] == "float32"
    assert "dtype_policy" not in runs.read_config(run)["reasons"]


@pytest.mark.once
def test_a_device_without_half_precision_trains_without_it(quick, monkeypatch, tmp_path):
    def fails():
        raise TypeError("BFloat16 is not supported")

    monkeypatch.setattr(planning, "_half_precision_promises", fails)
    timed = barlow.Settings(batch_size=50, projector=(8, 8), minutes=60)
    with pytest.warns(UserWarning, match=r"stays in float32. TypeError: BFloat16 is not"):
        run = barlow.pretrain(IMAGES, tmp_path / "run", timed, [After()])
    assert runs.read_config(run)["dtype_policy"] == "float32"


@pytest.mark.once
def test_a_precision_that_is_given_is_not_open():
    assert planning._precision_is_open(barlow.Settings())
    assert not planning._precision_is_open(barlow.Settings(dtype_policy="float32"))
    assert not planning._precision_is_open(SETTINGS)  # an encoder of the user's own
    with backend.keras_defaults("mixed_float16"):
        assert not planning._precision_is_open(barlow.Settings())


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


@pytest.mark.once
def test_an_interrupt_at_the_end_of_an_epoch_of_the_plan_is_not_lost(tmp_path, monkeypatch):
    together = planning._together

    def interrupted(value):
        os.kill(os.getpid(), signal.SIGINT)
        return together(value)

    monkeypatch.setattr(planning, "_together", interrupted)
    monkeypatch.setattr(planning, "_ENOUGH", 0.0)
    with pytest.raises(KeyboardInterrupt):
        barlow.pretrain(IMAGES, tmp_path / "run", dataclasses.replace(SETTINGS, minutes=5))
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_an_interrupt_after_the_last_epoch_of_the_plan_is_not_lost(quick, tmp_path, monkeypatch):
    """While the networks of the short training are written."""
    save = barlow.BarlowTwins.save

    def interrupted(model, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        save(model, *arguments)

    monkeypatch.setattr(barlow.BarlowTwins, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        barlow.pretrain(IMAGES, tmp_path / "run", dataclasses.replace(SETTINGS, minutes=5))
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_reading_is_measured_on_files_that_were_not_read_before(monkeypatch):
    """The clock of this test goes on when a file is read, and at no other time."""
    reads, one_at_a_time = [], threading.Lock()

    def read(number):
        with one_at_a_time:
            reads.append(number)
        return np.zeros((8, 8, 1), "uint8")

    monkeypatch.setattr(reading_time.time, "perf_counter", lambda: len(reads) / 2)
    lazy = data.Images(data.LazyPixels([*range(5000)], (8, 8, 1), read))
    assert reading_time.measure(lazy, 0) == (512.0, 0.5)  # 1,024 are read at the beginning
    assert len({*reads}) == len(reads) == 512
    loaded = dataclasses.replace(lazy, pixels=np.zeros((5000, 8, 8, 1), "uint8"))
    assert reading_time.measure(loaded, 0) == (0.0, 0.0)


@pytest.mark.once
def test_what_reading_takes_is_part_of_the_plan(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "measure", lambda *_: planning.Costs(0.1, 0.0, 0.0, 10.0))
    reading = reading_time.Reading(begin=50.0, image=0.02)
    monkeypatch.setattr(planning.reading_time, "measure", lambda *_: reading)
    timed = dataclasses.replace(SETTINGS, minutes=20)
    run = barlow.pretrain(IMAGES, tmp_path / "run", timed, [After()])
    config = runs.read_config(run)
    # A step of 50 images takes one second, not a tenth; 60 s are for the beginning and the end.
    assert config["planned_seconds"] == pytest.approx(8 * config["epochs"])
    assert 0.95 * 1200 - 60 - 30 < config["planned_seconds"] <= 0.95 * 1200 - 60


@pytest.mark.once
def test_a_short_training_writes_checkpoints_as_often_as_the_one_that_is_planned(
    quick, tmp_path, monkeypatch
):
    seen = []
    record = checkpoints.Record
    monkeypatch.setattr(
        checkpoints, "Record", lambda *given: seen.append(given[3]) or record(*given)
    )
    timed = dataclasses.replace(SETTINGS, minutes=5)
    monkeypatch.setattr(planning, "fitting", lambda *_: 1)
    barlow.pretrain(IMAGES, tmp_path / "run", timed, checkpoint_seconds=7)
    assert set(seen) == {7}
    assert len(seen) > 1


@pytest.mark.once
def test_a_warm_up_is_compared_with_the_epochs_that_were_planned(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "fitting", lambda costs, steps, seconds: 900)
    timed = dataclasses.replace(SETTINGS, minutes=60, warmup_epochs=800)
    run = barlow.pretrain(IMAGES, tmp_path / "run", timed, [After()])
    assert (runs.read_config(run)["epochs"], runs.read_config(run)["warmup_epochs"]) == (900, 800)
    too_many = dataclasses.replace(timed, warmup_epochs=900)
    with pytest.raises(InvalidInput, match=r"900 epochs fit into 60 minutes .* Received: 900"):
        barlow.pretrain(IMAGES, tmp_path / "other", too_many)
    assert not (tmp_path / "other").exists()


def test_too_little_time_is_refused_before_a_run_is_begun(quick, tmp_path):
    settings = dataclasses.replace(SETTINGS, minutes=0.001)
    with pytest.raises(InvalidInput, match=r"An epoch of 400 images .* Give at least .* minutes"):
        barlow.pretrain(IMAGES, tmp_path / "run", settings)
    settings, begun = dataclasses.replace(SETTINGS, minutes=30), time.perf_counter() - 30 * 60
    with pytest.raises(InvalidInput, match=r"An epoch of 400 images .* Give at least .* minutes"):
        barlow.pretrain(IMAGES, tmp_path / "run", settings, begun=begun)  # reading took it all
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


@pytest.mark.once
def test_an_open_size_is_halved_until_enough_steps_fit(photos, quick, monkeypatch, tmp_path):
    monkeypatch.setattr(planning, "_FEW_STEPS", 10**9)
    settings = barlow.Settings(minutes=60, projector=(8, 8))
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


@pytest.mark.once
def test_a_size_that_fits_is_kept_where_trying_a_smaller_one_takes_too_long(
    photos, quick, monkeypatch, tmp_path
):
    monkeypatch.setattr(planning, "_FEW_STEPS", 10**9)
    tried = []

    def measure(images, *_):
        tried.append(images.pixels.shape[1])
        return planning.Costs(1.0, 0.0, 0.0, 10.0 if len(tried) == 1 else 10**6)

    monkeypatch.setattr(planning, "measure", measure)
    settings = barlow.Settings(minutes=60, projector=(8, 8), dtype_policy="float32")
    for slow, expected in ((False, [64, 32]), (True, [64])):  # to read all images again
        if slow:
            monkeypatch.setattr(planning.reading_time, "at_size", lambda *_: 1e4)
        tried.clear()
        run = barlow.pretrain(photos, tmp_path / f"run {slow}", settings, [Ends()])
        assert tried == expected
        assert runs.read_config(run)["image_shape"] == [64, 64, 3]
        assert runs.read_config(run)["epochs"] > 100


@pytest.mark.once
def test_a_temporary_folder_that_is_full_is_said_to_be_one(quick, monkeypatch, tmp_path):
    def full(array, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(array))

    monkeypatch.setattr(np, "savez", full)
    timed = dataclasses.replace(SETTINGS, minutes=5)
    with pytest.raises(OSError, match=r"temporary folder \(TMPDIR\). No space left on device"):
        barlow.pretrain(IMAGES, tmp_path / "run", timed)
    assert not (tmp_path / "run").exists()


class Ends(keras.callbacks.Callback):
    """Ends a training after its first step."""

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = True
