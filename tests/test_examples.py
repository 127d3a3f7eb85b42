"""The examples in the docstrings run and give what they say."""

import doctest
import importlib
import pathlib
import pkgutil
import re
import tempfile

import keras
import numpy as np
import pytest
from PIL import Image

import barlow
from barlow import report

MODULES = [barlow.__name__] + [
    module.name for module in pkgutil.walk_packages(barlow.__path__, prefix="barlow.")
]
NAMES = {
    "barlow": barlow, "keras": keras, "np": np, "pathlib": pathlib, "report": report,
    "tempfile": tempfile,
}  # fmt: skip
README = pathlib.Path(__file__).parent.parent / "README.md"
PROGRAMS = [
    block
    for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    if ">>>" not in block
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(
        importlib.import_module(name), extraglobs=NAMES, optionflags=doctest.ELLIPSIS
    )
    assert result.failed == 0


def test_examples_of_the_readme():
    result = doctest.testfile(str(README), module_relative=False, globs=dict(NAMES))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.splitlines()[0])
def test_programs_of_the_readme_run(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("uint8")
    pathlib.Path("photos").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(f"photos/{i}.png")
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16)])
    za, zb = np.random.default_rng(1).normal(size=(2, 4, 16))
    has = {
        "images": images, "first": images, "second": np.flip(images, axis=2),
        "encoder": barlow.models.encoder("conv", (32, 32, 3)),
        "labelled": barlow.data.Images(np.tile(images, (4, 1, 1, 1)), np.arange(16) % 2),
        "held_out": images, "za": za, "zb": zb, "weights": np.ones(4), "model": model,
        "signals": np.random.default_rng(2).normal(size=(4, 50, 6)).astype("float32"),
        "rows": np.random.default_rng(3).normal(size=(4, 8)).astype("float32"),
    }  # fmt: skip
    # The first epoch shows as much as the hundredth.
    exec(program.replace("epochs=100", "epochs=1"), {**NAMES, **has})  # noqa: S102 - our own text
