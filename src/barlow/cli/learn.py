"""Commands that learn: demo, pretrain."""

import dataclasses
import pathlib
import sys
import time
from typing import Annotated, Any

import typer

from barlow.cli import options, show
from barlow.paths import as_path, free_path
from barlow.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    options.command(app, "demo")(demo)
    options.command(app, "pretrain")(pretrain)


@options.takes_settings("epochs", "seed")
def demo(
    settings: Settings,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Folder of the run. [default: runs/demo]")
    ] = None,
) -> None:
    """Learn from scikit-learn's 1,797 digits without their labels, and see what it is worth."""
    from barlow import data, evaluation, runs  # noqa: PLC0415
    from barlow.cli.judge import judge  # noqa: PLC0415

    out = as_path(out) if out else free_path(pathlib.Path("runs/demo"))
    runs.check_place(out)
    train, test = evaluation.split(data.digits(), seed=settings.seed)
    show.say(f"{len(train)} digits to learn from, their labels hidden; {len(test)} held out.")
    _pretrain(train, out, dataclasses.replace(settings, batch_size=128))
    encoder, layer = runs.load_encoder(out), runs.load_views(out)
    judge({out: evaluation.Candidate(train, test, encoder, layer)}, settings.seed)


@options.takes_settings()
def pretrain(
    sources: options.Sources,
    settings: Settings,
    out: Annotated[pathlib.Path, typer.Option(help="Folder of the run; new or empty.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in the folder, with its settings.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in the folder.")
    ] = False,
    from_run: Annotated[
        pathlib.Path | None,
        typer.Option("--from", metavar="RUN", help="Start from the weights of another run."),
    ] = None,
    probe: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="DATA",
            help="Labelled images, none of them training images: how good is the encoder while "
            "it trains?",
        ),
    ] = None,
    max_pixels: options.MaxPixels = None,
    background: options.Background = None,
    pages: options.Pages = "first",
    split: options.Split = None,
    devices: options.Devices = None,
) -> None:
    """Learn an encoder from images; no labels needed."""
    from barlow import backend, runs  # noqa: PLC0415

    begun = time.perf_counter()
    if backend.launched_index() == 0:
        out = runs.check_place(out, resume=resume, overwrite=overwrite)  # before reading
    from barlow.cli.reading import read  # noqa: PLC0415
    from barlow.training import inputs  # noqa: PLC0415

    inputs.check_settings(settings, from_run, out if overwrite else None)
    devices = _processes(devices)
    before = out if resume and runs.is_run(out) else None
    reading = inputs.reading(settings, before, from_run)
    reading |= {"max_pixels": max_pixels, "pages": pages}
    reading["background"] = background or reading["background"]
    images = read(sources, **reading, split=split)
    if images.labels is not None:
        show.say("Their labels play no part in training.")
    images = inputs.training_images(images, settings, before, from_run)  # of the weights' size
    labelled = None
    if probe is not None:
        height, width, reading["channels"] = images.pixels.shape[1:]
        labelled = read([probe], **{**reading, "image_size": (height, width)})
    ways: dict[str, Any] = {"resume": resume, "overwrite": overwrite, "from_run": from_run}
    ways |= {"devices": devices, "begun": begun}
    _pretrain(images, out, settings, probe=labelled, **ways)


def _pretrain(images: Any, out: pathlib.Path, settings: Settings, **ways: Any) -> None:
    """Train with a bar on the terminal, and say how it ended."""
    import barlow  # noqa: PLC0415
    from barlow import runs  # noqa: PLC0415
    from barlow.cli.progress import TrainingProgress  # noqa: PLC0415

    if settings.minutes is not None and not (ways.get("resume") and runs.is_run(out)):
        show.say(f"Planning how many epochs fit into {settings.minutes:g} minutes.")
    with TrainingProgress(out) as progress:
        run = barlow.pretrain(images, out, settings, callbacks=[progress], **ways)
    if show.console.quiet:
        return  # the first process writes the run
    show.training(runs.summary(run))
    show.say(f"Run: {run} (encoder {runs.ENCODER}, picture {runs.PICTURE})")
    show.say(f"More to see: tensorboard --logdir {run / runs.TENSORBOARD}")
    if (run / runs.SKIPPED).exists():
        show.say(f"Images that could not be read: {run / runs.SKIPPED}")


def _processes(devices: str | None) -> str | None:
    """Start the processes of this training, or join them; the first one alone prints.

    Args:
        devices: As given.

    Returns:
        The devices that each process is to train on.
    """
    from barlow import backend  # noqa: PLC0415

    backend.join_processes()
    show.console.quiet = backend.process_index() > 0
    alone = backend.replicas_are_processes() and backend.process_count() == 1
    count = backend.check_devices(devices) if alone and devices else 1
    if count > 1:
        raise typer.Exit(backend.launch(count, sys.argv[1:]))
    return devices
