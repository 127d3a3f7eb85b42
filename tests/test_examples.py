"""The examples in the docstrings run and give what they say."""

import doctest
import importlib
import pathlib
import pkgutil
import tempfile

import keras
import numpy as np
import pytest

import barlow
import barlow.evaluation

MODULES = [barlow.__name__] + [
    module.name for module in pkgutil.walk_packages(barlow.__path__, prefix="barlow.")
]
NAMES = {"barlow": barlow, "keras": keras, "np": np, "pathlib": pathlib, "tempfile": tempfile}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(
        importlib.import_module(name), extraglobs=NAMES, optionflags=doctest.ELLIPSIS
    )
    assert result.failed == 0


def test_examples_of_the_readme():
    readme = pathlib.Path(__file__).parent.parent / "README.md"
    result = doctest.testfile(str(readme), module_relative=False, globs=dict(NAMES))
    assert result.attempted > 0
    assert result.failed == 0
