"""A run from its place to its end: who may train there, when it is complete, what it leaves."""

import gc
import json
import os
import signal
import threading
import weakref

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import barlow
from barlow import data, lock, runs
from barlow.training import checkpoints

SETTINGS = barlow.Settings(epochs=5, batch_size=50, encoder="small:network", projector=(8, 8))
STEPS = 2  # of an epoch


@pytest.fixture
def images():
    return data.digits().pixels[:100]


class Call(keras.callbacks.Callback):
    """Calls a function with the model at a moment, in each epoch or in one of them."""

    def __init__(self, moment, action):
        super().__init__()
        setattr(self, moment, lambda when, logs=None: action(self.model, when))


def stop(model, _):
    model.stop_training = True


def interrupt(_, when):
    if when == 1:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("callback", "ema"),
    [
        (lambda: keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9), None),
        (
            lambda: keras.callbacks.EarlyStopping(
                "rank_me", patience=1, min_delta=1e9, mode="max", restore_best_weights=True
            ),
            0.9,
        ),
        (lambda: Call("on_epoch_end", stop), None),
    ],
    ids=["EarlyStopping", "with the best weights", "own"],
)
@pytest.mark.once
def test_a_run_that_a_callback_ends_after_an_epoch_is_complete(callback, ema, images, tmp_path):
    settings = barlow.Settings(**{**vars(SETTINGS), "ema": ema})
    run = barlow.pretrain(images, tmp_path / "run", settings, [callback()], checkpoint_seconds=0)
    ended = runs.summary(run)
    assert ended.complete
    assert ended.epochs < ended.planned
    assert not (run / runs.CHECKPOINTS).exists()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    barlow.pretrain(images, run, settings, resume=True)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.once
def test_a_run_that_a_callback_had_ended_before_it_died_trains_no_more(images, tmp_path):
    def fail(*_):
        raise RuntimeError("as a process that dies")

    class Fail(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            fail()

    run, callbacks = tmp_path / "run", [Call("on_epoch_end", stop), Fail()]
    with pytest.raises(RuntimeError, match="dies"):
        barlow.pretrain(images, run, SETTINGS, callbacks, checkpoint_seconds=0)
    assert not runs.is_complete(run)
    barlow.pretrain(images, run, SETTINGS, resume=True)
    assert runs.is_complete(run)
    assert [row["epoch"] for row in runs.read_metrics(run)] == [1]


@pytest.mark.parametrize(
    "callback",
    [
        Call("on_train_batch_end", lambda model, step: step == 0 and stop(model, step)),
        pytest.param(
            Call("on_train_batch_end", lambda model, step: step == STEPS - 1 and stop(model, step)),
            marks=pytest.mark.once,
        ),
        pytest.param(Call("on_epoch_end", interrupt), marks=pytest.mark.once),
    ],
    ids=["in an epoch", "in its last step", "by a signal after an epoch"],
)
def test_a_run_that_is_stopped_otherwise_is_resumed_to_its_end(callback, images, tmp_path):
    run = barlow.pretrain(images, tmp_path / "run", SETTINGS, [callback])
    assert not runs.summary(run).complete
    barlow.pretrain(images, run, SETTINGS, resume=True)
    assert runs.is_complete(run)
    assert [row["epoch"] for row in runs.read_metrics(run)] == [1, 2, 3, 4, 5]


@pytest.mark.once
@pytest.mark.parametrize("way", [{}, {"resume": True}, {"overwrite": True}], ids=str)
def test_while_a_run_trains_no_other_begins_resumes_or_replaces_it(way, images, tmp_path):
    run, refused = tmp_path / "run", []

    def try_it(*_):
        for attempt in (
            lambda: barlow.pretrain(images, run, SETTINGS, **way),
            lambda: runs.check_place(run, **way),
        ):
            with pytest.raises(FileExistsError) as error:
                attempt()
            refused.append(str(error.value))

    settings = barlow.Settings(**{**vars(SETTINGS), "epochs": 1})
    barlow.pretrain(images, run, settings, [Call("on_epoch_end", try_it)])
    assert len(refused) == 2
    if way:
        assert all(f"in training: process {os.getpid()} of user" in each for each in refused)
    assert runs.is_complete(run)
    assert not (run / lock.NAME).exists()


@pytest.mark.once
def test_of_two_new_runs_at_once_in_a_folder_the_second_is_refused_at_once(images, tmp_path):
    run, seen, first = tmp_path / "run", [], threading.Lock()

    def read(i):
        if first.acquire(blocking=False):  # threads read many at once
            seen.append((run / runs.CONFIG).exists())
            with pytest.raises(FileExistsError, match="in training"):
                barlow.pretrain(images, run, SETTINGS)
        return images[i]

    barlow.pretrain(data.Images(data.LazyPixels(range(100), (8, 8, 1), read)), run, SETTINGS)
    assert seen == [False]
    assert runs.is_complete(run)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def strictly(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.once
@given(content=st.dictionaries(st.text(), JSON))
def test_whatever_a_run_writes_is_json(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / "file.json"
    runs.write_json(path, content)
    assert strictly(path.read_text()).keys() == content.keys()


@pytest.mark.once
@given(rows=st.lists(st.dictionaries(st.text(), st.floats() | st.floats(width=32).map(np.float32))))
def test_metrics_are_json_and_read_as_numbers(rows, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    runs.write_metrics(run, rows[:1])
    for row in rows[1:]:
        runs.append_metrics(run, row)
    checkpoints.save(run, checkpoints.Checkpoint(1, [], rows, 0.0))
    lines = (run / runs.METRICS).read_text().split("\n")[:-1]
    assert list(map(strictly, lines)) == checkpoints.load(run).epochs
    for found, row in zip(runs.read_metrics(run), rows, strict=True):
        for name, value in row.items():
            expected = value if np.isfinite(value) else np.nan
            np.testing.assert_equal(found[name], float(expected))


@pytest.mark.once
def test_two_images_leave_json_and_a_run_that_is_read(images, tmp_path):
    """alpha-ReQ has no value then; the settings are NumPy's numbers, and a callback adds more."""

    class Add(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs.update(worst=float("inf"), note="no number", table=np.ones((2, 2)))

    settings = barlow.Settings(
        epochs=np.int64(1), projector=(8,), learning_rate=np.float32(1e-3), seed=np.uint32(3)
    )
    run = barlow.pretrain(images[:2], tmp_path / "run", settings, [Add()])
    row = strictly((run / runs.METRICS).read_text())
    assert row["alpha_req"] is row["worst"] is None
    assert "note" not in row
    assert strictly((run / runs.CONFIG).read_text())["epochs"] == 1
    assert np.isnan(runs.read_metrics(run)[0]["alpha_req"])
    assert np.isnan(runs.summary(run).metrics["alpha_req"])


def fail(*_):
    raise RuntimeError("in a callback")


@pytest.mark.parametrize("end", [None, interrupt, fail], ids=["whole", "interrupted", "failed"])
def test_a_training_leaves_no_thread_no_images_and_no_model(end, images, tmp_path):
    seen = []

    def see(model, _):
        seen.extend(weakref.ref(each) for each in (model, model.encoder, model.optimizer))

    def train():
        callbacks = [Call("on_epoch_begin", see), *([Call("on_epoch_end", end)] if end else [])]
        pixels = data.LazyPixels(range(100), (8, 8, 1), lambda i: images[i])
        seen.append(weakref.ref(pixels))
        try:
            barlow.pretrain(data.Images(pixels), tmp_path / "run", SETTINGS, callbacks)
        except RuntimeError:
            assert end is fail

    before = set(threading.enumerate())
    train()
    gc.collect()
    names = [each.name for each in set(threading.enumerate()) - before]
    # TensorFlow's own threads have a dummy each, if they have called Python.
    assert [name for name in names if not name.startswith("Dummy")] == []
    assert len(seen) >= 4
    assert [each() for each in seen if each() is not None] == []


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the others keep no graphs")
def test_a_training_leaves_no_graph(images, tmp_path):
    from tensorflow.python.framework.func_graph import FuncGraph

    def count():
        gc.collect()
        return sum(type(each) is FuncGraph for each in gc.get_objects())

    counts = []
    for number in range(3):
        barlow.pretrain(images, tmp_path / str(number), SETTINGS)
        counts.append(count())
    assert counts[2] <= counts[1] + 8  # of reading the images, which Keras keeps
