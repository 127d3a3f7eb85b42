"""The wheel, in an environment with nothing else in it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv

import keras
import pytest

ROOT = pathlib.Path(__file__).parent.parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "jax", reason="the same for all: done once, beside JAX"
    ),
]
CORE = """
import barlow, numpy as np
z = np.random.default_rng(0).normal(size=(8, 4))
print(float(barlow.losses.Barlow()(z, z)))
images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1))
model = barlow.BarlowTwins(
    barlow.models.encoder("conv", (8, 8, 1)), views=barlow.views.ImageViews("glyphs")
)
model.compile()
model.fit(images, verbose=0)
"""


def test_the_wheel_installs_with_one_backend_and_its_demo_runs(tmp_path):
    environment = {key: os.environ[key] for key in os.environ.keys() - {"KERAS_BACKEND"}}

    def run(*command, check=True):
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False
        )
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env")
    python, command = tmp_path / "env/bin/python", tmp_path / "env/bin/barlow"
    pip = (sys.executable, "-m", "pip", "--python", python, "install")
    install = (*pip, "--quiet", "--no-compile")

    run(*install, wheel)
    without_backend = run(command, "demo", check=False)
    assert without_backend.returncode != 0
    assert "pip install 'barlow[jax]'" in without_backend.stderr

    run(*install, "jax")
    run(python, "-c", CORE)
    without_extra = run(command, "demo", check=False)
    assert without_extra.returncode != 0
    assert "pip install 'barlow[cli]'" in without_extra.stderr

    run(*install, f"{wheel}[jax]")
    run(command, "demo", "--epochs", "1", "--out", tmp_path / "run")
    assert len(json.loads((tmp_path / "run" / "evaluation.json").read_text())["rows"]) == 18
    assert json.loads((tmp_path / "run" / "config.json").read_text())["backend"] == "jax"

    # What users write is typed, strictly.
    program = shutil.copy(ROOT / "tests" / "typed_program.py", tmp_path)
    run(sys.executable, "-m", "pyright", "--pythonpath", python, program)
