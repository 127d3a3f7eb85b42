"""What a training step costs: all of it, and its encoder, projector and loss alone.

    python benchmarks/step_cost.py [--data FOLDER] [--lightly PYTHON] [--batch-size 256 512]
        [--rounds 5] [--parts | --half]

The encoder, views and other settings are those that barlow recommends for Fashion-MNIST, but the
optimizer is AdamW, which PyTorch has too. "Whole" is `fit` as `barlow.pretrain` calls it: batches,
views, gradient, optimizer, metrics and the callback that writes metrics and checkpoints. "Bare" is
encoder, projector, loss, gradient and optimizer on two views that are there already. The share of
what is around them is 1 - bare / whole. Beside it the whole step of plain PyTorch, with the same
network, batch and views and with lightly's loss. Every implementation is a process of its own; in
every round each is timed in turn, so that drift of the machine hits all alike, and the figure is
the median over the rounds.

With `--parts` it says instead where the time goes on each backend, by leaving out one part after
the other: the loss, the optimizer, batch normalisation. What is left on two images is Python and
launching, and the difference to that is convolutions, matrices and activations. The views are timed
alone; the rest of the whole step is reading, metrics and callbacks.

With `--half` it sets each backend beside itself in Keras' policy mixed_bfloat16.
"""

import argparse
import contextlib
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Any

import _workers
import numpy as np
from _results import RESULTS, save
from _step_worker import HALF, PARTS
from _tables import table
from matplotlib.figure import Figure

from barlow import data

DATA = "/usr/share/datasets/fashion-mnist"
OWN = (
    "barlow TensorFlow graph",
    "barlow TensorFlow XLA",
    "barlow JAX",
    "barlow PyTorch",
    "barlow PyTorch compiled",
)
PEER = "lightly, plain PyTorch"
IMAGES = 20_000
SECONDS = 3.0  # of one implementation in one round
PAUSE = 0.3  # after which the threads of the one before sleep


def main() -> None:
    parser = _workers.parser(__doc__.splitlines()[0])
    parser.add_argument("--data", default=DATA, help="folder with the IDX files")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--rounds", type=int, default=5)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--parts", action="store_true", help="where the time goes")
    only.add_argument("--half", action="store_true", help="what half precision is worth")
    arguments = parser.parse_args()
    pythons = dict.fromkeys(OWN, sys.executable)
    if arguments.parts:
        del pythons["barlow PyTorch compiled"]
    elif arguments.half:
        ways = ("barlow TensorFlow graph", "barlow JAX", "barlow PyTorch")
        pythons = {way + half: sys.executable for way in ways for half in ("", HALF)}
    elif arguments.lightly:
        pythons[PEER] = arguments.lightly

    rows, absent = [], {}
    with tempfile.TemporaryDirectory() as folder:
        images = pathlib.Path(folder) / "images.npy"
        source = pathlib.Path(arguments.data) / "train-images-idx3-ubyte.gz"
        np.save(images, data.load(source).pixels[:IMAGES])
        for batch_size in arguments.batch_size:
            seconds = measure(pythons, images, batch_size, arguments, absent)
            rows += [row_of(name, each, batch_size) for name, each in seconds.items()]
            print(table([row for row in rows if row["batch_size"] == batch_size]), flush=True)
    for name, why in absent.items():
        print(f"{name} is absent: {why}")
    name = "step_cost"
    if arguments.parts:
        name = "step_parts"
    elif arguments.half:
        name = "step_precision"
    save(name, rows, rounds=arguments.rounds, absent=absent)
    if name == "step_cost":
        draw(rows)


def measure(
    pythons: dict[str, str],
    images: pathlib.Path,
    batch_size: int,
    arguments: argparse.Namespace,
    absent: dict[str, str],
) -> dict[str, dict[str, float]]:
    """Median seconds of a step, by implementation and by what is timed of it."""
    seconds, workers = {}, {}
    with contextlib.ExitStack() as stack:
        for name, python in pythons.items():
            worker = stack.enter_context(_workers.start(python, name, "_step_worker.py"))
            try:
                worker("prepare", images=str(images), batch_size=batch_size)
            except RuntimeError as error:
                absent[name] = str(error)
                continue
            kinds = ("whole",) if name == PEER else ("whole", "bare")
            kinds += tuple(PARTS) if arguments.parts else ()
            workers[name], seconds[name] = worker, {kind: [] for kind in kinds}
        for _ in range(arguments.rounds):
            for name, worker in workers.items():
                for what, before in seconds[name].items():
                    time.sleep(PAUSE)
                    steps = max(2, round(SECONDS / before[0])) if before else 5
                    part = {"name": what} if what in PARTS else {}
                    answer = worker("part" if part else what, steps=steps, **part)
                    before.append(answer["seconds"])
    return {
        name: {what: statistics.median(each) for what, each in measured.items()}
        for name, measured in seconds.items()
    }


def row_of(name: str, seconds: dict[str, float], batch_size: int) -> dict[str, Any]:
    row = {
        "batch_size": batch_size,
        "implementation": name,
        "images_per_second": batch_size / seconds["whole"],
        "whole_ms": 1000 * seconds["whole"],
    }
    if "bare" in seconds:
        row["bare_ms"] = 1000 * seconds["bare"]
        row["share_around"] = 1 - row["bare_ms"] / row["whole_ms"]
    if "views" in seconds:
        row |= {f"share_{what}": share for what, share in shares(seconds).items()}
    return row


def shares(seconds: dict[str, float]) -> dict[str, float]:
    """Shares of the whole step, by what takes them."""
    bare, whole = seconds["bare"], seconds["whole"]
    left = [bare, *(seconds[part] for part in PARTS if part != "views")]
    names = ("loss", "optimizer", "normalisation", "convolutions")
    taken = {name: one - two for name, one, two in zip(names, left, left[1:], strict=False)}
    taken |= {"python": left[-1], "views": seconds["views"]}
    taken["rest"] = whole - bare - seconds["views"]
    return {name: each / whole for name, each in taken.items()}


def draw(rows: list[dict]) -> None:
    """Bars of images per second, a group for each batch size."""
    sizes = list(dict.fromkeys(row["batch_size"] for row in rows))
    names = list(dict.fromkeys(row["implementation"] for row in rows))
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        own = [row for row in rows if row["implementation"] == name]
        places = [
            sizes.index(row["batch_size"]) + (i - len(names) / 2 + 0.5) * width for row in own
        ]
        heights = [row["images_per_second"] for row in own]
        axes.bar(places, heights, width, label=name, color=None if name != PEER else "#d55e00")
    axes.set_xticks(range(len(sizes)), [f"batch of {size}" for size in sizes])
    axes.set(ylabel="images per second, whole step")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", frameon=False, fontsize="small", ncols=3)
    figure.savefig(RESULTS / "step_cost.png", dpi=110)


if __name__ == "__main__":
    main()
