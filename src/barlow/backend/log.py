"""What backends write to standard error besides errors."""

import contextlib
import importlib.abc
import importlib.machinery
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # of TensorFlow and XLA, also of XLA in JAX; 3 leaves fatal errors


def quiet() -> None:
    """Keep the log lines of TensorFlow, absl, oneDNN, XLA and JAX off standard error.

    Call it before a backend is imported. Exceptions are raised as ever. If
    ``TF_CPP_MIN_LOG_LEVEL`` is set in the environment, it stands.
    """
    for name in ("absl", "jax", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if os.environ.setdefault(_LEVEL, "3") == "3" and _QUIET_IMPORT not in sys.meta_path:
        sys.meta_path.insert(0, _QUIET_IMPORT)


class _QuietImport(importlib.abc.MetaPathFinder):
    """Silences the import of TensorFlow, which logs lines before it reads its log level."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_silently(module: Any) -> None:
                with _silent():
                    execute(module)

            spec.loader.exec_module = execute_silently
        return spec


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the standard error of the process: C++ writes to it past ``sys.stderr``."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


_QUIET_IMPORT = _QuietImport()
