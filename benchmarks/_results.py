"""Results of a benchmark as JSON, with the machine and the versions that gave them."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
from collections.abc import Sequence
from typing import Any

RESULTS = pathlib.Path(__file__).parent / "results"
_PACKAGES = ("barlow", "keras", "jax", "tensorflow-cpu", "tensorflow", "torch", "numpy")


def save(
    name: str, rows: Sequence[dict[str, Any]], folder: pathlib.Path = RESULTS, **about: Any
) -> pathlib.Path:
    """Write rows and what they are about to `benchmarks/results/<name>.json`."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    content = {
        "benchmark": name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(),
        **about,
        "rows": list(rows),
    }
    path.write_text(json.dumps(content, indent=2, default=float) + "\n")
    return path


def machine() -> str:
    """Processor, cores and memory in words."""
    model = platform.processor()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        fields = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        first = {key.strip(): value.strip() for key, _, value in reversed(list(fields))}
        model = first.get("model name", model)
        if "cpu family" in first:  # some names say no more than the maker's
            model += f" (family {first['cpu family']}, model {first['model']})"
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {gibibytes:.0f} GiB"


def versions() -> dict[str, str]:
    """Versions of what is installed here of the packages that matter."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
