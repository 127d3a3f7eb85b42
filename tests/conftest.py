"""What every test module shares: the backend's own differentiation, and the oracle's cases."""

import importlib.util
import os
import pathlib
import re

# Most of a test's time on JAX is compiling. These take a third from it (tests/views: 216 s of
# processor time with the first two, 144 s with the third), and no tolerance depends on what they
# leave out. Processes that tests start have them, too. They must be set before a backend is
# imported. TensorFlow 2.19 refuses the third: set XLA_FLAGS there.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=1 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
)

import hypothesis
import numpy as np
import pytest

# A machine may be busy.
hypothesis.settings.register_profile("barlow", deadline=None)
hypothesis.settings.load_profile("barlow")

_ONCE = re.compile(r"^pytestmark = .*\bpytest\.mark\.once\b", re.MULTILINE)


def pytest_configure(config):
    """Set the backend up where tests run: the process that only hands them out needs none."""
    hands_out = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if not hands_out:
        _set_up()


def _set_up():
    import keras

    if keras.backend.backend() == "jax":
        import jax

        # What is compiled is kept for all processes.
        compiled = pathlib.Path(__file__).parents[1] / ".pytest_cache" / "jax"
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(compiled)
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        jax.config.update("jax_compilation_cache_dir", str(compiled))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Two devices for tests under tf.distribute; they must be there before anything runs.
        cpu = tf.config.list_physical_devices("CPU")[0]
        devices = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, devices)
        # A fifth of the time until a small training begins is optimizing its graph.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _leaves_once_to_pytorch():
    import keras

    return keras.backend.backend() != "torch" and importlib.util.find_spec("torch") is not None


def pytest_ignore_collect(collection_path):
    """Do not even import modules that are ``once`` as a whole, and what they import."""
    if collection_path.suffix == ".py" and _leaves_once_to_pytorch():
        return bool(_ONCE.search(collection_path.read_text("utf-8"))) or None
    return None


def pytest_collection_modifyitems(config, items):
    """Leave what is marked ``once`` to PyTorch, where it is installed."""
    if _leaves_once_to_pytorch():
        once = [item for item in items if item.get_closest_marker("once")]
        config.hook.pytest_deselected(items=once)
        items[:] = [item for item in items if not item.get_closest_marker("once")]


_ORACLE = np.load(pathlib.Path(__file__).with_name("barlow_cases.npz"), allow_pickle=False)
CASES = sorted({key.split("/")[0] for key in _ORACLE.files})


@pytest.fixture(params=CASES)
def case(request):
    """One case of the float64 oracle: inputs, values and gradients by name."""
    prefix = request.param + "/"
    return {
        key.removeprefix(prefix): _ORACLE[key] for key in _ORACLE.files if key.startswith(prefix)
    }


@pytest.fixture
def value_and_gradients():
    """Value of a scalar function of tensors, and its gradients, as the backend computes them."""
    from differentiation import differentiate

    return differentiate
