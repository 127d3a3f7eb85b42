"""Processes that each hold one implementation; see `_loss_worker.py`, `_loading_worker.py`.

Both ends of the line between them: it needs the standard library alone, as a peer's environment
has nothing else for sure.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

# In which environment an implementation lives.
_ENVIRONMENT = {
    "barlow JAX": "barlow",
    "barlow TensorFlow XLA": "barlow",
    "barlow TensorFlow graph": "barlow",
    "barlow PyTorch": "barlow",
    "TF Similarity XLA": "tfsim",
    "TF Similarity graph": "tfsim",
    "lightly": "lightly",
    "solo-learn": "lightly",
    "stable-pretraining": "lightly",
}


def parser(description: str) -> argparse.ArgumentParser:
    """Command line with the interpreters of the peers' environments."""
    result = argparse.ArgumentParser(description=description)
    peers = "with TensorFlow Similarity", "with lightly, solo-learn and stable-pretraining"
    for name, what in zip(("tfsim", "lightly"), peers, strict=True):
        result.add_argument(f"--{name}", metavar="PYTHON", help=f"Python of an environment {what}")
    return result


def available(arguments: argparse.Namespace) -> dict[str, str]:
    """Implementations whose environment was given, and its interpreter."""
    pythons = {
        "barlow": sys.executable,
        "tfsim": arguments.tfsim,
        "lightly": arguments.lightly,
    }
    return {
        name: pythons[environment]
        for name, environment in _ENVIRONMENT.items()
        if pythons[environment]
    }


class Worker:
    """A process that answers requests."""

    def __init__(self, python: str, script: str, implementation: str, source: str | None):
        self._process = subprocess.Popen(
            [python, pathlib.Path(__file__).with_name(script), implementation],
            env=os.environ | ({"PYTHONPATH": source} if source else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to one request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"The process ended with exit code {self._process.wait()}.")
        content = json.loads(answer)
        if "error" in content:
            raise RuntimeError(content["error"])
        return content

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def start(
    python: str,
    implementation: str,
    script: str = "_loss_worker.py",
    source: str | None = None,
) -> Iterator[Worker]:
    """A worker that ends with the block, of the barlow of a folder or of the installed one."""
    worker = Worker(python, script, implementation, source)
    try:
        yield worker
    finally:
        worker.close()


def answer(implementation: Any) -> None:
    """In the process itself: do what is asked for, until nobody asks any more.

    Every line of input is a request in JSON, ``{"do": METHOD, ARGUMENT: VALUE, ...}``, every line
    of output what the method returns, or ``{"error": ...}``.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        try:
            result = getattr(implementation, request.pop("do"))(**request)
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
        answers.write(json.dumps(result) + "\n")
        answers.flush()
