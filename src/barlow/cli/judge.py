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
    run: Annotated[pathlib.Path, typer.Argument(help="Folder of a run, or a .keras file.")],
    sources: options.LabelledSources,
    seed: options.Seed = 0,
    max_pixels: options.MaxPixels = None,
    background: options.Background = "white",
    group_duplicates: Annotated[
        bool, typer.Option("--group-duplicates", help="Keep copies on one side of the split.")
    ] = False,
) -> None:
    """Test an encoder on labelled images: three quarters to learn from, one held out."""
    from barlow import evaluation  # noqa: PLC0415
    from barlow.cli.reading import read_for  # noqa: PLC0415

    encoder, images = read_for(run, sources, max_pixels=max_pixels, background=background)
    groups = None
    if group_duplicates:
        from barlow import neighbours  # noqa: PLC0415

        groups, measured = neighbours.linked(encoder, images, seed=seed, track=show.track)
        count = len(images) - len(set(groups.tolist()))
        show.say(
            f"{count} of {len(images)} images are copies of others (similarity of at least "
            f"{measured.threshold:.4f}) and stay on their side of the split."
        )
    train, test = evaluation.split(images, seed=seed, groups=groups)
    judge(run, encoder, train, test, seed)


def judge(
    run: pathlib.Path, encoder: "keras.Model", train: "data.Images", test: "data.Images", seed: int
) -> None:
    """Evaluate an encoder, show the table and keep the rows in its run or beside its file."""
    import keras  # noqa: PLC0415

    from barlow import evaluation, runs  # noqa: PLC0415

    path = runs.free_path((run if run.is_dir() else run.parent) / runs.EVALUATION)
    try:  # before the work begins
        runs.write_json(path, evaluation.as_json([]))
        path.unlink()
    except OSError as error:
        show.say(f"{path} cannot be written: {error.strerror}. The table will be shown only.")
    keras.utils.set_random_seed(seed)  # of the random encoder
    rows = evaluation.evaluate(encoder, train, test, seed, show.track)
    show.evaluation_table(rows, len(test))
    runs.write_json(path, evaluation.as_json(rows))
    show.say(f"Written to {path}")
