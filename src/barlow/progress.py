"""Progress of a loop, shown by whoever wants to show it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Track = Callable[[Sequence[Any], str], Iterable[Any]]
"""Takes a sequence and a description of the work, yields its items; as `rich.progress.track`."""


def silent(items: Sequence[Any], description: str) -> Iterable[Any]:
    """Yield the items and show nothing."""
    return items
