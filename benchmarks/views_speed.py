"""Views per second: barlow on every backend and its peers, each by the same recipe.

    python benchmarks/views_speed.py [--lightly PYTHON] [--rounds 3] [--pictures FOLDER]

Two sizes: 32 x 32 by the recipe for small photographs, and 224 x 224 out of 256 x 256 by the
paper's recipe with its two different views. The images are crops of scikit-learn's two
photographs. Every implementation is a process of its own, and has both cores: as threads, or as
the two processes of a `DataLoader` where it takes one image at a time. In every round each is timed
in turn, so that drift of the machine hits all alike; the figure is the median over the rounds, of
which very slow ones get fewer. Both views of an image count. Mean and deviation of the pixels tell
that all do about the same, and `--pictures` draws what each makes of the same images.
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

CASES = ((32, 32, 256), (224, 256, 32))  # size of the views, of the images, batch
SECONDS = 1.0  # of one implementation in one round
ENOUGH = 10.0  # seconds, after which an implementation has no further round
PAUSE = 0.3  # after which the threads of the one before sleep
OWN = (
    "barlow JAX",
    "barlow TensorFlow XLA",
    "barlow TensorFlow graph",
    "barlow PyTorch",
    "Keras layers JAX eager",
    "Keras layers TensorFlow graph",
    "Keras layers PyTorch",
)
PEERS = ("torchvision tensors", "torchvision PIL", "lightly PIL", "kornia")
DEVIATIONS = {
    "Keras layers": "no random resized crop: a shift and a zoom, which tie neither position to "
    "size nor height to width, bilinear, without antialiasing, and from 256 to 224 pixels first; "
    "brightness is added, not multiplied; jitter and solarization get their probability from a "
    "layer of ours; one blur per batch, with a deviation up to 1 and a kernel of 7; the threshold "
    "of solarization is drawn; XLA cannot compile them on TensorFlow",
    "torchvision tensors": "one image at a time, since a call draws once for all that it is given; "
    "blur with a kernel of 13",
    "torchvision PIL": "one image at a time; the blur is Pillow's, as in the code of the paper",
    "lightly PIL": "one image at a time; crops are bilinear also at 224",
    "kornia": "crops without antialiasing; blur with a kernel of 13",
}


def main() -> None:
    parser = _workers.parser(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=pathlib.Path, metavar="FOLDER")
    arguments = parser.parse_args()
    pythons = dict.fromkeys(OWN, sys.executable)
    pythons |= dict.fromkeys(PEERS, arguments.lightly)

    rows, absent, versions = [], [], {}
    for case in CASES:
        new_rows, new_absent = measure(pythons, *case, arguments.rounds, arguments.pictures)
        for row in new_rows:
            versions[row["implementation"]] = row.pop("versions")
        rows += new_rows
        absent += new_absent
        print(table(new_rows), flush=True)
        for row in new_absent:
            print(f"absent: {row['implementation']}: {row['reason']}", flush=True)
    print(*(f"{name}: {text}." for name, text in DEVIATIONS.items()), sep="\n")
    save(
        "views_speed",
        rows,
        rounds=arguments.rounds,
        cores=2,
        absent=absent,
        deviations=DEVIATIONS,
        packages=versions,
    )
    draw(rows)


def measure(
    pythons: dict[str, str | None],
    size: int,
    source: int,
    batch: int,
    rounds: int,
    pictures: pathlib.Path | None,
) -> tuple[list[dict], list[dict]]:
    """Rows of all that work at a size, and of those that do not, with the reason."""
    about = {"size": size, "batch": batch}
    prepared, absent = {}, {}
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        images = crops(source, batch)
        np.save(folder / "images.npy", images)
        workers = {}
        for name, python in pythons.items():
            if python is None:
                absent[name] = "the Python of its environment was not given"
                continue
            worker = stack.enter_context(_workers.start(python, name, "_views_worker.py"))
            try:
                prepared[name] = worker("prepare", images=str(folder / "images.npy"), size=size)
                workers[name] = worker
            except (OSError, RuntimeError) as error:
                absent[name] = str(error)
                worker.close()
        if pictures:
            draw_views(images, workers, size, pictures)
        speeds, spent = {name: [] for name in workers}, dict.fromkeys(workers, 0.0)
        for _ in range(rounds):
            for name, worker in workers.items():
                if spent[name] < ENOUGH:
                    time.sleep(PAUSE)
                    try:
                        answer = worker("time", seconds=SECONDS)
                    except (OSError, RuntimeError) as error:
                        absent[name], spent[name] = str(error), ENOUGH
                    else:
                        speeds[name].append(answer["views_per_second"])
                        spent[name] += answer["seconds"]
    rows = [
        {
            **about,
            "implementation": name,
            "views_per_second": statistics.median(measured),
            "slowest": min(measured),
            "fastest": max(measured),
            "rounds": len(measured),
            **prepared[name],
        }
        for name, measured in speeds.items()
        if name not in absent
    ]
    return rows, [{**about, "implementation": n, "reason": r} for n, r in absent.items()]


def crops(size: int, count: int) -> np.ndarray:
    """Square crops of two photographs, of many sizes and places, as bytes."""
    rng = np.random.default_rng(0)
    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    images = []
    for i in range(count):
        photograph = photographs[i % 2]
        side = rng.uniform(0.5, 1) * photograph.height
        left = rng.uniform(0, photograph.width - side)
        top = rng.uniform(0, photograph.height - side)
        box = (left, top, left + side, top + side)
        images.append(np.asarray(photograph.resize((size, size), Image.Resampling.BICUBIC, box)))
    return np.stack(images)


def draw_views(
    images: np.ndarray, workers: dict[str, _workers.Worker], size: int, folder: pathlib.Path
) -> None:
    """A picture per implementation: images in the first line, their views in the others."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 8
    for name, worker in workers.items():
        path = folder / "views.npy"
        worker("show", count=count, path=str(path))
        lines = [images[:count], *np.load(path)]
        path.unlink()
        figure = Figure(figsize=(count * 1.3, 3 * 1.3), layout="constrained")
        for axes, image in zip(
            figure.subplots(3, count).flat, (image for line in lines for image in line), strict=True
        ):
            axes.imshow(np.clip(image, 0, 255).astype("uint8"))
            axes.set_axis_off()
        figure.suptitle(f"{name}, {size} x {size}")
        figure.savefig(folder / f"{size}-{name.replace(' ', '-')}.png", dpi=90)


def draw(rows: list[dict]) -> None:
    """Bars of views per second, one picture per size."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axes, (size, source, _) in zip(figure.subplots(1, len(CASES)), CASES, strict=True):
        shown = [row for row in rows if row["size"] == size][::-1]
        names = [row["implementation"] for row in shown]
        colors = ["#1f77b4" if name.startswith("barlow") else "#e6740c" for name in names]
        bars = axes.barh(names, [row["views_per_second"] for row in shown], color=colors)
        axes.bar_label(bars, fmt="{:,.0f}", padding=3)
        axes.set(
            xscale="log",
            xlabel="views per second (log scale)",
            title=f"{size} x {size} out of {source} x {source}",
        )
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.2)
    figure.savefig(RESULTS / "views_speed.png", dpi=110)


if __name__ == "__main__":
    main()
