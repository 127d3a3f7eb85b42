"""Rows of a benchmark as a table of text and as a picture."""

from collections.abc import Sequence
from typing import Any

from _results import RESULTS
from matplotlib.figure import Figure


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as lines of text, a column per key."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [keys] + [[_text(row.get(key, "")) for key in keys] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    return "\n".join([*lines, ""])


def bars(name: str, rows: Sequence[dict[str, Any]], key: str, label: str) -> None:
    """Draw one group of bars per size, one bar per implementation."""
    sizes = list(dict.fromkeys((row["n"], row["d"]) for row in rows))
    implementations = list(dict.fromkeys(row["implementation"] for row in rows))
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(implementations)
    for i, implementation in enumerate(implementations):
        values = {
            sizes.index((row["n"], row["d"])): row[key]
            for row in rows
            if row["implementation"] == implementation and key in row
        }
        own = implementation.startswith("barlow")
        axes.bar(
            [position + (i - len(implementations) / 2 + 0.5) * width for position in values],
            list(values.values()),
            width,
            label=implementation,
            color=_color(own, i),
        )
    axes.set(yscale="log", ylabel=label)
    axes.set_xticks(range(len(sizes)), [f"N={n}\nD={d}" for n, d in sizes])
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", frameon=False, fontsize="small", ncols=5)
    figure.savefig(RESULTS / f"{name}.png", dpi=110)


def _color(own: bool, i: int) -> tuple[float, float, float]:
    """Blues for barlow, oranges for its peers."""
    shade = (i % 5) / 6
    return (0.05, 0.3 + shade * 0.6, 0.6 + shade * 0.4) if own else (0.9, 0.3 + shade * 0.6, 0.1)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
