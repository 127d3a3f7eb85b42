"""Which backend Keras runs on, where the user does not say."""

import importlib.abc
import importlib.util
import json
import os
import pathlib
import sys
from typing import Any

BACKENDS = ("tensorflow", "jax", "torch")


def choose() -> None:
    """Name an installed backend, where the one that Keras would take is not installed.

    A backend named by ``KERAS_BACKEND`` stands. So does the one of Keras' configuration file, if
    it is installed. Keras reads the variable once, when it is first imported.

    Where no backend is installed, nothing is raised here: the import of Keras that follows raises
    an ``ImportError`` with the commands that install one. So ``barlow --help`` needs no backend.
    """
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ:
        return
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    configured = _configured()
    if installed and configured not in installed:
        os.environ["KERAS_BACKEND"] = installed[0]
    elif configured in BACKENDS and not installed and _NO_KERAS not in sys.meta_path:
        sys.meta_path.insert(0, _NO_KERAS)


def current() -> str:
    """The backend of this process, or the one that it will have; Keras is not imported.

    Example:
        >>> from barlow import backend
        >>> backend.current() in backend.BACKENDS
        True
    """
    choose()
    keras = sys.modules.get("keras")
    return keras.backend.backend() if keras else os.environ.get("KERAS_BACKEND", _configured())


def _configured() -> str:
    home = pathlib.Path(os.environ.get("KERAS_HOME", pathlib.Path.home() / ".keras"))
    try:
        return json.loads((home / "keras.json").read_text()).get("backend", BACKENDS[0])
    except (OSError, ValueError):
        return BACKENDS[0]


class _NoKeras(importlib.abc.MetaPathFinder):
    """Refuses to import Keras while it has no backend: its own error would name TensorFlow only."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        choose()  # a backend may have been installed or named since
        if self not in sys.meta_path:
            return importlib.util.find_spec(fullname)
        ways = " or ".join(f"pip install 'barlow[{name}]'" for name in BACKENDS)
        raise ImportError(
            f"barlow needs a backend of Keras, and none is installed: {ways}.", name="keras"
        )


_NO_KERAS = _NoKeras()
