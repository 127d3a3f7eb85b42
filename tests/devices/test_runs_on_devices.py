"""Runs on several devices: the metrics of one, and what is left when a process is struck."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import small_run

from barlow import data, runs

BACKEND = keras.backend.backend()
COMMAND = pathlib.Path(sys.executable).with_name("barlow")
PROGRAM, PLANNED = (pathlib.Path(__file__).with_name(name) for name in ("run.py", "plan.py"))
EPOCHS, STEPS = 3, 4

pytestmark = pytest.mark.slow


def processes_of(devices, folder, *struck, processes=1, program=PROGRAM):
    """The processes of a run, not yet ended."""
    command = [str(program), str(devices), str(folder), *map(str, struck)]
    if BACKEND == "torch" and devices > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
        command = launcher + command
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    started = []
    for number in range(processes):
        if processes > 1:
            environment |= {
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
                "KERAS_DISTRIBUTION_PROCESS_ID": str(number),
            }
        started.append(
            subprocess.Popen(
                [sys.executable, *command],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return started


def train(devices, folder, *struck, **ways):
    """Exit codes and all that was printed."""
    started = processes_of(devices, folder, *struck, **ways)
    try:
        output = "".join(process.communicate(timeout=240)[0] for process in started)
    finally:
        for process in started:
            process.kill()
    return [process.returncode for process in started], output


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A run on one device."""
    return small_run.train(tmp_path_factory.mktemp("runs") / "one")


def assert_same(run, expected):
    """Whether a run has the metrics and the encoder of another, and is complete."""
    assert runs.is_complete(run)
    for row, other in zip(runs.read_metrics(run), runs.read_metrics(expected), strict=True):
        for name in ("loss", "invariance"):
            assert row[name] == pytest.approx(other[name], rel=1e-4)
    found, wanted = (runs.load_encoder(each).get_weights() for each in (run, expected))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)
    assert not list(run.parent.glob("*partial*"))


def test_a_run_that_is_interrupted_on_two_devices_and_resumed_on_others_is_that_of_one(
    one, tmp_path
):
    """The signal to one process stops all of them."""
    processes = 2 if BACKEND == "jax" else 1
    struck = 0 if BACKEND == "tensorflow" else 1
    codes, output = train(2, tmp_path / "run", struck, "SIGINT", processes=processes)
    assert set(codes) == {0}, output
    assert not runs.is_complete(tmp_path / "run")
    assert len(runs.read_metrics(tmp_path / "run")) == 2
    if BACKEND == "tensorflow":
        small_run.train(tmp_path / "run")
    else:
        codes, output = train({"torch": 3, "jax": 4}[BACKEND], tmp_path / "run")
        assert codes == [0], output
    assert_same(tmp_path / "run", one)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="one process")
def test_a_process_that_is_killed_ends_the_others_and_the_run_is_resumed_on_one(one, tmp_path):
    processes = 1 if BACKEND == "torch" else 2
    codes, output = train(2, tmp_path / "run", 1, "SIGKILL", processes=processes)
    assert codes[0] == 1, output
    assert "SIGKILL" in output or -signal.SIGKILL in codes
    assert "Another of the 2 processes of this training has ended" in output
    assert not runs.is_complete(tmp_path / "run")
    small_run.train(tmp_path / "run")
    assert_same(tmp_path / "run", one)


@pytest.mark.skipif(BACKEND != "torch", reason="elsewhere one process has all devices")
def test_processes_that_do_not_see_the_same_run_are_refused(one, tmp_path):
    shutil.copytree(one, tmp_path / "run 0")
    before = runs.read_metrics(one)
    codes, output = train(2, tmp_path / "run {process}")
    assert 0 not in codes
    assert "Not all of the 2 processes see the same run" in output
    assert runs.read_metrics(tmp_path / "run 0") == before
    assert [path.name for path in tmp_path.iterdir()] == ["run 0"]


@pytest.mark.skipif(BACKEND != "torch", reason="once is enough, and elsewhere it takes longer")
def test_processes_whose_clocks_differ_plan_one_training_in_the_place_of_the_first(tmp_path):
    (tmp_path / "run 1").mkdir()
    (tmp_path / "run 1" / "notes.txt").write_text("mine")  # no run can be written there
    codes, output = train(2, tmp_path / "run {process}", program=PLANNED)
    assert set(codes) == {0}, output
    assert runs.is_complete(tmp_path / "run 0")
    assert [path.name for path in (tmp_path / "run 1").iterdir()] == ["notes.txt"]


@pytest.mark.skipif(BACKEND != "torch", reason="elsewhere one process has all devices")
def test_the_command_starts_its_processes_and_says_everything_once(tmp_path):
    np.savez(tmp_path / "x.npz", images=data.digits().pixels[:60])
    for name in ("keras", "tensorboardX", "numpy"):  # the working folder is data, not code
        (tmp_path / f"{name}.py").write_text("open('RUN', 'w')")
    command = [COMMAND, "pretrain", "x.npz", "--out", "run", "--epochs", "1", "--devices", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("60 grey images of 8 x 8 pixels") == 1
    assert done.stdout.count("Trained 1 epochs") == 1
    assert runs.is_complete(tmp_path / "run")
    assert not (tmp_path / "RUN").exists()
