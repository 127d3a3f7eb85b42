"""What a head start is worth: weights that were learned on other images, or random ones.

    python benchmarks/head_start.py [--encoder conv] [--epochs 50 200 600] [--seeds 3]
        [--run RUN] [--work FOLDER] [--quick]

The start is an encoder that learned without labels from 20,000 training images of Fashion-MNIST,
brought to colour and 64 x 64 pixels, in 30 epochs; or with `--run` that of a run on images of this
shape. From its weights and from random ones the same encoder learns from three quarters of the
stamps of Tux Paint, drawings and photographs in 17 classes, without their labels and by
`barlow.pretrain` with its recommended settings, for the same numbers of epochs, which take the same
time. A third way has the head start and the learning rate for random weights: is a tenth of it the
better choice? Beside them the encoders that learned nothing of the stamps, and pixels, 32 x 32.

Accuracies are those of a logistic regression and of 5 nearest neighbours that learn from the same
three quarters with labels, on the last quarter, which no encoder has seen. Means and deviations
over the seeds: of the split, the random weights and the views. The start is one for all.

The full run takes hours. `--quick` does everything with few images and epochs, prints the table and
writes nothing. The images are those of Debian's packages dataset-fashion-mnist and
tuxpaint-stamps-default.
"""

import argparse
import pathlib
import tempfile
from typing import Any

import numpy as np
from _labelling_sets import DATA, STAMPS
from _results import RESULTS, save
from _tables import table
from matplotlib.figure import Figure
from PIL import Image

import barlow
from barlow import data, evaluation, runs
from barlow.evaluation.regularization import GRID

SIDE = 64
SCRATCH, START, FAST = "random weights", "head start", "head start at the full rate"
COLORS = {SCRATCH: "#999999", START: "#0072b2", FAST: "#d55e00"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=DATA, help="folder with the IDX files of Fashion-MNIST")
    parser.add_argument("--stamps", default=STAMPS, help="folder with the stamps of Tux Paint")
    parser.add_argument("--encoder", default="conv", help="an encoder by name")
    parser.add_argument("--epochs", type=int, nargs="+", default=[50, 200, 600], help="on stamps")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--start-images", type=int, default=20_000)
    parser.add_argument("--start-epochs", type=int, default=30)
    parser.add_argument("--run", type=pathlib.Path, help="a run of --encoder that is the start")
    parser.add_argument("--work", help="folder that keeps the start for another time")
    parser.add_argument("--quick", action="store_true", help="try it out; nothing is written")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.epochs, arguments.seeds = [1, 2], 1
        arguments.start_images, arguments.start_epochs = 512, 1

    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        start = arguments.run or learn_start(pathlib.Path(arguments.work or folder), arguments)
        stamps = data.load(arguments.stamps, (SIDE, SIDE))
        about = {
            "encoder": arguments.encoder,
            "seeds": arguments.seeds,
            "start": about_start(start),
        }
        found = [measure(stamps, start, arguments, seed, work) for seed in range(arguments.seeds)]
    rows = means(found)
    print(table(rows))
    if not arguments.quick:
        save("head_start", rows, **about)
        draw(rows)


def learn_start(work: pathlib.Path, arguments: Any) -> pathlib.Path:
    """A run on clothes that look like the stamps to a network: colour, 64 x 64 pixels."""
    run = work / f"start-{arguments.encoder}-{arguments.start_images}-{arguments.start_epochs}"
    if not runs.is_complete(run):
        path = pathlib.Path(arguments.data) / "train-images-idx3-ubyte.gz"
        clothes = data.load(path).pixels[: arguments.start_images, ..., 0]
        resized = [Image.fromarray(each).resize((SIDE, SIDE), Image.BICUBIC) for each in clothes]
        pixels = np.stack([np.asarray(each.convert("RGB")) for each in resized])
        settings = barlow.Settings(encoder=arguments.encoder, epochs=arguments.start_epochs)
        barlow.pretrain(pixels, run, settings, resume=True)
    return run


def about_start(run: pathlib.Path) -> dict[str, Any]:
    config, ended = runs.read_config(run), runs.summary(run)
    return {"images": config["images"], "epochs": ended.epochs, "seconds": ended.seconds}


def measure(
    stamps: data.Images, start: pathlib.Path, arguments: Any, seed: int, work: pathlib.Path
) -> list[dict[str, Any]]:
    """A row for every way and number of epochs, of one seed."""
    train, test = evaluation.split(stamps, seed=seed)
    shape = train.pixels.shape[1:]
    learned = str(start / runs.ENCODER)
    full = barlow.recommend(len(train), shape, barlow.Settings(encoder=arguments.encoder))
    ways: dict[str, dict[str, Any]] = {
        SCRATCH: {},
        START: {"weights": learned},
        FAST: {"weights": learned, "learning_rate": full.learning_rate},
    }
    rows = [{"way": "pixels", "epochs": 0, **accuracies(None, train, test)}]
    for way in (SCRATCH, START):
        encoder = barlow.models.encoder(arguments.encoder, shape, ways[way].get("weights"))
        rows.append({"way": way, "epochs": 0, **accuracies(encoder, train, test)})
    for epochs in arguments.epochs:
        for way, given in ways.items():
            settings = barlow.Settings(arguments.encoder, epochs=epochs, seed=seed, **given)
            run = barlow.pretrain(train, work / "run", settings, overwrite=True)
            found = accuracies(runs.load_encoder(run), train, test)
            ended = runs.summary(run)
            rows.append(
                {"way": way, "epochs": epochs, **found, "seconds": ended.seconds,
                 "loss": ended.metrics["loss"]}
            )  # fmt: skip
            print(seed, rows[-1], flush=True)
    return rows


def accuracies(encoder: Any, train: data.Images, test: data.Images) -> dict[str, Any]:
    """Of a regression and of neighbours on the vectors of an encoder, or on pixels."""
    if encoder is None:  # of 32 x 32, with the regularisation as it is: else it takes long
        x, new = (halved(each.pixels) for each in (train, test))
    else:
        x, new = (encoder.predict(each.pixels, batch_size=100, verbose=0) for each in (train, test))
    how: dict[str, Any] = {"regularization": (1.0,) if encoder is None else GRID}
    rows = evaluation.probe({"": (x, new)}, train.labels, test.labels, labels_per_class=(), **how)
    return {row.probe: row.accuracy for row in rows}


def halved(pixels: np.ndarray) -> np.ndarray:
    """Rows of the means of 2 x 2 pixels."""
    half = SIDE // 2
    return pixels.reshape(len(pixels), half, 2, half, 2, -1).mean((2, 4)).reshape(len(pixels), -1)


def means(found: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Means over seeds, with the deviations of the accuracies."""
    rows = []
    for same in zip(*found, strict=True):
        row = {key: same[0][key] for key in ("way", "epochs")}
        for key in ("linear", "knn", "seconds", "loss"):
            values = [each[key] for each in same if key in each]
            row |= {key: float(np.mean(values))} if values else {}
            row |= {f"{key}_std": float(np.std(values))} if key in ("linear", "knn") else {}
        rows.append(row)
    return rows


def draw(rows: list[dict[str, Any]]) -> None:
    """Accuracy by epochs, a panel for each probe."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    names = {"linear": "logistic regression", "knn": "5 nearest neighbours"}
    for axes, (key, name) in zip(figure.subplots(1, 2), names.items(), strict=True):
        for way, color in COLORS.items():
            own = [row for row in rows if row["way"] == way]
            axes.errorbar(
                [row["epochs"] for row in own],
                [row[key] for row in own],
                [row[f"{key}_std"] for row in own],
                marker="o",
                color=color,
                label=way,
            )
        axes.axhline(rows[0][key], color="#cccccc", linestyle="--", label="pixels")
        axes.set(title=name, xlabel="epochs on the stamps", ylabel="accuracy on new stamps")
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(RESULTS / "head_start.png", dpi=110)


if __name__ == "__main__":
    main()
