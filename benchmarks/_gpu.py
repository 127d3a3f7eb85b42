"""What the benchmarks on a GPU share: a process for each implementation, and a budget for all.

A process prints a row in JSON for every measurement, so that what was measured before its time was
over is kept.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from _results import RESULTS, save

_BACKENDS = {"PyTorch": "torch", "JAX": "jax", "TensorFlow": "tensorflow"}


def parser(description: str) -> argparse.ArgumentParser:
    """What both benchmarks take from the command line."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--smallest", action="store_true", help="a second or two, on any CPU")
    result.add_argument("--out", type=pathlib.Path, default=RESULTS, help="folder of the results")
    result.add_argument("--implementation", help=argparse.SUPPRESS)
    result.add_argument("--until", type=float, help=argparse.SUPPRESS)
    return result


def measure_all(names: list[str], seconds: float, smallest: bool) -> list[dict[str, Any]]:
    """Rows of every implementation; each may use its share of the time that is left."""
    rows, end = [], time.time() + seconds
    for left, name in zip(range(len(names), 0, -1), names, strict=True):
        until = time.time() + max(0.0, end - time.time()) / left
        command = [sys.executable, sys.argv[0], "--implementation", name, "--until", str(until)]
        with _process(command + ["--smallest"] * smallest, name, until) as lines:
            for line in lines:
                rows.append({"implementation": name, **json.loads(line)})
                print(rows[-1], flush=True)
    return rows


@contextlib.contextmanager
def _process(command: list[str], name: str, until: float) -> Iterator[Iterator[str]]:
    """What a process says in JSON; soon after its time it is ended, as a compiler may hang."""
    backend = next((_BACKENDS[word] for word in name.split() if word in _BACKENDS), "torch")
    environment = {**os.environ, "KERAS_BACKEND": backend}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(until + 20 - time.time(), process.kill)
    timer.start()
    assert process.stdout is not None
    try:
        yield (line for line in process.stdout if line.startswith("{"))
    finally:
        timer.cancel()
        process.kill()
        process.wait()


def write(name: str, rows: list[dict[str, Any]], folder: pathlib.Path) -> None:
    """The rows, with the device that gave them."""
    devices = sorted({row.pop("device") for row in rows if "device" in row})
    save(name, rows, folder, devices=devices)


def milliseconds(run: Callable[[], Any], wait: Callable[[Any], Any], seconds: float) -> float:
    """Of one run among as many as take some time, the host waiting for the last one alone."""
    wait(run())
    before = time.perf_counter()
    wait(run())
    times = max(3, min(500, int(seconds / (time.perf_counter() - before))))
    before = time.perf_counter()
    for _ in range(times):
        result = run()
    wait(result)
    return 1e3 * (time.perf_counter() - before) / times
