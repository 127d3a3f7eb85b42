"""What commands print: tables, progress, errors."""

import contextlib
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import track as rich_track
from rich.table import Table
from rich.text import Text

from barlow.errors import InvalidInput, MissingPackage
from barlow.text import printable

if TYPE_CHECKING:
    from barlow import runs

console = Console(markup=False, emoji=False)  # paths and messages may hold [x] and :x:

_SHOWN = 5  # images that could not be read

# What the user can mend. Any other error is a bug of barlow.
_MENDABLE = (InvalidInput, MissingPackage, OSError, FloatingPointError)


def track(items: Sequence[Any], description: str) -> Iterable[Any]:
    """Show the progress of a loop; see :data:`barlow.progress.Track`."""
    return rich_track(items, description, console=console, transient=True)


@contextlib.contextmanager
def errors(with_traceback: bool) -> Iterator[None]:
    """Show an error as one sentence: exit code 2 if the user can mend it, 1 if it is a bug."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if with_traceback:
            traceback.print_exception(error)
        no_backend = isinstance(error, ImportError) and error.name == "keras"
        mendable = isinstance(error, _MENDABLE) or no_backend
        message = str(error) if mendable else _bug(error, with_traceback)
        if _is_out_of_memory(error):
            mendable, message = True, _too_large(error)
        lines = "\n".join(map(printable, message.splitlines()))
        shown = Text.assemble(("Error: ", "red"), lines)
        Console(stderr=True, emoji=False).print(shown, soft_wrap=True)
        raise typer.Exit(2 if mendable else 1) from error


def warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Show a warning without its place in the code; for ``warnings.showwarning``."""
    shown = Text.assemble((f"{category.__name__.removeprefix('User')}: ", "yellow"))
    Console(stderr=True, emoji=False).print(shown.append(printable(message)), soft_wrap=True)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory, of the machine or of its GPU, was not enough."""
    words = ("MemoryError", "out of memory", "allocate memory", "RESOURCE_EXHAUSTED")
    text = f"{type(error).__name__}: {error}".lower()
    return any(each.lower() in text for each in words)


def _too_large(error: Exception) -> str:
    return (
        f"The memory is not enough. {str(error).partition(chr(10))[0]}\n"
        "Smaller images (--image-size), or a few at a time (--batch-size, or --micro-batch-size "
        "for the same loss) need less."
    )


def _bug(error: Exception, with_traceback: bool) -> str:
    report = "the traceback above" if with_traceback else "what it prints with --traceback"
    return (
        f"{type(error).__name__}: {error}\n"
        "This is a bug of barlow or of a library that it uses, not an error of yours. Please "
        f"report it: this command, {report}, and the output of `barlow doctor`."
    )


def say(text: str) -> None:
    """Print a line, which is not wrapped: paths in it can be copied."""
    console.print(printable(text), soft_wrap=True)


def skipped(images: Sequence[tuple[str, str]]) -> None:
    """Name the first images that could not be read.

    Args:
        images: Where each is, and why; may be empty.
    """
    if images:
        say(f"{len(images)} more could not be read and are left out:")
    for where, why in images[:_SHOWN]:
        say(f"  {where}: {why}")
    if len(images) > _SHOWN:
        say(f"  and {len(images) - _SHOWN} more")


def table(
    headings: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "", title: str = ""
) -> None:
    """Print rows under headings; columns of numbers are aligned to the right."""
    shown = Table(title=title or None, caption=caption or None)
    for column, heading in enumerate(headings):
        numbers = all(_is_number(row[column]) for row in rows)
        # Folded and not cut off: a path must be whole.
        shown.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        shown.add_row(*map(printable, row))
    console.print(shown)


def _is_number(cell: Any) -> bool:
    return str(cell).replace(".", "", 1).isdecimal()


def settings(config: dict[str, Any]) -> None:
    """Settings as rows, each with its reason.

    Args:
        config: Values by name, and ``reasons``.
    """
    rows = []
    for name, reason in config["reasons"].items():
        value = config[name]
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
        rows.append((name.rstrip("_"), text, reason))
    table(("setting", "value", "why"), rows, title="How to train")


def training(ended: "runs.Summary") -> None:
    """How a training ended."""
    metrics = ended.metrics
    if not ended.complete:
        console.print(
            f"Interrupted in epoch {ended.epochs} of {ended.planned}. The same command with "
            "--resume continues."
        )
    elif ended.epochs < ended.planned:
        console.print(f"A callback ended training after epoch {ended.epochs} of {ended.planned}.")
    planned = ended.planned_seconds and f", planned for {ended.planned_seconds:.0f} s"
    console.print(
        f"Trained {ended.epochs} epochs in {ended.seconds:.0f} s{planned or ''}. "
        f"Loss {metrics['loss']:.4g} = invariance {metrics['invariance']:.4g} + redundancy "
        f"{metrics['redundancy']:.4g}. Unrelated embeddings would have {ended.start:.4g}, "
        f"perfect ones {ended.floor:.4g} from sampling noise."
    )
    if "probe_knn" in metrics:
        console.print(
            f"Accuracy on held-out labelled images: {metrics['probe_knn']:.3f} by 20 nearest "
            f"neighbours, {metrics['probe_linear']:.3f} by a linear classifier."
        )
    if "rank_me" in metrics:
        console.print(f"Features: worth {metrics['rank_me']:.0f} independent ones (RankMe).")
