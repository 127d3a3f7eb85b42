"""What encoders of two more sets are worth after minutes: stamps, and characters of new fonts.

    apt-get install tuxpaint-stamps-default fonts-...   # see benchmarks/_pictures.py
    pip install 'barlow[tensorflow,bench]'
    python benchmarks/quality_pictures.py [--minutes 15] [--only stamps characters]
        [--sizes 32 64 96 128] [--resize crop pad stretch] [--epochs 100 --batch-size 128]
        [--seeds 3] [--lightly PYTHON]

`barlow.pretrain` learns with `Settings(minutes=...)` alone, or with `--epochs`, from the stamps of
Tux Paint (about 800 pictures of 16 kinds, some of which have three) at several sizes, a quarter of
each kind held out; and from 62 letters and digits in many fonts at 32 pixels, those of a quarter of
the packages held out. Logistic regression and 5 nearest neighbours on the features of all training
images; beside them raw pixels and the encoder with random weights. Of the characters, with
`--lightly`, also methods of lightly in the same time, as in `quality_fashion_mnist.py`. Medians
over seeds.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import tempfile
from typing import Any

import keras
import numpy as np
from _pictures import STAMPS, by_font, characters
from _results import machine, save
from _tables import table

import barlow
from barlow import data, evaluation, resizing

PEERS = {
    "lightly": "Barlow Twins by lightly",
    "simclr": "SimCLR by lightly",
    "vicreg": "VICReg by lightly",
    "simsiam": "SimSiam by lightly",
}
SIZES = {"stamps": (32, 64, 96, 128), "characters": (32,)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--only", nargs="+", choices=SIZES, default=list(SIZES), metavar="SET")
    parser.add_argument("--sizes", nargs="+", type=int, help="of the stamps")
    parser.add_argument("--resize", nargs="+", choices=resizing.RESIZES, default=[resizing.RESIZE])
    parser.add_argument("--epochs", type=int, help="in place of the minutes")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lightly", metavar="PYTHON", help="of an environment with lightly")
    parser.add_argument("--stamps", default=STAMPS, help="folder of the stamps")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.only:
        sizes = (name == "stamps" and arguments.sizes) or SIZES[name]
        ways = arguments.resize if name == "stamps" else [resizing.RESIZE]
        for size, resize in itertools.product(sizes, ways):
            runs = [measure(name, size, resize, seed, arguments) for seed in range(arguments.seeds)]
            given = {"minutes": arguments.minutes} if arguments.epochs is None else {}
            rows += medians(runs, {"set": name, "size": size, "resize": resize, **given})
            save("quality_pictures", rows, machine=machine())
    print(table(rows))


def load(
    name: str, size: int, resize: str, seed: int, stamps: str
) -> tuple[data.Images, data.Images]:
    if name == "characters":
        return by_font(characters(size), seed)
    return evaluation.split(data.load(stamps, (size, size), resize=resize), seed=seed)


def measure(name: str, size: int, resize: str, seed: int, arguments: Any) -> list[dict[str, Any]]:
    """Accuracies of raw pixels, a random encoder and the learned one, of one split and seed."""
    train, test = load(name, size, resize, seed, arguments.stamps)
    epochs, minutes = arguments.epochs, arguments.minutes
    with tempfile.TemporaryDirectory() as folder:
        time = {"minutes": minutes} if epochs is None else {"epochs": epochs}
        settings = barlow.Settings(**time, batch_size=arguments.batch_size, seed=seed)
        run = barlow.pretrain(train, pathlib.Path(folder) / "run", settings)
        encoder, epochs = barlow.runs.load_encoder(run), barlow.runs.summary(run).epochs
    keras.utils.set_random_seed(seed)
    ways = {"random encoder": keras.models.clone_model(encoder), "learned": encoder}
    features: dict[str, Any] = {
        "raw pixels": tuple(each.pixels[:].reshape(len(each), -1) for each in (train, test))
    }
    for way, model in ways.items():
        features[way] = tuple(barlow.embed(model, each).vectors for each in (train, test))
    if name == "characters" and arguments.lightly:
        features |= peers(train, test, seed, arguments)
    found = evaluation.probe(
        features, train.labels, test.labels, labels_per_class=(), neighbours=5, weights="cosine"
    )
    rows = [
        {"features": row.features, "probe": row.probe, "accuracy": row.accuracy, "epochs": epochs}
        for row in found
    ]
    print(name, size, seed, {(row["features"], row["probe"]): row["accuracy"] for row in rows})
    return rows


def peers(
    train: data.Images, test: data.Images, seed: int, arguments: Any
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Features of training and test images, by the method that learned them."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        np.savez(work / "images.npz", train=train.pixels[:], test=test.pixels[:])
        for method, called in PEERS.items():
            worker = pathlib.Path(__file__).with_name("_fashion_worker.py")
            seconds, given = str(60 * arguments.minutes), json.dumps({"seed": seed})
            command = [arguments.lightly, worker, method, work, seconds, given]
            subprocess.run(command, check=True)
            with np.load(work / "features.npz") as learned:
                found[called] = learned["train"], learned["test"]
    return found


def medians(runs: list[list[dict[str, Any]]], about: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for same in zip(*runs, strict=True):
        accuracies = [row["accuracy"] for row in same]
        rows.append(
            {
                **about,
                "features": same[0]["features"],
                "probe": same[0]["probe"],
                "accuracy": float(np.median(accuracies)),
                "std": float(np.std(accuracies)),
                "epochs": same[0]["epochs"],
            }
        )
    return rows


if __name__ == "__main__":
    main()
