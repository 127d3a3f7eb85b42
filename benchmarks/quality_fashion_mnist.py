"""What an encoder is worth that learned from Fashion-MNIST without labels, in a given time.

    python benchmarks/quality_fashion_mnist.py [--data FOLDER] [--minutes 15] [--lightly PYTHON]
        [--only NAME ...] [--seeds 3]

The encoder learns from the 60,000 training images, by `barlow.pretrain` with its recommended
settings and `minutes`, and its last state is evaluated on the 10,000 test images: logistic
regression on 1, 10 and 100 labels per class (means over 5 draws) and on all, and 20 nearest
neighbours weighted by their cosine, all on features standardised over the training images. Beside
it, with the same encoder and views in the same time: lightly's loss with the network in plain
PyTorch (`--lightly`, an environment with lightly and Keras), once with AdamW and for the rest what
barlow recommends, and once with the projector, optimizer and learning rate of lightly's example;
other methods by lightly, with the heads of its examples and AdamW; and labels instead: all
(`supervised`), or 10 and 100 of each class alone, by the network's own classifier, 3 draws. In half
the time: batches of 64 and 512. In 3 epochs: the paper's ablation (table 2), the loss with one of
its terms only. With `--seeds 3` every row is the median of so many trainings.

What barlow recommends was chosen on 10,000 of the training images, held out for that: `--validate`
sets it beside other settings, in 5 epochs of the other 50,000. Each part is a process of its own,
one after the other; the results are written after each, and `--only` runs some of them and keeps
the rest.

The images are those of Debian's package dataset-fashion-mnist, where it installs them by default.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
from _results import RESULTS, machine, save
from matplotlib.figure import Figure

from barlow import data, evaluation

DATA = "/usr/share/datasets/fashion-mnist"
HELD_OUT = 10_000  # training images for --validate
# Ways of the worker, fractions of the time, and settings of barlow.
PARTS: dict[str, dict[str, Any]] = {
    "raw pixels": {},
    "barlow": {},
    "lightly": {"way": "lightly"},
    "lightly, its example": {"way": "example"},
    "SimCLR by lightly": {"way": "simclr"},
    "VICReg by lightly": {"way": "vicreg"},
    "SimSiam by lightly": {"way": "simsiam"},
    "supervised": {"way": "supervised"},
    "supervised, from few labels alone": {"way": "few"},
    "barlow, batch 64": {"time": 0.5, "settings": {"batch_size": 64}},
    "barlow, batch 512": {"time": 0.5, "settings": {"batch_size": 512}},
    "both terms": {"settings": {"epochs": 3}},
    "invariance only": {"settings": {"epochs": 3, "lambda_": 0.0}},
    # The invariance then weighs two millionths of what it does by default, next to the redundancy.
    "redundancy only": {"settings": {"epochs": 3, "lambda_": 1e4}},
}
# What else might have been recommended.
TRIALS: dict[str, dict[str, Any]] = {
    name: {"settings": {"epochs": 5, **settings}}
    for name, settings in {
        "recommended": {},
        "AdamW": {"optimizer": "adamw"},
        "LARS": {"optimizer": "lars"},
        "batch of 64": {"batch_size": 64},
        "lambda 0.02": {"lambda_": 0.02},
        "projector 512, 512": {"projector": [512, 512]},
        "projector 1024, 2048": {"projector": [1024, 2048]},
        "views of glyphs": {"views": "glyphs"},
        "views of photographs": {"views": "photos"},
        "half precision": {"dtype_policy": "mixed_bfloat16"},
    }.items()
}
ORDER = [name for part in (*PARTS, *TRIALS) for name in (part, f"{part}, random encoder")]
GREYS = {"raw pixels": "#999999", "barlow, random encoder": "#555555"}
PROBES = {
    ("linear", 1): "1 label per class",
    ("linear", 10): "10",
    ("linear", 100): "100",
    ("linear", None): "all",
    ("knn", None): "20-NN, all",
}
"""Those of the picture: a classifier of its own is in the table alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=DATA, help="folder with the four IDX files")
    parser.add_argument("--minutes", type=float, default=15.0, help="of training, each")
    parser.add_argument("--lightly", metavar="PYTHON", help="of an environment with lightly")
    parser.add_argument("--only", nargs="+", choices=ORDER, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--validate", action="store_true", help="on held-out training images")
    arguments = parser.parse_args()

    parts = TRIALS if arguments.validate else PARTS
    name = "quality_fashion_mnist" + "_validation" * arguments.validate
    before = RESULTS / f"{name}.json"
    results = json.loads(before.read_text())["rows"] if before.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        train, test = load(pathlib.Path(arguments.data), arguments.validate)
        labels = {"labels": train.labels, "test_labels": test.labels}
        np.savez(work / "images.npz", train=train.pixels, test=test.pixels, **labels)
        for part in arguments.only or parts:
            python = arguments.lightly if "lightly" in part else sys.executable
            if not python:
                continue
            rows = medians(
                [
                    run(part, parts[part], python, work, 60 * arguments.minutes, train, test, seed)
                    for seed in range(1 if part == "raw pixels" else arguments.seeds)
                ]
            )
            results = [row for row in results if row["part"] not in {row["part"] for row in rows}]
            results += rows
            results.sort(key=lambda row: ORDER.index(row["part"]))
            save(name, results)
            show(rows)
    draw(name, results)


def load(folder: pathlib.Path, validate: bool) -> tuple[data.Images, data.Images]:
    """Images to learn from, and to evaluate on."""
    train = data.load(folder / "train-images-idx3-ubyte.gz")
    if validate:
        return evaluation.split(train, HELD_OUT / len(train))
    return train, data.load(folder / "t10k-images-idx3-ubyte.gz")


def run(
    part: str,
    options: dict[str, Any],
    python: str,
    work: pathlib.Path,
    seconds: float,
    train: data.Images,
    test: data.Images,
    seed: int,
) -> list[dict[str, Any]]:
    """Train one part and probe what it learned."""
    about: dict[str, Any] = {}
    seconds *= options.get("time", 1.0)
    settings = {**options.get("settings", {}), "seed": seed}
    if part == "raw pixels":
        pixels = (images.pixels[:].reshape(len(images), -1) for images in (train, test))
        features = {part: tuple(pixels)}
    else:
        subprocess.run(
            [
                python,
                pathlib.Path(__file__).with_name("_fashion_worker.py"),
                options.get("way", "barlow"),
                work,
                str(seconds),
                json.dumps(settings),
            ],
            check=True,
        )
        about = {  # parts may be of different days
            **json.loads((work / "about.json").read_text()),
            "minutes": None if "epochs" in settings else seconds / 60,
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
        }
        if "rows" in about:
            rows = about.pop("rows")
            return [{"part": part, **row, **about} for row in rows]
        with np.load(work / "features.npz") as learned:
            features = {part: (learned["train"], learned["test"])}
            if part == "barlow":
                random = learned["random_train"], learned["random_test"]
                features[f"{part}, random encoder"] = random
    scores = evaluation.probe(
        features,
        train.labels,
        test.labels,
        labels_per_class=(1, 10, 100),
        draws=5,
        neighbours=20,
        weights="cosine",
    )
    return [
        {
            "part": row.features,
            "probe": row.probe,
            "labels_per_class": row.labels_per_class,
            "accuracy": row.accuracy,
            "std": row.std,
            **(about if row.features == part else {}),
        }
        for row in scores
    ]


def medians(runs: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of the first training, with the median accuracy of all and how far they deviate.

    The machine may have been busier in one of them: the epochs of all are kept.
    """
    rows = []
    for same in zip(*runs, strict=True):
        accuracies = [row["accuracy"] for row in same]
        more: dict[str, Any] = {"seeds": len(same), "std_of_seeds": float(np.std(accuracies))}
        if "epochs" in same[0]:
            more["epochs_of_seeds"] = [row["epochs"] for row in same]
        rows.append({**same[0], "accuracy": float(np.median(accuracies)), **more})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    for part in dict.fromkeys(row["part"] for row in rows):
        own = [row for row in rows if row["part"] == part]
        print(f"{part:28}", *(f"{row['accuracy']:.3f}" for row in own), own[0].get("epochs", ""))


def draw(name: str, rows: list[dict[str, Any]]) -> None:
    """Accuracy by number of labels, a line for each part."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for part in dict.fromkeys(row["part"] for row in rows):
        own = {(row["probe"], row["labels_per_class"]): row for row in rows if row["part"] == part}
        heights = [own[probe]["accuracy"] if probe in own else np.nan for probe in PROBES]
        color = GREYS.get(part)  # else one of the ten that there are
        axes.plot(list(PROBES.values()), heights, marker="o", label=part, color=color)
    axes.set(ylabel="accuracy on 10,000 images", xlabel="labels of a logistic regression, or 20-NN")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(RESULTS / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main()
