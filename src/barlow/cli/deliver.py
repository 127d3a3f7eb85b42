"""Commands that take an encoder away: export."""

import pathlib
from typing import Annotated

import typer

from barlow.cli import options, show
from barlow.errors import InvalidInput


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    options.command(app, "export")(export)


def export(
    run: Annotated[
        pathlib.Path | None, typer.Argument(help="Folder of a run, or a .keras file.")
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the option
        str, typer.Option(metavar="keras|saved_model|onnx|litert|torch|openvino")
    ] = "onnx",
    out: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder to write.", show_default="beside RUN, such as RUN-onnx"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an export that is there.")
    ] = False,
    check: Annotated[
        pathlib.Path | None, typer.Option(help="Only compare this export with its original again.")
    ] = None,
) -> None:
    """Write an encoder for other programs, with a model card; its vectors are compared."""
    from barlow import export as exporting  # noqa: PLC0415

    if (run is None) == (check is None):
        raise InvalidInput("Give the run to export, or an export to --check; one of them.")
    if check is not None:
        differences = exporting.check(check)
    else:
        show.say("Converting, and comparing the vectors. This takes up to a minute.")
        written = exporting.write(run, out, format, overwrite=overwrite)
        differences = written.differences
        show.say(f"Written to {written.file}; how to load it is in {exporting.CARD} beside it.")
    named = ", ".join(f"{value:.1e} with {count}" for count, value in differences.items())
    show.say(f"Largest difference from the encoder's vectors, by images at a time: {named}.")
