"""Neighbours of many vectors: exact and by an index, beside scikit-learn and faiss' flat index.

    python benchmarks/search_scale.py [--rows 1000000] [--features 256]

Vectors are clustered, as those of an encoder are: 1,000 directions of a normal distribution, and
noise of 0.7 of their length around them. Three tables:

- all 16 neighbours of 20,000 vectors of 128 features, by everything, in turn, median of 3;
- the graph and the duplicates of 25,000, 50,000 and 100,000 vectors of 128 features, of which every
  twentieth has a near copy: seconds, and the peak of memory beyond the vectors, each in a process
  of its own;
- an index of 1,000,000 vectors of 256 features: seconds to build, to add 1 % and to open it; its
  size; queries per second of 1,000 queries together, and of each alone; recall@10 on these, which
  the index has not seen; the same exactly.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import faiss
import numpy as np
from _results import save
from _tables import table
from sklearn.neighbors import NearestNeighbors

from barlow import Embeddings, neighbours
from barlow.neighbours.grouping import duplicates

K = 10


def clustered(rows: int, features: int, seed: int = 0) -> np.ndarray:
    """Vectors around 1,000 centres, float32."""
    centres = np.random.default_rng(123).normal(size=(1000, features)).astype("float32")
    random = np.random.default_rng(seed)
    vectors = np.empty((rows, features), "float32")
    for start in range(0, rows, 10_000):  # since float64 takes twice the memory
        block = vectors[start : start + 10_000]
        block[:] = random.normal(0, 0.7, block.shape)
        block += centres[random.integers(0, 1000, len(block))]
    return vectors


def timed(function, *arguments, **options):
    """Seconds, and what the function returns."""
    start = time.perf_counter()
    found = function(*arguments, **options)
    return time.perf_counter() - start, found


def memory(name: str) -> int:
    """``VmRSS``, the memory of this process, or ``VmHWM``, its peak, in MiB; on Linux."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) // 1024


def reset_peak() -> int:
    """Let the peak begin anew; returns the memory now, in MiB."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def beside_others(rows: int = 20_000, features: int = 128, k: int = 16) -> list[dict]:
    vectors = clustered(rows, features)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = faiss.IndexFlatIP(features)
    flat.add(unit)
    brute = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(vectors)
    index = neighbours.Index(vectors)
    own = np.arange(rows)
    ways = {
        "barlow, exact": lambda: neighbours.nearest(vectors, vectors, k, own=own),
        "barlow, index": lambda: index.nearest(vectors, k, own=own),
        "scikit-learn, brute force": lambda: brute.kneighbors(vectors),
        "faiss, flat": lambda: flat.search(unit, k),
    }
    seconds = {name: [] for name in ways}
    for _ in range(3):
        for name, way in ways.items():
            seconds[name].append(timed(way)[0])
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    return [
        {
            "table": "all neighbours",
            "rows": rows,
            "features": features,
            "k": k,
            "implementation": name,
            "seconds": each,
            "over barlow, exact": each / medians["barlow, exact"],
        }
        for name, each in medians.items()
    ]


def grow(rows: int, features: int = 128) -> dict:
    """Graph and duplicates of so many vectors; in a process of its own."""
    vectors = clustered(rows, features)
    copies = vectors[: rows // 20]  # every twentieth is there twice, nearly
    vectors[-len(copies) :] = copies * np.float32(1.01) + np.float32(0.05)
    facts = {
        "content": np.arange(rows).astype(str).astype(object),
        "modified": np.full(rows, np.datetime64("2026-01-01", "us")),
        "format": np.full(rows, "PNG", object),
        **{name: np.ones(rows, int) for name in ("width", "height", "bytes", "exif")},
    }
    names = np.arange(rows).astype(str).astype(object)
    collection = Embeddings(vectors, names, None, "", (8, 8, 1), "", facts=facts)
    neighbours.nearest(vectors[:100], vectors[:100], 3)
    before = reset_peak()
    seconds, found = timed(neighbours.graph, collection)
    graph_peak = memory("VmHWM") - before
    all_seconds, groups = timed(duplicates, collection, threshold=0.9)
    return {
        "table": "graph and duplicates",
        "rows": rows,
        "features": features,
        "graph_seconds": seconds,
        "graph_peak_mib": graph_peak,
        "of it the graph itself": (found.rows.nbytes + found.similarities.nbytes) // 2**20,
        "duplicates_seconds": all_seconds,
        "duplicates_peak_mib": memory("VmHWM") - before,
        "groups": len({each.group for each in groups.members}),
    }


def large(rows: int, features: int) -> list[dict]:
    vectors, queries = clustered(rows, features), clustered(1000, features, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        kept = pathlib.Path(folder)
        before = reset_peak()
        built, index = timed(neighbours.Index, vectors, kept)
        built_peak = memory("VmHWM") - before
        size = sum(file.stat().st_size for file in kept.iterdir()) // 2**20
        together, found = timed(index.nearest, queries, K)
        alone, _ = timed(lambda: [index.nearest(queries[[row]], K) for row in range(100)])
        nprobe = index._index.nprobe
        opened, _ = timed(neighbours.Index, vectors, kept)
        more = np.concatenate([vectors, clustered(rows // 100, features, seed=2)])
        added, updated = timed(neighbours.Index, more, kept)
        assert updated.added == rows // 100
    exact_together, exact = timed(neighbours.nearest, vectors, queries, K)
    exact_alone, _ = timed(
        lambda: [neighbours.nearest(vectors, queries[[row]], K) for row in range(10)]
    )
    limits = exact.similarities[:, -1:]
    about = {"table": "many vectors", "rows": rows, "features": features}
    return [
        {
            **about,
            "implementation": "barlow, index",
            "build_seconds": built,
            "build_peak_mib": built_peak,
            "size_mib": size,
            "open_seconds": opened,
            "add_1_percent_seconds": added,
            "queries_per_second": len(queries) / together,
            "queries_per_second_alone": 100 / alone,
            "recall_at_10": float(np.mean(found.similarities >= limits)),
            "recall_said": index.recall,
            "cells_looked_into": nprobe,
        },
        {
            **about,
            "implementation": "barlow, exact",
            "queries_per_second": len(queries) / exact_together,
            "queries_per_second_alone": 10 / exact_alone,
            "recall_at_10": 1.0,
        },
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--grow", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.grow:
        print(json.dumps(grow(arguments.grow), default=float))
        return
    rows = beside_others()
    print(table(rows), flush=True)
    for count in (25_000, 50_000, 100_000):
        command = [sys.executable, __file__, "--grow", str(count)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    print(table(rows[4:]), flush=True)
    rows += large(arguments.rows, arguments.features)
    print(table(rows[7:]))
    save("search_scale", rows, faiss=faiss.__version__)


if __name__ == "__main__":
    main()
