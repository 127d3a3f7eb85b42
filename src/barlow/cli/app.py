"""The command and its groups of subcommands."""

import importlib.metadata
import io
import sys
import warnings
from typing import Annotated

import typer

from barlow.cli import deliver, doctor, explore, find, foresee, judge, label, learn, show

app = typer.Typer(
    help="Learn an image encoder from unlabelled data (Barlow Twins).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for group in (learn, foresee, judge, explore, find, label, deliver, doctor):
    group.add_to(app)


def main() -> None:
    """Entry point of the `barlow` command."""
    for stream in (sys.stdout, sys.stderr):  # what a terminal cannot show never ends a command
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = show.warning
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"barlow {importlib.metadata.version('barlow')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
