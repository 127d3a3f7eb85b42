"""The benchmark for GPUs starts anywhere: in its smallest size it runs on this machine."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parents[1] / "benchmarks" / "gpu.sh"


@pytest.mark.once
@pytest.mark.skipif(os.name != "posix", reason="a script of a POSIX shell")
def test_the_benchmark_for_gpus_measures_in_its_smallest_size_what_it_measures_there(tmp_path):
    subprocess.run(
        [SCRIPT, "--smallest", "--out", tmp_path],
        env={**os.environ, "PYTHON": sys.executable},
        check=True,
    )
    for name, implementations in [
        ("gpu_loss", {"barlow PyTorch", "usual form PyTorch"}),
        ("gpu_step", {"barlow PyTorch", "plain PyTorch"}),
    ]:
        results = json.loads((tmp_path / f"{name}.json").read_text())
        assert results["devices"]
        assert {row["implementation"] for row in results["rows"]} == implementations
        for row in results["rows"]:
            assert row["milliseconds"] > 0
            assert "error" not in row
