"""What many devices cost: a training step alone, with nobody to wait for, and on two devices.

    python benchmarks/devices_cost.py [--rounds 3]

The network, views and optimizer that barlow recommends for grey images of 28 x 28 pixels, a global
batch of 256, the whole step of `fit`. Every device has one thread. "alone" is `fit` as on any
machine; "idle" the same in a process group, a strategy or a distribution of one device, whose cost
is what nobody should pay; "two" shares the batch between two devices of this machine, which on a
processor of two cores is at best half of "alone". Each is timed in turn, in a process of its own
(PyTorch: one per device), and the figure is the median over the rounds.

With PyTorch the time in calls of `torch.distributed` is taken, too; in it the first of two
processes waits for the second.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

from _results import save
from _tables import table

BACKENDS = ("tensorflow", "jax", "torch")
CASES = ("alone", "idle", "two")
WORKER = pathlib.Path(__file__).with_name("_devices_cost_worker.py")
THREADS = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


def measure(backend: str, case: str) -> dict[str, float]:
    """Seconds of a step, and of them those in calls of `torch.distributed`.

    Of the case "link", with PyTorch: the speed of two processes on this machine.
    """
    command = [sys.executable]
    if backend == "torch" and case != "alone":
        command += ["-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={1 if case == 'idle' else 2}"]
    done = subprocess.run(
        [*command, str(WORKER), case],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **THREADS, "KERAS_BACKEND": backend},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    rows = []
    for backend in BACKENDS:
        found = [{case: measure(backend, case) for case in CASES} for _ in range(rounds)]
        for case in CASES:
            seconds = [each[case]["seconds"] for each in found]
            ratios = [each[case]["seconds"] / each["alone"]["seconds"] for each in found]
            shares = [each[case]["waiting"] / each[case]["seconds"] for each in found]
            rows.append(
                {
                    "backend": backend,
                    "case": case,
                    "milliseconds": 1e3 * statistics.median(seconds),
                    "over_alone": statistics.median(ratios),
                    "lowest": min(ratios),
                    "highest": max(ratios),
                    "share_of_collectives": statistics.median(shares)
                    if backend == "torch"
                    else None,
                }
            )
    print(table(rows))
    save("devices_cost", rows, rounds=rounds)


if __name__ == "__main__":
    main()
