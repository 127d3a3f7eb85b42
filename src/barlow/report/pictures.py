"""Pictures of a run, and of the views that a network trains on."""

import pathlib
from typing import Any

import numpy as np
from keras import ops

from barlow import errors, losses, own, runs
from barlow.paths import as_path, replacing
from barlow.views import ImageViews

with errors.extra("cli", "Drawing"):
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLE: Any = {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": False}
_INVARIANCE, _REDUNDANCY, _LOSS = "#0072b2", "#d55e00", "#222222"  # safe for colour-blind readers
_LINES = (".eps", ".pdf", ".ps", ".svg")  # formats of lines, which say who created them
_NOTHING = 1e-6  # of the largest loss: float32 rounds it so


def draw_training(run: str | pathlib.Path) -> pathlib.Path:
    """Draw the loss terms of a run, and the cross-correlation before and after training.

    Args:
        run: Folder of the run.

    Returns:
        Path of the picture, ``training.png`` in the run.

    Raises:
        FileNotFoundError: If the run has no metrics or no cross-correlation.
    """
    run = as_path(run)
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
        save(figure, run / runs.PICTURE)
    return run / runs.PICTURE


def draw_views(
    images: Any, views: ImageViews, path: str | pathlib.Path, pairs: int = 3
) -> pathlib.Path:
    """Draw images and random views of each: what a network trains on.

    Args:
        images: Shape ``[images, height, width, channels]``, values 0 .. 255.
        views: Layer that makes the views.
        path: Picture to write, in any format that Matplotlib knows.
        pairs: Pairs of views of each image, >= 1. Defaults to 3.

    Returns:
        The path.

    Example:
        >>> images = barlow.data.digits().pixels[:8]
        >>> sheet = pathlib.Path(tempfile.mkdtemp()) / "views.png"
        >>> report.draw_views(images, barlow.views.ImageViews("glyphs"), sheet).name
        'views.png'
    """
    path = as_path(path)
    columns = [("image", images)]
    for _ in range(pairs):
        first, second = (ops.convert_to_numpy(view) for view in views(images))
        columns += [("first view", first), ("second view", second)]
    size = (1.3 * len(columns), 1.3 * len(images) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(images), len(columns), squeeze=False)
    for (title, pictures), axes in zip(columns, grid.T, strict=True):
        axes[0].set_title(title, fontsize="small")
        for picture, place in zip(pictures, axes, strict=True):
            pixels = np.rint(picture).astype("uint8")
            place.imshow(pixels, cmap="grey", vmin=0, vmax=255, interpolation="nearest")
            place.set_axis_off()
    save(figure, path)
    return path


def save(figure: Figure, path: pathlib.Path) -> None:
    """Write a picture, marked as barlow's: it is no image of a set."""
    marks = own.options(path)
    options: dict[str, Any] = {"pil_kwargs": marks} if marks else {}
    if path.suffix.lower() in _LINES:
        options["metadata"] = {"Creator": own.MARK}
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, **options)


def _draw_terms(axes: Axes, metrics: list[dict[str, float]], levels: losses.Levels) -> None:
    epochs = [row["epoch"] for row in metrics]
    # A logarithmic axis has no room for 0, nor for its rounding: redundancy, where lambda is 0.
    smallest = _NOTHING * max(levels.start, *(row["loss"] for row in metrics))
    for name, color in (
        ("loss", _LOSS),
        ("invariance", _INVARIANCE),
        ("redundancy", _REDUNDANCY),
    ):
        points = [
            (epoch, row[name])
            for epoch, row in zip(epochs, metrics, strict=True)
            if row[name] > smallest
        ]
        if not points:
            continue
        axes.plot(*zip(*points, strict=True), color=color, marker="." if len(points) < 2 else None)
        axes.annotate(
            name,
            points[-1],
            textcoords="offset points",
            xytext=(6, 0),
            va="bottom" if name == "loss" else "top",  # the terms are below it, or at it
            color=color,
            annotation_clip=False,
        )
    for level, text in (
        (levels.start, f"start: unrelated embeddings, {levels.start:.3g}"),
        (levels.floor, f"floor: sampling noise, {levels.floor:.3g}"),
    ):
        if level > smallest:
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
