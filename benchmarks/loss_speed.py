"""Time of the loss and its gradient: barlow on every backend, its peers, and bare products.

    python benchmarks/loss_speed.py [--tfsim PYTHON] [--lightly PYTHON] [--rounds 5]
        [--before CHECKOUT]

Every implementation is a process of its own. In every round each is timed in turn, so that drift
of the machine hits all alike; the figure is the median of the rounds' medians. "products" is the
time of the bare matrix products of the cheaper form, in the same backend and the same round.

With `--before` the loss of another version is timed in the same rounds, from a folder with its
source, as `git worktree add FOLDER COMMIT` makes one; the results are a file of their own.
"""

import contextlib
import pathlib
import statistics
import time

import _workers
from _results import save
from _tables import bars, table

SIZES = [
    (64, 256),
    (256, 2048),
    (256, 8192),
    (1024, 4096),
    (1024, 8192),
    (2048, 2048),
    (4096, 1024),
]
SECONDS = 0.4  # of one implementation in one round
PAUSE = 0.3  # after which the threads of the one before sleep


def main() -> None:
    parser = _workers.parser(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", metavar="CHECKOUT", help="folder of another version")
    arguments = parser.parse_args()

    rows = []
    with contextlib.ExitStack() as stack:
        workers = {}
        for name, python in _workers.available(arguments).items():
            workers[name] = stack.enter_context(_workers.start(python, name))
            if arguments.before and name.startswith("barlow"):
                source = str(pathlib.Path(arguments.before, "src").resolve(strict=True))
                start = _workers.start(python, name, source=source)
                workers[f"{name}, before"] = stack.enter_context(start)
        for n, d in SIZES:
            times = {name: {"loss": [], "gram": [], "correlation": []} for name in workers}
            for worker in workers.values():
                worker("prepare", n=n, d=d)
            for _ in range(arguments.rounds):
                for name, worker in workers.items():
                    time.sleep(PAUSE)
                    for what, medians in times[name].items():
                        if what == "loss" or name.startswith("barlow"):
                            answer = worker("time", what=what, seconds=SECONDS)
                            medians.append(statistics.median(answer["milliseconds"]))
            for name, medians in times.items():
                row = {"n": n, "d": d, "implementation": name}
                row["milliseconds"] = statistics.median(medians["loss"])
                if medians["gram"]:
                    row["products"] = min(
                        statistics.median(medians[form]) for form in ("gram", "correlation")
                    )
                rows.append(row)
            print(table([row for row in rows if (row["n"], row["d"]) == (n, d)]), flush=True)
    name = "loss_speed_before" if arguments.before else "loss_speed"
    save(name, rows, rounds=arguments.rounds, threads=2)
    if not arguments.before:
        bars(name, rows, "milliseconds", "value and both gradients, ms (log scale)")


if __name__ == "__main__":
    main()
