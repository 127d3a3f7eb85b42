"""Which backend Keras runs on, if nobody said."""

import importlib.util
import json
import os
import pathlib
import sys

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


def _configured() -> str:
    home = pathlib.Path(os.environ.get("KERAS_HOME", pathlib.Path.home() / ".keras"))
    try:
        return json.loads((home / "keras.json").read_text()).get("backend", BACKENDS[0])
    except (OSError, ValueError):
        return BACKENDS[0]
