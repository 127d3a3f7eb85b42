import os
import pathlib
import subprocess
import sys

import pytest

import barlow
from barlow.backend import BACKENDS

pytestmark = pytest.mark.once

SOURCE = pathlib.Path(barlow.__file__).parent.parent
CHOICE = "import os, _barlow_command, barlow; print(os.environ.get('KERAS_BACKEND'))"


@pytest.fixture
def run(tmp_path):
    """Run a program where nothing is installed; returns its last line, of output or of an error."""

    def run(program, path=(), **variables):
        environment = {key: os.environ[key] for key in os.environ.keys() - {"KERAS_BACKEND"}}
        environment |= {"KERAS_HOME": str(tmp_path), **variables}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (SOURCE, *path)))
        result = subprocess.run(
            [sys.executable, "-S", "-c", program],
            env=environment, text=True, capture_output=True, check=False,
        )  # fmt: skip
        return (result.stdout + result.stderr).strip().splitlines()[-1]

    return run


def test_without_a_backend_the_import_of_keras_names_the_ways_to_one(run, tmp_path):
    (tmp_path / "keras.py").write_text("raise RuntimeError('Keras was imported')")
    for path in ([], [tmp_path]):  # without Keras, and with it
        assert run(CHOICE, path) == "None"  # the command answers without
        message = run("import barlow", path)
        assert message.startswith("ImportError")
        for name in BACKENDS:
            assert f"pip install 'barlow[{name}]'" in message


def test_a_backend_that_is_installed_after_barlow_was_imported_is_chosen(run, tmp_path):
    (tmp_path / "keras.py").write_text("")
    program = f"""
import importlib, os, pathlib, _barlow_command, barlow
barlow.backend.choose()
try:
    import keras
except ImportError:
    pathlib.Path({str(tmp_path / "torch.py")!r}).touch()
    importlib.invalidate_caches()
    import keras
print(os.environ.get("KERAS_BACKEND"))
"""
    assert run(program, [tmp_path]) == "torch"


def test_a_backend_that_was_named_is_left_to_keras(run, tmp_path):
    assert run(CHOICE, KERAS_BACKEND="jax") == "jax"
    (tmp_path / "keras.json").write_text('{"backend": "openvino"}')
    assert run(CHOICE) == "None"
    assert "No module named 'keras'" in run("import barlow")


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
    installed, configured, chosen, run, tmp_path
):
    for name in installed:
        (tmp_path / name).mkdir()  # enough to be found
    if configured:
        (tmp_path / "keras.json").write_text(f'{{"backend": "{configured}"}}')
    assert run(CHOICE, [tmp_path]) == chosen
