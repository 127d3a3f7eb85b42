import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import threading
import time

import keras
import numpy as np
import pytest

import barlow
from barlow import data, runs
from barlow.training import checkpoints

# Small, and with the optimizer that has most to resume.
NETWORKS = {"encoder": "small:network", "optimizer": "muon", "projector": (16, 16)}
SETTINGS = barlow.Settings(epochs=3, batch_size=50, **NETWORKS)
STEPS = 4  # of an epoch


def digits():
    return data.digits().pixels[:200]


@pytest.fixture
def images():
    return digits()


class At(keras.callbacks.Callback):
    """Does something after a step, counted from 1."""

    def __init__(self, step, action):
        super().__init__()
        self.step, self.action = step, action

    def on_train_batch_end(self, batch, logs=None):
        self.step -= 1
        if self.step == 0:
            self.action()


def fail():
    raise RuntimeError("as a process that dies")


def train(images, run, *callbacks, **options):
    return barlow.pretrain(images, run, SETTINGS, callbacks, **{"checkpoint_seconds": 0, **options})


def result(run):
    """All that two equal runs have in common."""
    weights = keras.models.load_model(run / runs.MODEL).get_weights()
    with np.load(run / runs.CORRELATION, allow_pickle=False) as arrays:
        correlation = dict(arrays)
    metrics = runs.read_metrics(run)
    for row in metrics:
        images_per_second, seconds = row.pop("images_per_second"), row.pop("seconds")
        assert images_per_second * seconds == pytest.approx(50 * STEPS)
    return weights, correlation, metrics


def assert_same(run, expected):
    for found, wanted in zip(result(run), expected, strict=True):
        keras.tree.map_structure(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), found, wanted
        )
    assert not (run / runs.CHECKPOINTS).exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted; as there was none to resume, it began."""
    return train(digits(), tmp_path_factory.mktemp("runs") / "run", resume=True)


@pytest.fixture(scope="module")
def died_of(tmp_path_factory):
    """A run that died in its second epoch."""
    run = tmp_path_factory.mktemp("runs") / "run"
    with pytest.raises(RuntimeError, match="dies"):
        train(digits(), run, At(7, fail))
    return run


@pytest.fixture
def died(died_of, tmp_path):
    """A copy of it."""
    return shutil.copytree(died_of, tmp_path / "died")


def test_a_run_that_died_in_an_epoch_is_resumed_as_if_it_had_not(died, images, whole):
    train(images, died, resume=True)
    assert_same(died, result(whole))


def test_with_ema_a_run_is_resumed_with_the_weights_and_not_their_averages(images, tmp_path):
    settings = barlow.Settings(epochs=3, batch_size=50, **NETWORKS, ema=0.9)

    def train_on(run, *callbacks):
        ways = {"resume": True, "checkpoint_seconds": 0}
        return barlow.pretrain(images, tmp_path / run, settings, callbacks, **ways)

    train_on("died", At(6, lambda: os.kill(os.getpid(), signal.SIGTERM)))  # it leaves averages
    ends = iter(
        [int, fail]
    )  # of the rest of the epoch, which is a `fit` of its own, and of the run
    with pytest.raises(RuntimeError, match="dies"):
        train_on("died", keras.callbacks.LambdaCallback(on_train_end=lambda logs: next(ends)()))
    assert checkpoints.load(tmp_path / "died").step == 3 * STEPS
    assert_same(train_on("died"), result(train_on("whole")))


@pytest.mark.parametrize("step", [4, 12], ids=["of an epoch", "of the run"])
@pytest.mark.once
def test_a_run_that_died_at_an_end_is_resumed_as_if_it_had_not(step, images, tmp_path, whole):
    class Fail(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if STEPS * epoch == step:
                fail()

        def on_train_end(self, logs=None):
            fail()

    with pytest.raises(RuntimeError, match="dies"):
        train(images, tmp_path / "run", Fail())
    assert checkpoints.load(tmp_path / "run").step == step
    train(images, tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", result(whole))


def test_sigterm_leaves_a_run_that_is_resumed(images, tmp_path, whole):
    before = signal.getsignal(signal.SIGTERM)
    interrupt = At(6, lambda: os.kill(os.getpid(), signal.SIGTERM))
    run = train(images, tmp_path / "run", interrupt, checkpoint_seconds=1e6)
    assert signal.getsignal(signal.SIGTERM) is before
    assert runs.load_encoder(run).predict(images, verbose=0).shape == (200, 8)
    assert not runs.is_complete(run)
    assert [path.name for path in (run / runs.CHECKPOINTS).iterdir()] == ["000000000006.npz"]
    train(images, run, resume=True)
    assert_same(run, result(whole))
    assert runs.is_complete(run)


def test_two_checkpoints_are_kept_and_a_half_one_is_not(images, tmp_path):
    stray = tmp_path / runs.CHECKPOINTS / ".000000000001.partial.npz"
    stray.parent.mkdir()
    stray.write_text("half of")
    for step in range(1, 5):
        checkpoints.save(tmp_path, checkpoints.Checkpoint(step, [np.ones(3) * step], [], 0.5))
    names = sorted(path.name for path in (tmp_path / runs.CHECKPOINTS).iterdir())
    assert names == ["000000000003.npz", "000000000004.npz"]
    loaded = checkpoints.load(tmp_path)
    assert (loaded.step, loaded.epochs, loaded.seconds) == (4, [], 0.5)
    np.testing.assert_array_equal(loaded.variables, [[4, 4, 4]])


def test_what_cannot_be_deleted_ends_no_training(tmp_path):
    for name in ("000000000001.npz", ".ipynb_checkpoints"):
        (tmp_path / runs.CHECKPOINTS / name).mkdir(parents=True)
    for step in range(2, 5):
        checkpoints.save(tmp_path, checkpoints.Checkpoint(step, [np.ones(3)], [], 0.0))
    assert checkpoints.load(tmp_path).step == 4


def test_new_checkpoints_are_kept_and_not_the_damaged_ones_of_later_steps(tmp_path):
    (tmp_path / runs.CHECKPOINTS).mkdir()
    for step in (4900, 5000):
        (tmp_path / runs.CHECKPOINTS / f"{step:012}.npz").write_text("damaged")
    for step in (100, 200, 300):
        checkpoints.save(tmp_path, checkpoints.Checkpoint(step, [np.ones(3)], [], 0.0))
    names = sorted(path.name for path in (tmp_path / runs.CHECKPOINTS).iterdir())
    assert names == ["000000000200.npz", "000000000300.npz"]


def test_variables_of_bfloat16_are_restored(tmp_path):
    def network():
        layers = [keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.SGD(), "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    def values(model):
        variables = [*model.variables, *model.optimizer.variables]
        return [keras.ops.convert_to_numpy(each).astype("float32") for each in variables]

    one, other = network(), network()
    variables = [keras.ops.convert_to_numpy(each) for each in checkpoints._variables(one)]
    checkpoints.save(tmp_path, checkpoints.Checkpoint(1, variables, [], 0.0))
    checkpoints.restore(other, checkpoints.load(tmp_path))
    assert keras.backend.standardize_dtype(other.weights[0].dtype) == "bfloat16"
    for found, expected in zip(values(other), values(one), strict=True):
        np.testing.assert_array_equal(found, expected)


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def in_directory(place, value):
    """Damages the entry of the first variable in the directory of the file."""

    def damage(content):
        found = bytearray(content)
        found[content.index(b"PK\1\2") + place] = value
        return bytes(found)

    return damage


DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "one bit": flip,
    "last byte": lambda content: content[:-1],
    "encrypted": in_directory(8, 1),
    "of a later version": in_directory(6, 255),
    "in an unknown way": in_directory(10, 99),
    "deflated": in_directory(10, 8),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_skipped_with_a_warning(damage, tmp_path):
    rng = np.random.default_rng(0)
    for step in (1, 2):
        variables = [rng.normal(size=1000), rng.normal(size=())]
        checkpoints.save(tmp_path, checkpoints.Checkpoint(step, variables, [{"epoch": 1}], 0.0))
    newest = tmp_path / runs.CHECKPOINTS / "000000000002.npz"
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.warns(UserWarning, match=r"000000000002\.npz is damaged"):
        assert checkpoints.load(tmp_path).step == 1


@pytest.mark.once
def test_a_run_is_resumed_from_the_checkpoint_before_a_damaged_one(died, images, whole):
    newest = max((died / runs.CHECKPOINTS).iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="damaged"):
        train(images, died, resume=True)
    assert_same(died, result(whole))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_where_there_is_no_room_for_a_checkpoint_those_before_it_stay(tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for step in (1, 2):
        checkpoints.save(tmp_path, checkpoints.Checkpoint(step, [np.ones(1000)], [], 0.0))
    before = {path: path.read_bytes() for path in (tmp_path / runs.CHECKPOINTS).iterdir()}
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        with pytest.raises(OSError, match="large"):
            checkpoints.save(tmp_path, checkpoints.Checkpoint(3, [np.ones(1000)], [], 0.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert before == {path: path.read_bytes() for path in (tmp_path / runs.CHECKPOINTS).iterdir()}


@pytest.mark.parametrize(
    "every",
    [0, pytest.param(1e6, marks=pytest.mark.once)],
    ids=["with checkpoints", "without"],
)
def test_nan_ends_training_and_is_not_saved(every, images, tmp_path):
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                kernel = self.model.projector.layers[-1].kernel
                kernel.assign(np.nan * np.ones(kernel.shape))

    with pytest.raises(FloatingPointError, match=r"learning rate") as error:
        train(images, tmp_path / "run", Spoil(), checkpoint_seconds=every)
    assert "at step 3: " in str(error.value)
    checkpoint = checkpoints.load(tmp_path / "run")
    if every:
        assert checkpoint is None
    else:
        assert "The checkpoint of step 2 is intact." in str(error.value)
        assert checkpoint.step == 2
        assert all(np.isfinite(array).all() for array in checkpoint.variables)


@pytest.mark.parametrize("last", [False, True], ids=["within", "at the end"])
def test_the_first_layer_with_nan_is_named(last, images, tmp_path):
    names = []

    class Spoil(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            first, *_ = self.model.encoder.layers[-4:]  # convolution, its normalisation, ReLU, mean
            layer = self.model.projector.layers[-1] if last else first
            layer.kernel.assign(np.nan * np.ones(layer.kernel.shape))
            names.append(self.model.encoder.layers[-3].name)

    with pytest.raises(FloatingPointError, match="at step 1: ") as error:
        train(images, tmp_path / "run", Spoil())
    expected = "all weights, by the gradient" if last else f"moving_mean of the layer {names[0]}."
    assert expected in str(error.value)


def test_checkpoints_go_all_at_once(tmp_path):
    """So that a kill leaves none of them in part: then a complete run would train again."""
    runs.write_json(tmp_path / runs.CONFIG, {"versions": {"barlow": "0.1.0"}})
    (tmp_path / runs.MODEL).touch()
    for step in (1, 2):
        checkpoints.save(tmp_path, checkpoints.Checkpoint(step, [np.ones(3)], [], 0.0))
    assert not runs.is_complete(tmp_path)
    held = (tmp_path / runs.CHECKPOINTS).rename(tmp_path / runs.REMOVED)  # as at a kill
    assert runs.is_complete(tmp_path)
    held.rename(tmp_path / runs.CHECKPOINTS)
    checkpoints.remove(tmp_path)
    assert runs.is_complete(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [runs.CONFIG, runs.MODEL]


def everything(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_complete_run_stays_as_it_is_when_it_is_resumed(images, whole):
    before = everything(whole)
    train(images, whole, resume=True)
    assert before == everything(whole)


def test_other_settings_or_images_are_refused_by_name_and_nothing_changes(died, images):
    before = everything(died)
    other = barlow.Settings(epochs=4, batch_size=50, **{**NETWORKS, "projector": (16, 8)})
    for pixels, settings, message in (
        (images, other, "projector is [16, 16] in the run and [16, 8] now; epochs is 3 in the"),
        (images[:150], SETTINGS, "images is 200 in the run and 150 now"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            barlow.pretrain(pixels, died, settings, resume=True)
    assert before == everything(died)


def test_a_checkpoint_of_another_model_is_refused(images, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd")
    with pytest.raises(ValueError, match="another model"):
        checkpoints.restore(model, checkpoints.Checkpoint(1, [np.ones(3)], [], 0.0))


@pytest.mark.once
def test_a_run_is_overwritten_and_files_that_are_not_its_own_stay(died, images):
    (died / "notes.txt").write_text("precious")
    (died / runs.EVALUATION).write_text("{}")
    with pytest.raises(FileExistsError, match=r"--resume, resume=True.*--overwrite"):
        train(images, died)
    settings = barlow.Settings(epochs=1, batch_size=40, encoder="small:network", projector=(8,))
    barlow.pretrain(images, died, settings, overwrite=True)
    assert runs.read_config(died)["batch_size"] == 40
    assert len(runs.read_metrics(died)) == 1
    assert runs.is_complete(died)
    assert (died / "notes.txt").read_text() == "precious"
    assert not (died / runs.EVALUATION).exists()


def test_only_a_run_is_overwritten(images, tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="not a run"):
        train(images, tmp_path, overwrite=True)
    with pytest.raises(ValueError, match="both"):
        train(images, tmp_path, overwrite=True, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.once
def test_a_new_run_starts_from_the_weights_of_another(images, whole, tmp_path):
    start = []

    class Weights(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            start.extend(self.model.encoder.get_weights())

    settings = barlow.Settings(
        epochs=1, batch_size=40, encoder="small:network", projector=(8,), seed=1
    )
    run = barlow.pretrain(images, tmp_path / "run", settings, [Weights()], from_run=whole)
    for found, expected in zip(start, runs.load_encoder(whole).get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert runs.read_config(run)["from_run"] == str(whole)


def test_an_encoder_for_other_images_gives_no_weights(images, whole, tmp_path):
    colour = np.repeat(images, 3, axis=-1)
    with pytest.raises(ValueError, match=re.escape("(8, 8, 1), this one (8, 8, 3)")):
        barlow.pretrain(colour, tmp_path / "run", SETTINGS, from_run=whole)
    with pytest.raises(FileNotFoundError, match="not a finished run"):
        barlow.pretrain(images, tmp_path / "run", SETTINGS, from_run=tmp_path / "nothing")
    assert not (tmp_path / "run").exists()


class Kill(keras.callbacks.Callback):
    """Kills the process at a random moment of one of the next steps, its checkpoint included."""

    def __init__(self, seed):
        super().__init__()
        self.random, self.begins = random.Random(seed), []  # noqa: S311 - moments, no secrets
        self.at = self.random.randint(3, 6)  # the first steps compile

    def on_train_batch_begin(self, batch, logs=None):
        self.begins.append(time.perf_counter())
        if len(self.begins) == self.at:
            delay = self.random.uniform(0, self.begins[-1] - self.begins[-2])
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()


# A process begins slowly, but for those of PyTorch. By hand twenty.
KILLS = int(os.environ.get("BARLOW_SEEDS", "3" if keras.backend.backend() == "torch" else "1"))


def train_in_process(run, seed=None):
    settings = barlow.Settings(epochs=2 * KILLS + 2, batch_size=50, **NETWORKS)
    callbacks = [] if seed is None else [Kill(seed)]
    pixels = data.digits().pixels[:200]
    barlow.pretrain(pixels, run, settings, callbacks, resume=True, checkpoint_seconds=0)


@pytest.mark.once  # what is written, and in which order, is the same for all
@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_ends_as_if_it_had_not_been(tmp_path):
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["barlow"])

    def exit_code(*arguments):
        process = processes.Process(target=train_in_process, args=arguments)
        process.start()
        process.join(timeout=300)
        return process.exitcode

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert exit_code(whole) == 0
    for seed in range(KILLS):
        assert exit_code(killed, seed) == -signal.SIGKILL
        assert not runs.is_complete(killed)
    assert exit_code(killed) == 0
    assert_same(killed, result(whole))
