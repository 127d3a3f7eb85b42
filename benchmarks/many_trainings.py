"""Memory and threads of a process that trains many small networks, beside Keras alone.

    python benchmarks/many_trainings.py [--trainings 200] [--backends tensorflow jax torch]

Two processes take turns, one training each: `barlow.pretrain`, and the same network in Keras' `fit`
with `predict` and `save`. After every training the memory of the process (Linux' VmRSS), its Python
threads and its open files are read. The growth is the slope over the second half of the trainings.
"""

import argparse
import importlib.util
import sys

import _workers
import numpy as np
from _results import save
from _tables import table

from barlow import backend

BYS = ("barlow", "keras")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainings", type=int, default=200)
    installed = [name for name in backend.BACKENDS if importlib.util.find_spec(name)]
    parser.add_argument("--backends", nargs="+", default=installed)
    arguments = parser.parse_args()

    rows = []
    for name in arguments.backends:
        measured = measure(name, arguments.trainings)
        rows += [row(name, by, measured[by]) for by in BYS]
        print(table(rows[-len(BYS) :]), flush=True)
    save("many_trainings", rows, trainings=arguments.trainings)


def measure(name: str, trainings: int) -> dict[str, list[dict]]:
    """What each process has after every training."""
    measured = {by: [] for by in BYS}
    script = "_trainings_worker.py"
    with (
        _workers.start(sys.executable, f"barlow {name}", script) as barlow,
        _workers.start(sys.executable, f"keras {name}", script) as keras,
    ):
        for number in range(trainings):
            for by, worker in zip(BYS, (barlow, keras), strict=True):
                measured[by].append(worker("train"))
            print(f"{name}: {number + 1} of {trainings}", file=sys.stderr, flush=True)
    return measured


def row(name: str, by: str, measured: list[dict]) -> dict:
    """The first, the last and the growth."""
    half = [each["megabytes"] for each in measured[len(measured) // 2 :]]
    slope = np.polyfit(range(len(half)), half, 1)[0] if len(half) > 1 else float("nan")
    return {
        "backend": name,
        "by": by,
        "first_megabytes": measured[0]["megabytes"],
        "last_megabytes": measured[-1]["megabytes"],
        "megabytes_per_training": float(slope),
        "first_threads": measured[0]["threads"],
        "last_threads": measured[-1]["threads"],
        "first_files": measured[0]["files"],
        "last_files": measured[-1]["files"],
    }


if __name__ == "__main__":
    main()
