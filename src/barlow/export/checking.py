"""Whether an exported file gives the vectors of the original, in its own runtime."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput
from barlow.export.formats import CHECK, FACTS, Format, find
from barlow.paths import as_path

TOLERANCE = 1e-4
"""Largest difference that an export may have, in parts of the largest number in the vectors."""

BATCHES = (1, 7)
"""Images of the batches that are tried."""

_SHOWN = 400  # letters of an error

# Nothing is reported to anybody, logs stay out of the way, and what is compared is computed by the
# processor: graphics processors round products to fewer digits.
ENVIRONMENT = {
    "ORT_DISABLE_TELEMETRY": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_TORCH_DEVICE": "cpu",
    "JAX_PLATFORMS": "cpu",
}

_PROGRAM = """\
import sys
sys.modules["barlow"] = None  # it runs without
import numpy
every = numpy.load(sys.argv[1])["images"].astype("float32")
for count in {batches}:
    images = every[:count]
{load}
    numpy.save(sys.argv[2] + f"/{{count}}.npy", vectors)
"""


class Differs(InvalidInput):
    """An export that does not run, or does not give the vectors of the original."""


def check(folder: str | os.PathLike[str]) -> dict[int, float]:
    """Compare an export with its original, in its own runtime and a process without barlow.

    Args:
        folder: Folder of an export. It needs nothing else, so it can be checked where it runs.

    Returns:
        By number of images in a batch, the largest difference between vectors, in parts of the
        largest number in the original ones.

    Raises:
        Differs: If the file does not run, or a difference is above 1e-4.
        FileNotFoundError: If there is no export.

    Example:
        >>> folder = pathlib.Path(tempfile.mkdtemp()) / "digits"
        >>> encoder = barlow.models.encoder("conv", (8, 8, 1))
        >>> _ = barlow.export.write(encoder, folder, "keras")
        >>> sorted(barlow.export.check(folder))
        [1, 7]
    """
    folder = as_path(folder)
    if not (folder / FACTS).is_file():
        raise FileNotFoundError(
            f"There is no export at {folder}. `barlow export RUN --format onnx` makes one."
        )
    facts = json.loads((folder / FACTS).read_text("utf-8"))
    format_ = find(facts["format"])
    if facts.get("classes"):
        format_ = format_.called("classifier")
    return compare(folder, format_, facts["backend"])


def compare(folder: pathlib.Path, format_: Format, backend: str) -> dict[int, float]:
    """The differences, as :func:`check` returns them.

    Args:
        folder: Where the file is, and what it is compared with.
        format_: Its format.
        backend: The backend that runs it, where the format is Keras' own.
    """
    program = _PROGRAM.format(batches=BATCHES, load=textwrap.indent(format_.load, " " * 4))
    with tempfile.TemporaryDirectory() as place:
        done = run(
            ["-c", program, str((folder / CHECK).absolute()), place],
            {"KERAS_BACKEND": backend},
            folder,
        )
        if done.returncode:
            raise Differs(
                f"The exported file does not run in {', '.join(format_.runs)}: {last_line(done)}"
            )
        found = {count: np.load(pathlib.Path(place) / f"{count}.npy") for count in BATCHES}
    with np.load(folder / CHECK) as kept:
        expected = kept["vectors"]
    differences = {
        count: _difference(vectors, expected[:count]) for count, vectors in found.items()
    }
    largest = max(differences.values())
    if not largest <= TOLERANCE:  # NaN, too
        raise Differs(
            f"The exported file gives other vectors than the encoder: they differ by {largest:.2g} "
            f"of the largest number; {TOLERANCE:.0e} is allowed."
        )
    return differences


def run(
    arguments: list[str], environment: Mapping[str, str], folder: pathlib.Path, text: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run Python in a process of its own, in which nothing is reported to anybody.

    Args:
        arguments: Of Python.
        environment: What is added to the environment.
        folder: Where it works.
        text: Its input.
    """
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, *arguments],
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, **environment, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )


def last_line(done: "subprocess.CompletedProcess[str]") -> str:
    """What a process that failed said at its end, the error of Python."""
    # Keras tells of every object around the one at fault; the innermost comes last.
    *_, innermost = done.stderr.split("Exception encountered: ")
    if innermost != done.stderr:
        return _short(" ".join(innermost.partition("\n\n")[0].split()).partition(". ")[0])
    lines = [line for line in done.stderr.splitlines() if line and not line[0].isspace()]
    errors = [line for line in lines if line.partition(":")[0].endswith(("Error", "Exception"))]
    return _short((errors or lines or [f"it ended with exit code {done.returncode}"])[-1])


def _short(text: str) -> str:
    return text if len(text) < _SHOWN else f"{text[:_SHOWN]} ..."


def _difference(vectors: NDArray[Any], expected: NDArray[Any]) -> float:
    if vectors.shape != expected.shape:
        raise Differs(
            f"The exported file gives vectors of shape {vectors.shape}, the encoder of shape "
            f"{expected.shape}."
        )
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(vectors - expected).max()) / scale
