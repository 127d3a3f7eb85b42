"""A run as a picture."""

import pathlib
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from barlow import losses, runs

_STYLE: Any = {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": False}
_INVARIANCE, _REDUNDANCY, _LOSS = "#0072b2", "#d55e00", "#222222"  # apart for every eye


def draw_training(run: str | pathlib.Path) -> pathlib.Path:
    """Draw how a run learned: its loss terms, and the cross-correlation before and after.

    Args:
        run: Folder of the run.

    Returns:
        Path of the picture, ``training.png`` in the run.

    Raises:
        FileNotFoundError: If the run has no metrics or no cross-correlation.
    """
    run = pathlib.Path(run)
    config, metrics = runs.read_config(run), runs.read_metrics(run)
    with np.load(run / runs.CORRELATION, allow_pickle=False) as correlation:
        before, after = correlation["before"], correlation["after"]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(13, 4), layout="constrained")
        terms, left, right = figure.subplots(1, 3, width_ratios=(1.4, 1, 1))
        levels = losses.Levels(config["loss_at_start"], config["loss_floor"])
        _draw_terms(terms, metrics, levels)
        for axes, matrix, title in ((left, before, "before"), (right, after, "after")):
            picture = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
            axes.set(
                title=f"Cross-correlation {title} training",
                xlabel="feature of view 2",
                ylabel="feature of view 1",
            )
        figure.colorbar(picture, ax=[left, right], shrink=0.8, label="correlation")
        with runs.replacing(run / runs.PICTURE) as path:
            figure.savefig(path, dpi=120)
    return run / runs.PICTURE


def _draw_terms(axes: Axes, metrics: list[dict[str, float]], levels: losses.Levels) -> None:
    epochs = [row["epoch"] for row in metrics]
    for name, color in (
        ("loss", _LOSS),
        ("invariance", _INVARIANCE),
        ("redundancy", _REDUNDANCY),
    ):
        values = [row[name] for row in metrics]
        axes.plot(epochs, values, color=color, marker="." if len(epochs) < 2 else None)
        axes.annotate(
            name,
            (epochs[-1], values[-1]),
            textcoords="offset points",
            xytext=(6, 0),
            va="center",
            color=color,
            annotation_clip=False,
        )
    for level, text in (
        (levels.start, f"start: unrelated embeddings, {levels.start:.3g}"),
        (levels.floor, f"floor: sampling noise, {levels.floor:.3g}"),
    ):
        axes.axhline(level, color="#888888", linestyle="--", linewidth=1)
        axes.annotate(
            text,
            (0.5, level),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            xytext=(0, 3),
            ha="center",
            color="#555555",
            fontsize="small",
        )
    axes.set(title="Loss and its two terms", xlabel="epoch", yscale="log")
    axes.margins(x=0, y=0.12)
