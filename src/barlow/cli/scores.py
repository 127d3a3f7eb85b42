"""What `barlow evaluate` prints: accuracies, retrieval, ranks, and which encoder to take."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from barlow.cli import show
from barlow.text import printable

if TYPE_CHECKING:
    from barlow.evaluation import Comparison, Evaluation, Row

_WIDTH = 6  # of ±0.000
_UNEQUAL = 1.5  # times as many images in the largest class as in the smallest


def show_scores(compared: "Comparison") -> None:
    """All that is known of the encoders, and the verdict."""
    evaluations = compared.evaluations
    first = next(iter(evaluations.values()))
    unequal = first.class_sizes.max() > _UNEQUAL * first.class_sizes.min()
    lines = list(_lines(evaluations))
    accuracy_table(
        [(label, rows) for label, rows, _ in lines], int(first.class_sizes.sum()), unequal
    )
    _retrieval_table(evaluations, [(label, own) for label, _, own in lines])
    for name, each in evaluations.items():
        lidar = f", LiDAR {each.lidar:.1f}" if each.lidar is not None else ""
        show.say(
            f"{f'{name}: f' if len(evaluations) > 1 else 'F'}eatures without labels: RankMe "
            f"{each.rank_me:.1f} of {each.features}, alpha-ReQ {each.alpha_req:.2f}{lidar}."
        )
    _difference_table(compared)
    if compared.verdict:
        show.say(compared.verdict)


def accuracy_table(
    lines: "Sequence[tuple[str, Sequence[Row]]]", test_images: int, balanced: bool = False
) -> None:
    """Features as rows, probes as columns; ``-`` where a probe is left out.

    Args:
        lines: What to call some features, and their rows.
        test_images: Number of test images.
        balanced: Whether to show the balanced accuracy below each. Defaults to False.
    """
    caption = "linear: logistic regression; NN: nearest neighbours; by labels per class"
    if balanced:
        caption += "\nbalanced: the mean of the accuracies of the classes, which are unequal"
    table = Table(title=f"Accuracy on {test_images} held-out images", caption=caption)
    table.add_column("features", overflow="fold")
    every = [row for _, rows in lines for row in rows]
    probes = list(dict.fromkeys(map(_probe, every)))
    for probe, count, neighbours in probes:
        name = "linear" if probe == "linear" else f"{neighbours}-NN"
        labels = "all" if count is None else f"{count} / class"
        # A narrow terminal has the deviations in a second line: no digit is cut off.
        table.add_column(f"{name}\n{labels}", justify="right", min_width=_WIDTH)
    for label, rows in lines:
        cells = {_probe(row): f"{row.accuracy:.3f}{_deviation(row)}" for row in rows}
        style = "bold" if any(row.features == "learned" for row in rows) else None
        table.add_row(printable(label), *[cells.get(probe, "-") for probe in probes], style=style)
        if balanced:
            cells = {_probe(row): f"{row.balanced_accuracy:.3f}" for row in rows}
            table.add_row("  balanced", *[cells.get(probe, "-") for probe in probes], style="dim")
    show.console.print(table)


def _probe(row: "Row") -> tuple[str, int | None, int | None]:
    return row.probe, row.labels_per_class, row.neighbours


def _deviation(row: "Row") -> str:
    return f" ±{row.std:.3f}" if row.labels_per_class is not None else ""


def _lines(
    evaluations: "Mapping[str, Evaluation]",
) -> "Iterator[tuple[str, list[Row], tuple[str, str]]]":
    """What to call each kind of features, its rows, and the run and the kind; pixels once."""
    seen: list[list[Row]] = []
    for name, each in evaluations.items():
        for features in dict.fromkeys([row.features for row in each.rows] + [*each.retrieval]):
            rows = [row for row in each.rows if row.features == features]
            is_pixels = features.startswith("pixels")
            if is_pixels and rows in seen:
                continue
            alone = len(evaluations) == 1 or (is_pixels and not seen)
            label = features if alone else name if features == "learned" else f"{features}, {name}"
            seen.append(rows)
            yield label, rows, (name, features)


def _retrieval_table(
    evaluations: "Mapping[str, Evaluation]", lines: Sequence[tuple[str, tuple[str, str]]]
) -> None:
    rows, left_out, ranks = [], 0, ()
    for label, (name, features) in lines:
        found = evaluations[name].retrieval.get(features)
        if found and found.queries:
            ranks, left_out = tuple(found.recall), found.left_out
            recalls = [f"{recall:.3f}" for recall in found.recall.values()]
            rows.append((label, *recalls, f"{found.mean_average_precision:.3f}"))
    if rows:
        headings = ("features", *(f"recall@{k}" for k in ranks), "mAP")
        caption = "most similar training images by cosine; recall@k: one of k is of the class"
        show.table(headings, rows, caption, "What a search finds")
    if left_out:
        show.say(f"{left_out} test images are no queries: no training image is of their class.")


def _difference_table(compared: "Comparison") -> None:
    rows = [
        (
            each.second,
            f"{100 * each.accuracy:+.1f}",
            f"{100 * each.low:+.1f} to {100 * each.high:+.1f}",
            "chance" if each.is_chance else "more than chance",
        )
        for each in compared.differences
    ]
    if rows:
        best = compared.differences[0].first
        show.table(
            ("other", "points", "95 % interval", ""),
            rows,
            "on the same test images, all labels; of more than two, all intervals together",
            f"How much more accurate the linear probe of {printable(best)} is",
        )
