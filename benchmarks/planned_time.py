"""Does a training end in the minutes that it was given?

    pip install 'barlow[tensorflow,bench]'
    python benchmarks/planned_time.py [--minutes 3] [--images 10000]
        [--backends tensorflow jax torch]

`barlow.pretrain` learns from training images of Fashion-MNIST in a process of its own, with
`Settings(minutes=...)`: on a machine that does nothing else, then with one core busy all the
time. A third training is interrupted in the middle and resumed. Rows have the time that was given,
the time that passed (without the import of the libraries; of the resumed training both parts), the
epochs, their precision, and how far the epochs were from the plan; those of backends that are not
measured stay. Images are those of Debian's package dataset-fashion-mnist, where it installs them by
default.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

from _results import RESULTS, machine, save
from _tables import table

DATA = "/usr/share/datasets/fashion-mnist"
LOADS = ("alone", "one core busy", "interrupted and resumed")

WORKER = """
import json, os, signal, sys, threading, time
import keras, barlow
folder, data, count, minutes, interrupt, resume = json.loads(sys.argv[1])
images = barlow.data.load(f"{data}/train-images-idx3-ubyte.gz")[:count]
class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if interrupt and epoch and epoch >= barlow.runs.read_config(folder)["epochs"] // 2:
            os.kill(os.getpid(), signal.SIGINT)
begin = time.perf_counter()
barlow.pretrain(images, folder, barlow.Settings(minutes=minutes), [Interrupt()], resume=resume)
print(json.dumps(time.perf_counter() - begin))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--data", default=DATA, help="folder with the IDX files of Fashion-MNIST")
    arguments = parser.parse_args()
    before = RESULTS / "planned_time.json"
    rows = json.loads(before.read_text())["rows"] if before.exists() else []
    rows = [row for row in rows if row["backend"] not in arguments.backends]
    for backend in arguments.backends:
        for load in LOADS:
            rows.append(measure(backend, load, arguments))
            print(rows[-1], flush=True)
            save("planned_time", rows)
    print(table(rows))


def measure(backend: str, load: str, arguments: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as work:
        run = pathlib.Path(work) / "run"
        busy = multiprocessing.Process(target=spin, daemon=True)
        if load == "one core busy":
            busy.start()
        interrupted = load == LOADS[2]
        seconds = train(backend, run, arguments, interrupt=interrupted)
        if interrupted:
            seconds += train(backend, run, arguments, resume=True)
        if busy.is_alive():
            busy.terminate()
        config = json.loads((run / "config.json").read_text())
        metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    epochs = sum(row["seconds"] for row in metrics)
    return {
        "backend": backend,
        "machine is": load,
        "minutes": arguments.minutes,
        "took": seconds / 60 / arguments.minutes,
        "epochs": config["epochs"],
        "precision": config["dtype_policy"],
        "of the plan": epochs / config["planned_seconds"],
        "machine": machine(),
    }


def train(backend: str, run: pathlib.Path, arguments: Any, **ways: bool) -> float:
    about = (str(run), arguments.data, arguments.images, arguments.minutes)
    given = [*about, *(ways.get(way, False) for way in ("interrupt", "resume"))]
    ended = subprocess.run(
        [sys.executable, "-c", WORKER, json.dumps(given)],
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(json.loads(ended.stdout.splitlines()[-1]))


def spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
