"""Picture of confusions: which classes a probe takes for which."""

import pathlib
import warnings

import numpy as np
from numpy.typing import NDArray

from barlow import errors
from barlow.evaluation import Confusion
from barlow.paths import as_path
from barlow.report.pictures import save
from barlow.text import printable

with errors.extra("cli", "Drawing"):
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

_CLASSES = 40  # that are shown
_NUMBERS = 20  # classes, at most, for counts in the cells
_LETTERS = 24  # of a name


def draw_confusion(
    confusion: Confusion, path: str | pathlib.Path, title: str = "Confusions"
) -> pathlib.Path:
    """Draw what fraction of the test images of each class is taken for each class.

    Cells have the number of images where there are at most 20 classes. Of more than 40 classes,
    those 40 that are most often mistaken are shown, and the title says so.

    Args:
        confusion: Of an evaluation.
        path: Picture to write, in any format that Matplotlib knows.
        title: What it shows. Defaults to ``"Confusions"``.

    Returns:
        The path.

    Example:
        >>> from barlow import evaluation
        >>> confusion = evaluation.Confusion(("cat", "dog"), np.array([[9, 1], [3, 7]]))
        >>> picture = pathlib.Path(tempfile.mkdtemp()) / "confusion.png"
        >>> report.draw_confusion(confusion, picture).name
        'confusion.png'
    """
    path = as_path(path)
    shown = most_confused(confusion, _CLASSES)
    counts = confusion.counts[np.ix_(shown, shown)]
    totals = confusion.counts.sum(axis=1)[shown]
    fractions = counts / np.maximum(totals, 1)[:, None]
    side = 2.5 + 0.32 * len(shown)
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.subplots()
    rare = PowerNorm(0.5, 0, 1)  # else a few images in a hundred are not seen
    picture = axes.imshow(fractions, cmap="Blues", norm=rare, interpolation="nearest")
    names = [_short(confusion.classes[number]) for number in shown]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize="small")
    axes.set_yticks(range(len(names)), names, fontsize="small")
    if len(shown) < len(confusion.classes):
        title += f"\n{len(shown)} of {len(confusion.classes)} classes, the most mistaken"
    axes.set(xlabel="taken for", ylabel="class", title=title)
    if len(shown) <= _NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "white" if fractions[row, column] > 0.4 else "black"
                axes.text(
                    column, row, str(count), ha="center", va="center", color=color, fontsize=7
                )
    figure.colorbar(picture, ax=axes, shrink=0.8, label="fraction of the class")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a box stands for it
        save(figure, path)
    return path


def most_confused(confusion: Confusion, number: int) -> NDArray[np.intp]:
    """The classes that most test images are mistaken for or mistaken of, in their own order.

    Args:
        confusion: Of an evaluation.
        number: Classes, at most.

    Example:
        >>> from barlow import evaluation
        >>> from barlow.report.confusion import most_confused
        >>> counts = np.array([[9, 0, 0], [0, 5, 5], [0, 1, 9]])
        >>> most_confused(evaluation.Confusion(("a", "b", "c"), counts), 2)
        array([1, 2])
    """
    wrong = confusion.counts - np.diag(np.diag(confusion.counts))
    mistaken = wrong.sum(axis=0) + wrong.sum(axis=1)
    return np.sort(np.argsort(-mistaken, kind="stable")[:number])


def _short(name: str) -> str:
    """A name that fits beside a picture; the end of a long one tells it from others."""
    text = printable(name)
    text = text if len(text) <= _LETTERS else f"...{text[-_LETTERS:]}"
    return text.replace("$", r"\$")  # which begins a formula
