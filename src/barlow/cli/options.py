"""Options that commands share, and options made from the declaration of `Settings`."""

import dataclasses
import functools
import inspect
import pathlib
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from barlow import backend, resizing
from barlow.cli import show
from barlow.errors import InvalidInput, check_seed
from barlow.settings import Declaration, Settings

Sources = Annotated[
    list[pathlib.Path],
    typer.Argument(
        metavar="DATA",
        help="Folder of images; image files, or a pattern in quotes; a list of them (.txt, .csv, "
        ".tsv, .parquet); .tar archives; a folder that datasets saved; .npy, .npz or IDX file.",
    ),
]
LabelledSources = Annotated[
    list[pathlib.Path],
    typer.Argument(
        metavar="DATA",
        help="Labelled images: class folders; a list with labels (.txt, .csv, .tsv, .parquet); "
        ".tar archives; a folder that datasets saved; .npz or IDX file.",
    ),
]


def _seed(value: int) -> int:
    """The seed; Typer's own bounds would name only the one that is exceeded."""
    try:
        check_seed(value)
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from error
    return value


Seed = Annotated[int, typer.Option(callback=_seed, help="Seed of every random choice.")]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Pixels of the largest image file to read; larger ones are skipped.",
        show_default="about 89 million",
    ),
]
Background = Annotated[
    str | None,
    typer.Option(
        help="Colour behind transparent images and beside padded ones, a name or #rrggbb.",
        show_default=f"{resizing.BACKGROUND}, or that of the run",
    ),
]
Pages = Annotated[
    str, typer.Option(metavar="first|all", help="Pages of a TIFF, frames of an animation to take.")
]
Split = Annotated[
    str | None, typer.Option(help="Of a folder, the only subfolder to take, such as train.")
]
Devices = Annotated[
    str | None,
    typer.Option(
        metavar="N|all",
        help="Devices of this machine to train on; the result is that of one.",
        show_default="one, or those of the launcher",
    ),
]
_VERBOSE = Annotated[
    bool, typer.Option("--verbose", help="Show what the backend logs.", show_default=False)
]
_TRACEBACK = Annotated[
    bool, typer.Option("--traceback", help="Show where an error arose.", show_default=False)
]


def command(app: typer.Typer, name: str, **options: Any) -> Callable[[Callable[..., None]], Any]:
    """Add a function to the app as a command: quiet, with clear errors."""

    def decorate(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def run(*arguments: Any, verbose: bool, traceback: bool, **values: Any) -> None:
            with show.errors(traceback):
                if not verbose:
                    backend.quiet()
                function(*arguments, **values)

        _declare(run, "verbose", _VERBOSE, False)
        _declare(run, "traceback", _TRACEBACK, False)
        return app.command(name, **options)(run)

    return decorate


def leave_out(beside: str, **given: Any) -> None:
    """Refuse options that have no part in what others ask for.

    Raises:
        InvalidInput: If one of them was given.
    """
    names = [
        "--" + name.replace("_", "-")
        for name, value in given.items()
        if value is not None and value is not False and value != []
    ]
    if names:
        raise InvalidInput(f"{', '.join(names)} has no part in {beside}: leave it out.")


def takes_settings(*names: str) -> Callable[[Callable[..., None]], Any]:
    """Give a command an option for each of these settings, or all; it gets ``settings``."""
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    types = typing.get_type_hints(Settings)

    def decorate(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def run(*arguments: Any, **values: Any) -> None:
            own = {name: values.pop(name) for name in names or fields}
            if own.get("projector"):
                own["projector"] = _widths(own["projector"])
            function(*arguments, settings=Settings(**own), **values)

        kept = inspect.signature(function).parameters.values()
        run.__signature__ = inspect.Signature([each for each in kept if each.name != "settings"])  # type: ignore[attr-defined]
        for name in names or fields:
            option = _option(name, types[name], fields[name].metadata["declaration"])
            _declare(run, name, option, fields[name].default)
        return run

    return decorate


def _option(name: str, type_: Any, declaration: Declaration) -> Any:
    """The annotation from which Typer makes the option of a setting."""
    flag = name.rstrip("_").replace("_", "-")
    kinds = typing.get_args(type_) or (type_,)
    is_open = type(None) in kinds or "auto" in declaration.choices or name == "encoder"
    rest: dict[str, Any] = {
        "help": f"{declaration.help} {declaration.allowed_sentence}".strip(),
        "show_default": declaration.unset if is_open else True,
    }
    if declaration.choices:
        rest["autocompletion"] = lambda: list(declaration.choices)
    if any(typing.get_origin(kind) is tuple for kind in kinds):
        return Annotated[str | None, typer.Option(f"--{flag}", metavar="WIDTHS", **rest)]
    flags = f"--{flag}/--no-{flag}" if bool in kinds else f"--{flag}"
    return Annotated[type_, typer.Option(flags, **rest)]


def _widths(text: str) -> tuple[int, ...]:
    """The widths of a projector."""
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError as error:
        raise InvalidInput(
            f"The widths of a projector are numbers with commas between them. Received: {text!r}."
        ) from error


def _declare(function: Any, name: str, annotation: Any, default: Any) -> None:
    """Add a parameter to the signature that Typer reads."""
    kind = inspect.Parameter.KEYWORD_ONLY
    parameter = inspect.Parameter(name, kind, default=default, annotation=annotation)
    before = inspect.signature(function).parameters.values()
    function.__signature__ = inspect.Signature([*before, parameter])
    function.__annotations__ = {each.name: each.annotation for each in (*before, parameter)}
