"""Commands that judge an encoder: evaluate."""

import pathlib
from typing import TYPE_CHECKING, Annotated

import typer

from barlow.cli import options, show

if TYPE_CHECKING:
    import keras

    from barlow import data


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    options.command(app, "evaluate")(evaluate)


def evaluate(
    run: Annotated[pathlib.Path, typer.Argument(help="Folder of a run.")],
    sources: options.LabelledSources,
    seed: options.Seed = 0,
    max_pixels: options.MaxPixels = None,
    background: options.Background = "white",
) -> None:
    """Test a run's encoder on labelled images: three quarters to learn from, one held out."""
    from barlow import evaluation, runs  # noqa: PLC0415
    from barlow.cli.reading import read  # noqa: PLC0415

    encoder = runs.load_encoder(run)
    height, width, channels = runs.image_shape(run) or encoder.input_shape[1:]
    reading = {"channels": channels, "max_pixels": max_pixels, "background": background}
    images = read(sources, (height, width), **reading)
    train, test = evaluation.split(images, seed=seed)
    judge(run, encoder, train, test, seed)


def judge(
    run: pathlib.Path, encoder: "keras.Model", train: "data.Images", test: "data.Images", seed: int
) -> None:
    """Evaluate the encoder of a run, show the table and keep the rows in the run."""
    import keras  # noqa: PLC0415

    from barlow import evaluation, runs  # noqa: PLC0415

    keras.utils.set_random_seed(seed)  # of the random encoder
    rows = evaluation.evaluate(encoder, train, test, seed, show.track)
    show.evaluation_table(rows, len(test))
    path = runs.free_path(run / runs.EVALUATION)
    runs.write_json(path, evaluation.as_json(rows))
    show.say(f"Written to {path}")
