import os
import subprocess
import sys

import keras
import pytest

TRAINING = """
import keras, numpy as np
from absl import logging
import barlow

layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()]
model = barlow.BarlowTwins(keras.Sequential(layers), (8, 8), views=None)
model.compile("adamw")
images = np.random.default_rng(0).uniform(size=(8, 8, 8, 1))
model.fit((images, images), verbose=0)
logging.warning("as Keras warns")
"""

# As the command: otherwise `import barlow` imports the backend.
QUIET = "import _barlow_command; from barlow import backend; backend.quiet()"


def lines_on_standard_error(program, **variables):
    unset = {"TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND"}
    environment = {key: os.environ[key] for key in os.environ.keys() - unset} | variables
    environment["KERAS_BACKEND"] = keras.backend.backend()
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, text=True, capture_output=True, check=True
    )
    return result.stderr.splitlines()


def test_a_quiet_training_writes_nothing_to_standard_error():
    loud = lines_on_standard_error(TRAINING)
    assert "WARNING:absl:as Keras warns" in loud
    if keras.backend.backend() == "tensorflow":
        assert any("oneDNN" in line for line in loud)
    after = "import importlib.util, os\nos.write(2, b'an error')\n"  # which appears
    if keras.backend.backend() == "tensorflow":  # whose import is a plain one
        after += "assert importlib.util.find_spec('tensorflow').name == 'tensorflow'"
    assert lines_on_standard_error(QUIET + TRAINING + after) == ["an error"]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's log level")
def test_a_log_level_that_the_user_has_set_stands():
    program = QUIET + "; import tensorflow"
    assert any(
        "oneDNN" in line for line in lines_on_standard_error(program, TF_CPP_MIN_LOG_LEVEL="0")
    )
