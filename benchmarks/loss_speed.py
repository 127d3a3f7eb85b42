"""Time of the loss and its gradient: barlow on every backend, its peers, and bare products.

    python benchmarks/loss_speed.py [--tfsim PYTHON] [--lightly PYTHON] [--rounds 5]
        [--before CHECKOUT]

Every implementation is a process of its own. In every round each is timed in turn, so that drift
of the machine hits all alike; the figure is the median of the rounds' medians. "products" is the
time of the bare matrix products of the cheaper form, in the same backend and the same round.

With `--before` the loss alone is timed, right after that of another version, from a folder with its
source, as `git worktree add FOLDER COMMIT` makes one; of the peers only lightly's. "of before" is
the median over the rounds of the time divided by that of the other version just then. The results
are a file of their own.
"""

import contextlib
import pathlib
import statistics
import time
from typing import Any

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
BEFORE = ", before"
FORMS = ("gram", "correlation")
PAUSE = 0.3  # after which the threads of the one before sleep
Times = dict[str, list[float]]


def main() -> None:
    parser = _workers.parser(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", metavar="CHECKOUT", help="folder of another version")
    arguments = parser.parse_args()

    rows = []
    with contextlib.ExitStack() as stack:
        workers = start(arguments, stack)
        for n, d in SIZES:
            for worker in workers.values():
                worker("prepare", n=n, d=d)
            times = measure(workers, arguments)
            rows += [{"n": n, "d": d, **row_of(name, times)} for name in times]
            print(table([row for row in rows if (row["n"], row["d"]) == (n, d)]), flush=True)
    name = "loss_speed_before" if arguments.before else "loss_speed"
    save(name, rows, rounds=arguments.rounds, threads=2)
    if not arguments.before:
        bars(name, rows, "milliseconds", "value and both gradients, ms (log scale)")


def start(arguments: Any, stack: contextlib.ExitStack) -> dict[str, _workers.Worker]:
    """Processes by the name of what they measure, another version just before the own one."""
    workers = {}
    for name, python in _workers.available(arguments).items():
        is_own = name.startswith("barlow")
        if arguments.before and is_own:
            source = str(pathlib.Path(arguments.before, "src").resolve(strict=True))
            other = _workers.start(python, name, source=source)
            workers[f"{name}{BEFORE}"] = stack.enter_context(other)
        if is_own or name == "lightly" or not arguments.before:
            workers[name] = stack.enter_context(_workers.start(python, name))
    return workers


def measure(workers: dict[str, _workers.Worker], arguments: Any) -> dict[str, Times]:
    """Medians of the rounds in milliseconds, by what is measured: the loss, or bare products."""
    times: dict[str, Times] = {}
    for name in workers:
        has_products = name.startswith("barlow") and not arguments.before
        times[name] = {what: [] for what in ("loss", *(FORMS if has_products else ()))}
    for _ in range(arguments.rounds):
        for name, worker in workers.items():
            time.sleep(PAUSE)
            for what, medians in times[name].items():
                answer = worker("time", what=what, seconds=SECONDS)
                medians.append(statistics.median(answer["milliseconds"]))
    return times


def row_of(name: str, times: dict[str, Times]) -> dict[str, Any]:
    medians = times[name]
    row: dict[str, Any] = {"implementation": name}
    row["milliseconds"] = statistics.median(medians["loss"])
    if FORMS[0] in medians:
        row["products"] = min(statistics.median(medians[form]) for form in FORMS)
    if f"{name}{BEFORE}" in times:
        pairs = zip(medians["loss"], times[f"{name}{BEFORE}"]["loss"], strict=True)
        row["of before"] = statistics.median(own / other for own, other in pairs)
    return row


if __name__ == "__main__":
    main()
