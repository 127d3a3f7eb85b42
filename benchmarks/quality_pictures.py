"""What encoders of two more sets are worth after minutes: stamps, and characters of new fonts.

    apt-get install tuxpaint-stamps-default fonts-...   # see benchmarks/_pictures.py
    pip install 'barlow[tensorflow,bench]'
    python benchmarks/quality_pictures.py [--minutes 15] [--only stamps characters]
        [--ways barlow lightly simclr vicreg simsiam] [--lightly PYTHON]
        [--sizes 32 64 96 128] [--resize crop pad stretch] [--epochs 100 --batch-size 128]
        [--seeds 3]

`barlow.pretrain` learns with `Settings(minutes=...)` alone, or with `--epochs`, from the stamps of
Tux Paint (about 800 pictures of 17 kinds, the smallest of three) at several sizes, a quarter of
each kind held out; and from 62 letters and digits in many fonts at 32 pixels, those of a quarter of
the packages held out. Logistic regression and 5 nearest neighbours on the features of all training
images; beside them raw pixels and the encoder with random weights. Of the characters, with
`--lightly`, also methods of lightly in the same time, as in `quality_fashion_mnist.py`. Medians
over seeds. Results are written after each way and size; `--only`, `--ways` and `--sizes` measure
some anew and keep the rest.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import tempfile
import time
from typing import Any

import keras
import numpy as np
from _pictures import STAMPS, by_font, characters
from _results import RESULTS, machine, save
from _tables import table

import barlow
from barlow import data, evaluation, resizing

WAYS = {
    "barlow": "learned",
    "lightly": "Barlow Twins by lightly",
    "simclr": "SimCLR by lightly",
    "vicreg": "VICReg by lightly",
    "simsiam": "SimSiam by lightly",
}
SIZES = {"stamps": (32, 64, 96, 128), "characters": (32,)}
SAME = ("set", "size", "resize", "features", "probe")
"""What rows have that are measured anew."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--only", nargs="+", choices=SIZES, default=list(SIZES), metavar="SET")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--sizes", nargs="+", type=int, help="of the stamps")
    parser.add_argument("--resize", nargs="+", choices=resizing.RESIZES, default=[resizing.RESIZE])
    parser.add_argument("--epochs", type=int, help="in place of the minutes")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lightly", metavar="PYTHON", help="of an environment with lightly")
    parser.add_argument("--stamps", default=STAMPS, help="folder of the stamps")
    arguments = parser.parse_args()
    before = RESULTS / "quality_pictures.json"
    results = json.loads(before.read_text())["rows"] if before.exists() else []
    for name in arguments.only:
        sizes = (name == "stamps" and arguments.sizes) or SIZES[name]
        resizes = arguments.resize if name == "stamps" else [resizing.RESIZE]
        for size, resize, way in itertools.product(sizes, resizes, arguments.ways):
            if way != "barlow" and (name == "stamps" or not arguments.lightly):
                continue
            runs = [
                measure(name, size, resize, way, seed, arguments) for seed in range(arguments.seeds)
            ]
            rows = medians(runs, {"set": name, "size": size, "resize": resize})
            new = {tuple(row[key] for key in SAME) for row in rows}
            results = [row for row in results if tuple(row[key] for key in SAME) not in new] + rows
            results.sort(key=lambda row: (row["set"] != "stamps", row["size"]))
            save("quality_pictures", results)
    print(table(results))


def load(
    name: str, size: int, resize: str, seed: int, stamps: str
) -> tuple[data.Images, data.Images]:
    if name == "characters":
        return by_font(characters(size), seed)
    return evaluation.split(data.load(stamps, (size, size), resize=resize), seed=seed)


def measure(
    name: str, size: int, resize: str, way: str, seed: int, arguments: Any
) -> list[dict[str, Any]]:
    """Accuracies of one way, one split and one seed; with barlow's, of what has learned nothing."""
    train, test = load(name, size, resize, seed, arguments.stamps)
    with tempfile.TemporaryDirectory() as folder:
        learn = ours if way == "barlow" else theirs
        features, about = learn(train, test, way, pathlib.Path(folder), seed, arguments)
    found = evaluation.probe(
        features, train.labels, test.labels, labels_per_class=(), neighbours=5, weights="cosine"
    )
    rows = [
        {
            "features": row.features,
            "probe": row.probe,
            "accuracy": row.accuracy,
            **(about if row.features == WAYS[way] else {}),
        }
        for row in found
    ]
    print(name, size, seed, {(row["features"], row["probe"]): row["accuracy"] for row in rows})
    return rows


def ours(
    train: data.Images, test: data.Images, way: str, work: pathlib.Path, seed: int, arguments: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Features of training and test images, and how long they were learned."""
    epochs = arguments.epochs
    given = {"minutes": arguments.minutes} if epochs is None else {"epochs": epochs}
    settings = barlow.Settings(**given, batch_size=arguments.batch_size, seed=seed)
    begin = time.perf_counter()
    run = barlow.pretrain(train, work / "run", settings)
    took = (time.perf_counter() - begin) / 60
    encoder, config = barlow.runs.load_encoder(run), barlow.runs.read_config(run)
    keras.utils.set_random_seed(seed)
    models = {"random encoder": keras.models.clone_model(encoder), WAYS[way]: encoder}
    features: dict[str, Any] = {
        "raw pixels": tuple(each.pixels[:].reshape(len(each), -1) for each in (train, test))
    }
    for called, model in models.items():
        features[called] = tuple(barlow.embed(model, each).vectors for each in (train, test))
    about = {"minutes": took, "epochs": config["epochs"], "precision": config["dtype_policy"]}
    return features, about


def theirs(
    train: data.Images, test: data.Images, way: str, work: pathlib.Path, seed: int, arguments: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of a method of lightly."""
    np.savez(work / "images.npz", train=train.pixels[:], test=test.pixels[:])
    worker = pathlib.Path(__file__).with_name("_fashion_worker.py")
    seconds, given = str(60 * arguments.minutes), json.dumps({"seed": seed})
    subprocess.run([arguments.lightly, worker, way, work, seconds, given], check=True)
    about = json.loads((work / "about.json").read_text())
    with np.load(work / "features.npz") as learned:
        features = {WAYS[way]: (learned["train"], learned["test"])}
    return features, {"minutes": about["training_seconds"] / 60, "epochs": about["epochs"]}


def medians(runs: list[list[dict[str, Any]]], about: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the first training, with the median accuracy of all and how far they deviate."""
    rows = []
    for same in zip(*runs, strict=True):
        accuracies = [row["accuracy"] for row in same]
        more = {key: [row[key] for row in same] for key in ("minutes", "epochs") if key in same[0]}
        score = {"accuracy": float(np.median(accuracies)), "std": float(np.std(accuracies))}
        rows.append({**about, **same[0], **score, **more, "machine": machine()})
    return rows


if __name__ == "__main__":
    main()
