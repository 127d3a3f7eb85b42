"""What the demo's encoder is worth, over several splits of the digits and seeds.

    python benchmarks/quality_digits.py [--splits 5]

Trains `barlow demo` once per split, each with its own held-out quarter, and writes the mean
accuracies and their deviation over splits to `benchmarks/results/quality_digits.json`.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from _probes import report

COMMAND = pathlib.Path(sys.executable).with_name("barlow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    splits = parser.parse_args().splits

    runs = []
    for seed in range(splits):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "run"
            subprocess.run([COMMAND, "demo", "--seed", str(seed), "--out", out], check=True)
            metrics = (out / "metrics.jsonl").read_text().splitlines()
            runs.append(
                {
                    "rows": json.loads((out / "evaluation.json").read_text())["rows"],
                    "seconds": sum(json.loads(line)["seconds"] for line in metrics),
                    "config": json.loads((out / "config.json").read_text()),
                }
            )
    report(
        "quality_digits",
        [run["rows"] for run in runs],
        training_seconds=[run["seconds"] for run in runs],
        backend=runs[0]["config"]["backend"],
    )


if __name__ == "__main__":
    main()
