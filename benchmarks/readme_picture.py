"""The picture of the README: from images without labels to accuracy with few, in one real run.

    python benchmarks/readme_picture.py

Trains the demo: an encoder of scikit-learn's digits, their labels hidden, with what barlow
recommends for batches of 128. The picture shows what goes in (images and two random views of
each), what training does (the cross-correlation of the views' embeddings before and after) and
what comes out (accuracy on a held-out quarter by labels per class). The accuracies are in
`benchmarks/results/readme_picture.json`, the picture is beside it.
"""

import argparse
import pathlib
import tempfile

import numpy as np
from _probes import COUNTS, C
from _results import RESULTS, save
from _tables import table
from matplotlib.figure import Figure

import barlow
from barlow import evaluation

from keras import ops  # isort: skip - after barlow, which chooses a backend

# The order of the lines from the top down; colours and markers that every eye tells apart.
LINES = {
    "learned": ("learned by barlow", "#0072b2", "o"),
    "pixels": ("raw pixels", "#d55e00", "s"),
    "random": ("random encoder", "#666666", "^"),
}
SHOWN = 4  # images
FEATURES = 64  # of a cross-correlation, so that each is more than a pixel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, help="as many as are recommended, if not given")
    settings = barlow.Settings(epochs=parser.parse_args().epochs, batch_size=128)
    train, test = evaluation.split(barlow.data.digits())
    with tempfile.TemporaryDirectory() as folder:
        run = barlow.pretrain(train, pathlib.Path(folder) / "run", settings)
        with np.load(run / barlow.runs.CORRELATION, allow_pickle=False) as matrices:
            before, after = matrices["before"], matrices["after"]
        seconds = sum(row["seconds"] for row in barlow.runs.read_metrics(run))
        config = barlow.runs.read_config(run)
        encoder = barlow.runs.load_encoder(run)
        accuracies = evaluation.evaluate(
            encoder, train, test, labels_per_class=COUNTS, regularization=C
        )
    rows = evaluation.as_json(accuracies)["rows"]
    print(table(rows))
    save("readme_picture", rows, backend=config["backend"], training_seconds=seconds)
    draw(train.pixels[:SHOWN], config["views"], (before, after), rows)


def draw(
    images: np.ndarray, recipe: str, matrices: tuple[np.ndarray, np.ndarray], rows: list[dict]
) -> None:
    """Images and views, cross-correlation before and after, accuracies: from left to right."""
    figure = Figure(figsize=(12, 3.7), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=(0.75, 1.35, 1.15), wspace=0.04)
    left.suptitle("1. Images without labels,\nand two random views of each", fontsize=11)
    middle.suptitle(
        "2. Training: a feature agrees with itself\nin the other view, little with the others",
        fontsize=11,
    )
    right.suptitle("3. An encoder\nthat needs few labels", fontsize=11)
    draw_views(left, images, recipe)
    draw_correlations(middle, matrices)
    draw_accuracies(right.subplots(), rows)
    figure.savefig(RESULTS / "readme_picture.png", dpi=110)


def draw_views(part, images: np.ndarray, recipe: str) -> None:
    first, second = barlow.views.ImageViews(recipe, seed=0)(images)
    columns = (("image", images), ("view", first), ("view", second))
    for (title, pictures), places in zip(columns, part.subplots(len(images), 3).T, strict=True):
        places[0].set_title(title, fontsize=9)
        for picture, axes in zip(ops.convert_to_numpy(pictures), places, strict=True):
            axes.imshow(np.rint(picture).astype("uint8"), cmap="grey", vmin=0, vmax=255)
            axes.set_axis_off()


def draw_correlations(part, matrices: tuple[np.ndarray, np.ndarray]) -> None:
    places = part.subplots(1, 2)
    for axes, matrix, title in zip(places, matrices, ("before", "after"), strict=True):
        some = matrix[:FEATURES, :FEATURES]
        shown = axes.imshow(some, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_xlabel(f"{FEATURES} features of view 2", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    places[0].set_ylabel(f"{FEATURES} features of view 1", fontsize=9)
    bar = part.colorbar(shown, ax=list(places), orientation="horizontal", shrink=0.6, aspect=30)
    bar.set_ticks([-1, 0, 1])
    bar.set_label("correlation", fontsize=9)
    bar.ax.tick_params(labelsize=8)


def draw_accuracies(axes, rows: list[dict]) -> None:
    for features, (name, colour, marker) in LINES.items():
        own = [row for row in rows if (row["features"], row["probe"]) == (features, "linear")]
        labels = ["all" if (n := row["labels_per_class"]) is None else str(n) for row in own]
        accuracy = [row["accuracy"] for row in own]
        axes.plot(labels, accuracy, color=colour, marker=marker, linewidth=2, label=name)
    axes.set_xlabel("labels per class", fontsize=9)
    axes.set_ylabel("accuracy on held-out images", fontsize=9)
    axes.tick_params(labelsize=9)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
