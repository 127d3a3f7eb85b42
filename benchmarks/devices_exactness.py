"""Is the gradient of several devices that of one? barlow and its peers, in real processes.

    python benchmarks/devices_exactness.py [--lightly PYTHON]

A global batch of two correlated views, 128 x 48, is divided among 1, 2 and 4 processes of PyTorch
(gloo), which compute loss and gradient as under `DistributedDataParallel`. The deviation of a
gradient is the norm of the difference from that of *the same implementation in one process*, over
the norm of that: 0 is exact. The values are what each process would print.

Bytes are those that a process receives for the loss, counted at the calls of `torch.distributed`,
beside the formula of `scaling_model`, with what uneven batches and the reported mean need: 8 bytes
from each other process to say how many rows it has, and the sum of two numbers.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from _results import save
from _tables import table
from scaling_model import FLOAT, gathered

SAMPLES, FEATURES = 128, 48
PROCESSES = (1, 2, 4)
PEERS = ("the paper's code", "lightly", "solo-learn", "stable-pretraining")
SCRIPT = pathlib.Path(__file__).with_name("_devices_worker.py")


def compute(python: str, implementation: str, processes: int, folder: pathlib.Path) -> dict:
    """Gradients of all rows, values and bytes; ``{}`` if it fails there."""
    out = folder / "out.npz"
    command = [python, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", str(SCRIPT), implementation]
    done = subprocess.run(
        [*command, str(folder / "in.npz"), str(out)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )
    if done.returncode:
        print(f"{implementation}, {processes} processes: {done.stderr.strip()[-300:]}")
        return {}
    with np.load(out) as found:
        return dict(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lightly", metavar="PYTHON", help="Python of an environment with peers")
    given = parser.parse_args()
    pythons = {"barlow": sys.executable, "the paper's code": sys.executable}
    if given.lightly:
        pythons |= dict.fromkeys(PEERS[1:], given.lightly)
    rng = np.random.default_rng(0)
    za = rng.normal(size=(SAMPLES, FEATURES)).astype("float32")
    zb = (za + rng.normal(size=za.shape)).astype("float32")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        np.savez(folder / "in.npz", za=za, zb=zb)
        for implementation, python in pythons.items():
            one = compute(python, implementation, 1, folder)
            for processes in PROCESSES[1:]:
                many = compute(python, implementation, processes, folder)
                if not (one and many):
                    continue
                difference = many["gradients"] - one["gradients"]
                row = {
                    "implementation": implementation,
                    "processes": processes,
                    "gradient_deviation": float(
                        np.linalg.norm(difference) / np.linalg.norm(one["gradients"])
                    ),
                    "value_of_one": float(one["values"][0]),
                    "lowest_value": float(many["values"].min()),
                    "highest_value": float(many["values"].max()),
                    "bytes": int(many["received"]),
                }
                if implementation == "barlow":
                    row["bytes_by_formula"] = round(
                        gathered(SAMPLES, FEATURES, processes)
                        + 8 * (processes - 1)
                        + 2 * 2 * FLOAT * (processes - 1) / processes
                    )
                rows.append(row)
    print(table(rows))
    save("devices_exactness", rows, samples=SAMPLES, features=FEATURES)


if __name__ == "__main__":
    main()
