"""The `barlow` command: a command parses, calls one function and shows the result.

Nothing here imports Keras, Matplotlib or scikit-learn before a command needs it, so that help and
errors of usage come at once.
"""

import importlib.util

from barlow.errors import MissingPackage, extra

try:
    with extra("cli", "The barlow command"):
        import rich  # noqa: F401
        import typer  # noqa: F401
except MissingPackage as error:
    try:  # without a backend, too, its extra is what to install: it brings the command
        importlib.util.find_spec("keras")
    except ImportError as no_backend:
        raise SystemExit(str(no_backend)) from no_backend
    raise SystemExit(str(error)) from error

from barlow.cli.app import app, main

__all__ = ["app", "main"]
