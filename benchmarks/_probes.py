"""Accuracies of raw, random and learned features, over several splits: table, picture and file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from _results import RESULTS, save
from matplotlib.figure import Figure

COUNTS, C = (1, 5, 10), (1.0,)  # labels per class; the regularisation is not chosen
COLORS = {"random": "#d55e00", "learned": "#0072b2"}  # all others are grey


def part(rows: Any, chosen: np.ndarray) -> Any:
    """Rows of a data set, with their labels."""
    return rows[chosen]


def learn(
    encoder: Any, views: Any, inputs: np.ndarray, steps: int, batch_size: int, seed: int
) -> None:
    """Train an encoder on inputs alone, with the rates of `barlow.Settings`."""
    import keras

    import barlow

    model = barlow.BarlowTwins(encoder, views=views)
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4))
    batches = barlow.data.Batches(inputs, batch_size, seed)
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)


def probe(encoder: Any, train: Any, test: Any, seed: int) -> list[dict[str, Any]]:
    """What `barlow.evaluation` finds; the inputs are no pixels here, but raw features."""
    from barlow import evaluation

    how: Any = {"labels_per_class": COUNTS, "regularization": C}
    rows = evaluation.as_json(evaluation.evaluate(encoder, train, test, seed, **how))["rows"]
    return [{**row, "features": row["features"].replace("pixels", "raw")} for row in rows]


def means(runs: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Mean and deviation over splits of what `barlow.evaluation` found in each."""
    rows = []
    for same in zip(*runs, strict=True):
        accuracies = [row["accuracy"] for row in same]
        kind = {key: same[0][key] for key in ("features", "probe", "labels_per_class")}
        rows.append({**kind, "accuracy": np.mean(accuracies), "std_of_splits": np.std(accuracies)})
    return rows


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of `means`."""
    for row in rows:
        print(
            f"{row['features']:8} {row['probe']:6} {_labels(row):>4} labels per class: "
            f"{row['accuracy']:.3f} ± {row['std_of_splits']:.3f}",
            flush=True,
        )


def report(name: str, runs: Sequence[Sequence[dict[str, Any]]], **about: Any) -> None:
    """Print, save and draw the means over splits, with what they are about."""
    rows = means(runs)
    save(name, rows, splits=len(runs), **about)
    show(rows)
    _draw(name, rows)


def _draw(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """One group of bars per probe, one bar per kind of features."""
    features = list(dict.fromkeys(row["features"] for row in rows))
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(features)
    for i, kind in enumerate(features):
        own = [row for row in rows if row["features"] == kind]
        axes.bar(
            np.arange(len(own)) + (i - len(features) / 2 + 0.5) * width,
            [row["accuracy"] for row in own],
            width,
            yerr=[row["std_of_splits"] for row in own],
            label=kind,
            color=COLORS.get(kind, "#999999"),
        )
    axes.set_xticks(range(len(own)), [f"{_labels(row)}\n{row['probe']}" for row in own])
    axes.set(ylabel="accuracy on held-out rows", xlabel="labels per class, and probe")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", frameon=False, ncols=len(features))
    figure.savefig(RESULTS / f"{name}.png", dpi=110)


def _labels(row: dict[str, Any]) -> str:
    return str(row["labels_per_class"] or "all")
