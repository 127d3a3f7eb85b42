"""Time to import barlow beside Keras alone, and time until the command answers.

    python benchmarks/import_time.py [--rounds 5]

Every measurement is a fresh process, from its start to its end. In every round each is made once,
so that drift of the machine hits all alike; the figures are medians over the rounds, and those
"over Keras" are medians of the differences within a round. Seconds of the processor, of all cores
together, hardly depend on what else runs on the machine. A first round, which reads the files from
the disk and compiles them, does not count. On every installed backend:

- `import keras`,
- `import barlow, keras`, which also has the models, for `keras.models.load_model` to find them,
- the same with every public name of barlow, which imports all of it.

Then `barlow --help`, `--version`, `pretrain --help` and a wrong option, which need no backend and
end with status 0, the last with 2.
"""

import argparse
import importlib.util
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

from _results import save
from _tables import table

from barlow import backend

COMMAND = str(pathlib.Path(sys.executable).with_name("barlow"))
KERAS = "import keras"
IMPORTS = {
    KERAS: KERAS,
    "import barlow, keras": "import barlow, keras",
    "all of barlow": "import barlow, keras; [getattr(barlow, name) for name in barlow.__all__]",
}
ANSWERS = ("--help", "--version", "pretrain --help", "pretrain --no-such-option")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds

    cases = {
        (name, what): ([sys.executable, "-c", program], {"KERAS_BACKEND": name})
        for name in backend.BACKENDS
        if importlib.util.find_spec(name)
        for what, program in IMPORTS.items()
    }
    for answer in ANSWERS:
        cases["none", f"barlow {answer}"] = ([COMMAND, *answer.split()], {})

    measured = {case: [] for case in cases}
    for number in range(rounds + 1):
        for case, how in cases.items():
            measured[case].append(measure(*how))
        print(f"round {number} of {rounds} done", file=sys.stderr)
    rows = [row(case, measured) for case in cases]
    print(table(rows))
    save("import_time", rows, rounds=rounds)


def measure(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Seconds from the start of a process to its end, those of the processor, and its status."""
    start, before = time.perf_counter(), processor_seconds()
    process = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, check=False
    )
    return {
        "seconds": time.perf_counter() - start,
        "processor": processor_seconds() - before,
        "status": process.returncode,
    }


def processor_seconds() -> float:
    """Of all processes so far that this one waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row(case: tuple[str, str], measured: dict[tuple[str, str], list[dict]]) -> dict:
    """Medians over the rounds but the first, and of the differences to Keras alone."""
    (name, what), counted = case, measured[case][1:]
    result = {"backend": name, "what": what, "status": counted[0]["status"]}
    for key in ("seconds", "processor"):
        values = [one[key] for one in counted]
        result[key] = statistics.median(values)
        if name != "none" and what != KERAS:
            keras = [one[key] for one in measured[name, KERAS][1:]]
            differences = [own - other for own, other in zip(values, keras, strict=True)]
            result[f"{key}_over_keras"] = statistics.median(differences)
    return result


if __name__ == "__main__":
    main()
