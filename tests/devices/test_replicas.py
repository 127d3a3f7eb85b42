"""Many devices compute what one does: real processes and real devices, each with its own worker."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

BACKEND = keras.backend.backend()
WORKER = pathlib.Path(__file__).with_name("worker.py")
# JAX divides a batch evenly; the others have replicas with few samples, and with none.
MANY = {"tensorflow": (2, 4), "torch": (2, 4), "jax": (4,)}[BACKEND]
# For time most trainings are on few.
with_few = pytest.mark.parametrize("many", MANY[:1], indirect=True)

pytestmark = pytest.mark.slow


def compute(replicas, folder, floats="float32"):
    """What the processes of so many replicas have written, by name, a list of one per process."""
    arguments = [str(WORKER), str(replicas), str(folder), floats]
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={replicas}"]
    if BACKEND == "torch" and replicas > 1:
        arguments = launcher + arguments
    paths = [str(WORKER.parents[1]), *sys.path]
    subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=True,
        timeout=600,
    )
    found = []
    for path in sorted(folder.glob(f"{replicas}-*.npz")):
        with np.load(path) as arrays:
            found.append(dict(arrays))
    return {name: [each[name] for each in found] for name in found[0]}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return compute(1, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module", params=MANY)
def many(request, tmp_path_factory):
    return compute(request.param, tmp_path_factory.mktemp("many"))


def deviation(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.skipif(BACKEND == "jax", reason="an array lies on many devices")
def test_the_loss_of_the_rows_of_many_replicas_is_that_of_one_batch(one, many):
    names = [name for name in one if name.endswith((" values", " da", " db"))]
    assert len(names) == 24
    for name in names:
        tolerance = 1e-12 if "float64" in name else 1e-6
        (expected,) = one[name]
        assert deviation(np.concatenate(many[name]), expected) < tolerance, name


def test_small_dense_networks_have_the_weights_of_one_device(one, many):
    names = [name for name in many if name.startswith("dense") and "metrics" not in name]
    assert names
    for name in names:
        for found in many[name]:
            np.testing.assert_allclose(found, one[name][0], rtol=0, atol=1e-6, err_msg=name)


def test_every_device_reports_the_metrics_of_the_global_batch(one, many):
    names = [name for name in many if name.startswith("dense") and "metrics" in name]
    assert names
    for name in names:
        expected = one[name][0]
        for found in many[name]:  # redundancy is a difference of two larger numbers
            atol = 1e-6 * expected.max()
            np.testing.assert_allclose(found, expected, rtol=0, atol=atol, err_msg=name)


@with_few
def test_a_convolutional_network_deviates_no_more_than_after_a_disturbance_of_1e_7(one, many):
    names = [name for name in many if name.startswith("conv") and "metrics" not in name]
    assert names
    for name in names:
        (expected,), (disturbed,) = one[name], one[f"disturbed {name}"]
        control = np.abs(disturbed - expected).max()
        for found in many[name]:
            assert np.abs(found - expected).max() <= control, name


WAITING = {  # in a step, one replica for another
    "jit": "jit_compile=True",
    "steps": "steps_per_execution=2",
    "local": "Batch normalisation of the layers normal takes the statistics of each device",
}
INDIVISIBLE = {"indivisible": "Take a multiple of"}
PROCESSES = {"same": "barlow.data.Batches", "fully_shard": "`fully_shard` has no effect"}
SAID = {
    "tensorflow": WAITING | INDIVISIBLE,
    "jax": INDIVISIBLE,
    "torch": WAITING | PROCESSES,
}[BACKEND]


@with_few
def test_what_would_not_be_the_training_of_one_device_is_refused_or_said(many):
    said = {name.removeprefix("said of "): texts for name, texts in many.items() if "said" in name}
    assert said.keys() == SAID.keys()
    for name, texts in said.items():
        for text in texts:
            assert SAID[name] in str(text), name
    if "local" in said:
        assert "Dropout draws on each device" in str(said["local"][0])


@pytest.mark.skipif(BACKEND == "torch", reason="Keras computes its losses in float32 there")
def test_in_float64_the_weights_are_those_of_one_device_to_ten_digits(tmp_path):
    (expected,) = compute(1, tmp_path, "float64")["dense adamw last"]
    (found,) = compute(MANY[-1], tmp_path, "float64")["dense adamw last"]
    assert expected.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
