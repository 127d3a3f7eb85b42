"""Progress of a loop, shown by whoever calls it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Track = Callable[[Sequence[Any], str], Iterable[Any]]
"""Takes a sequence and a description of the work, yields the items, as `rich.progress.track`."""


def silent(items: Sequence[Any], description: str) -> Iterable[Any]:
    """Return the items and show nothing."""
    return items
