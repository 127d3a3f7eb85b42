import os
import pathlib
import platform
import subprocess
import sys

import keras
import pytest

import barlow
from barlow.backend import BACKENDS

SOURCE = pathlib.Path(barlow.__file__).parent.parent

PROGRAM = """
import os
try:
    import barlow
except ModuleNotFoundError as error:
    assert error.name == "keras"  # it chooses before anything imports Keras
print(os.environ.get("KERAS_BACKEND"))
"""


@pytest.fixture
def import_barlow(tmp_path):
    """Import barlow where nothing is installed; returns the backend that it chose or its error."""

    def run(path=(), **variables):
        environment = {key: os.environ[key] for key in os.environ.keys() - {"KERAS_BACKEND"}}
        environment |= {"KERAS_HOME": str(tmp_path), **variables}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (SOURCE, *path)))
        result = subprocess.run(
            [sys.executable, "-S", "-c", PROGRAM],
            env=environment, text=True, capture_output=True, check=False,
        )  # fmt: skip
        return (result.stdout + result.stderr).strip().splitlines()[-1]

    return run


def test_without_a_backend_the_ways_to_one_are_named(import_barlow):
    message = import_barlow()
    assert message.startswith("ImportError")
    for name in BACKENDS:
        assert f"pip install 'barlow[{name}]'" in message


def test_a_backend_that_was_named_is_left_to_keras(import_barlow, tmp_path):
    assert import_barlow(KERAS_BACKEND="jax") == "jax"
    (tmp_path / "keras.json").write_text('{"backend": "openvino"}')
    assert import_barlow() == "None"


@pytest.mark.parametrize(
    ("installed", "configured", "chosen"),
    [
        (["torch"], None, "torch"),
        (["torch", "jax"], None, "jax"),
        (["tensorflow", "jax"], None, "None"),
        (["torch", "jax"], "torch", "None"),
        (["torch", "jax"], "tensorflow", "jax"),
    ],
)
def test_an_installed_backend_is_chosen_where_keras_would_take_a_missing_one(
    installed, configured, chosen, import_barlow, tmp_path
):
    for name in installed:
        (tmp_path / name).mkdir()  # enough to be found
    if configured:
        (tmp_path / "keras.json").write_text(f'{{"backend": "{configured}"}}')
    assert import_barlow(path=[tmp_path]) == chosen


FAULTS = """
import resource
import torch
from barlow import backend

if {keep}:
    backend.keep_freed_memory()
faults = []
for _ in range(4):
    torch.ones(2**25).sum()  # 128 MB, written and freed
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[-1] - faults[-2])
"""


@pytest.mark.skipif(
    keras.backend.backend() != "torch" or platform.libc_ver()[0] != "glibc",
    reason="the other backends keep memory themselves, other C libraries cannot be told",
)
def test_memory_of_freed_arrays_is_used_again():
    """Without, the system gives each page of an array anew; a page has at most 2 MiB."""
    faults = [
        int(subprocess.check_output([sys.executable, "-c", FAULTS.format(keep=keep)], text=True))
        for keep in (False, True)
    ]
    assert faults[0] >= 64
    assert faults[1] <= 8
