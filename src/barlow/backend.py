"""The backend that Keras runs on: which, when nobody said, and how it gets its memory on a CPU."""

import ctypes
import importlib.util
import json
import os
import pathlib
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h: what to give back, what to map apart

BACKENDS = ("tensorflow", "jax", "torch")


def choose() -> None:
    """Name an installed backend, if the one that Keras would take is not installed.

    A backend named by ``KERAS_BACKEND`` stands, and so does the one of Keras' configuration
    file where it can be imported. Keras reads the variable once, when it is first imported.

    Raises:
        ImportError: If no backend is installed and no other is configured.
    """
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ:
        return
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    configured = _configured()
    if installed and configured not in installed:
        os.environ["KERAS_BACKEND"] = installed[0]
    elif configured in BACKENDS and not installed:
        ways = " or ".join(f"pip install 'barlow[{name}]'" for name in BACKENDS)
        raise ImportError(f"barlow needs a backend of Keras, and none is installed: {ways}.")


def maps_memory_anew() -> bool:
    """Whether a compiled function gets its memory from the system with every call.

    XLA does on a CPU, in JAX. The system clears memory before it gives it away, which takes as
    long as computing with it; only small pieces of memory are kept for the next call.
    """
    import keras  # noqa: PLC0415 - not before a backend is chosen

    return keras.backend.backend() == "jax" and keras.distribution.list_devices()[0][:3] == "cpu"


def keep_freed_memory() -> None:
    """Let the process keep memory that arrays free, for the next arrays, with PyTorch on Linux.

    PyTorch asks the C library for the memory of every array. By default that gives what large
    arrays free back to the system at once, which clears it before it gives it away again: on a
    CPU that takes as long as many a computation. The memory of the process stays at its peak.
    Nothing changes with other backends, which keep memory themselves, or with other C libraries.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch" and sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _configured() -> str:
    home = pathlib.Path(os.environ.get("KERAS_HOME", pathlib.Path.home() / ".keras"))
    try:
        return json.loads((home / "keras.json").read_text()).get("backend", BACKENDS[0])
    except (OSError, ValueError):
        return BACKENDS[0]
