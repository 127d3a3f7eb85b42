"""Images per second from a folder of JPEGs to batches: barlow on every backend and torchvision.

    python benchmarks/loading_speed.py [--lightly PYTHON] [--images 2000] [--rounds 4]

The JPEGs are crops of scikit-learn's two photographs, 500 x 375 pixels, quality 90. Every
implementation is a process of its own (torchvision starts two more) with two workers. In every
round each reads the whole folder once, in turn, so that drift of the machine hits all alike; the
figure is the median over the rounds. Every epoch begins with nothing read ahead, after a pause in
which the one before ends what it had begun to read.
"decoding alone" is what barlow does to each file, by as many threads, without making batches.
Memory is the peak of resident bytes within each epoch; torchvision's processes are added up, what
they share counted in each.
"""

import contextlib
import pathlib
import statistics
import sys
import tempfile
import time

import _workers
import numpy as np
from _results import RESULTS, save
from _tables import table
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_sample_images

WIDTH, HEIGHT = 500, 375
CASES = ((224, 64), (64, 256))  # size, batch
PAUSE = 0.6  # seconds
BARLOW = ("barlow JAX", "barlow TensorFlow", "barlow PyTorch", "decoding alone")


def main() -> None:
    parser = _workers.parser(__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    pythons = dict.fromkeys(BARLOW, sys.executable)
    if arguments.lightly:
        pythons["torchvision"] = arguments.lightly

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_jpegs(pathlib.Path(folder), arguments.images)
        for size, batch in CASES:
            epochs = {name: [] for name in pythons}
            with contextlib.ExitStack() as stack:
                workers = {
                    name: stack.enter_context(_workers.start(python, name, "_loading_worker.py"))
                    for name, python in pythons.items()
                }
                used = {
                    name: worker("prepare", folder=folder, size=size, batch=batch)
                    for name, worker in workers.items()
                }
                for _ in range(arguments.rounds):
                    for name, worker in workers.items():
                        time.sleep(PAUSE)
                        epochs[name].append(worker("epoch"))
            for name, measured in epochs.items():
                speeds = [epoch["images"] / epoch["seconds"] for epoch in measured]
                rows.append(
                    {
                        "size": size,
                        "batch": batch,
                        "implementation": name,
                        "images_per_second": statistics.median(speeds),
                        "slowest": min(speeds),
                        "fastest": max(speeds),
                        "peak_mib_by_epoch": [e["peak_bytes"] // 2**20 for e in measured],
                    }
                )
            print(table([row for row in rows if row["size"] == size]), flush=True)
    check_memory(rows)
    save(
        "loading_speed",
        rows,
        images=arguments.images,
        rounds=arguments.rounds,
        workers=2,
        readers=used,
    )
    draw(rows)


def write_jpegs(folder: pathlib.Path, count: int) -> None:
    """Crops of two photographs, of many sizes and places, in two folders of classes."""
    rng = np.random.default_rng(0)
    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    for i in range(count):
        photograph = photographs[i % 2]
        height = rng.uniform(0.5, 1) * photograph.height
        width = height * WIDTH / HEIGHT
        left = rng.uniform(0, photograph.width - width)
        top = rng.uniform(0, photograph.height - height)
        crop = photograph.resize(
            (WIDTH, HEIGHT),
            Image.Resampling.BICUBIC,
            box=(left, top, left + width, top + height),
        )
        path = folder / ("temple", "flower")[i % 2] / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        crop.save(path, quality=90)


def check_memory(rows: list[dict]) -> None:
    """Memory is flat: from the second epoch to the last it grows by no more than two batches."""
    for row in rows:
        batch = row["batch"] * row["size"] ** 2 * 3 / 2**20
        peaks = row["peak_mib_by_epoch"]
        if row["implementation"].startswith("barlow") and len(peaks) > 2:
            growth = peaks[-1] - peaks[1]
            assert growth <= 2 * batch + 16, f"{row['implementation']} grew by {growth} MiB"


def draw(rows: list[dict]) -> None:
    """Bars of images per second, one picture per size."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, (size, _) in zip(figure.subplots(1, len(CASES)), CASES, strict=True):
        shown = [row for row in rows if row["size"] == size][::-1]
        names = [row["implementation"] for row in shown]
        own = [name.startswith("barlow") for name in names]
        colors = [
            "#1f77b4" if o else "#bbbbbb" if "alone" in n else "#e6740c"
            for n, o in zip(names, own, strict=True)
        ]
        bars = axes.barh(names, [row["images_per_second"] for row in shown], color=colors)
        axes.bar_label(bars, fmt="%.0f", padding=3)
        axes.set(xlabel="images per second", title=f"JPEG {WIDTH} x {HEIGHT} to {size} x {size}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.12)
    figure.savefig(RESULTS / "loading_speed.png", dpi=110)


if __name__ == "__main__":
    main()
