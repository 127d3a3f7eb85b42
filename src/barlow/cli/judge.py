"""Commands that judge an encoder: evaluate."""

import pathlib
from typing import TYPE_CHECKING, Annotated

import typer

from barlow.cli import options, show
from barlow.paths import free_path

if TYPE_CHECKING:
    from barlow.cli.candidates import Candidates
    from barlow.evaluation import Evaluation


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    options.command(app, "evaluate")(evaluate)


def evaluate(
    paths: Annotated[
        list[pathlib.Path],
        typer.Argument(
            metavar="RUN... DATA",
            help="Runs, .keras files or files of vectors to compare; then labelled images: class "
            "folders; a list with labels (.txt, .csv, .tsv, .parquet); .tar archives; a folder "
            "that datasets saved; .npz or IDX file. Of vectors with labels no images are needed.",
        ),
    ],
    seed: options.Seed = 0,
    max_pixels: options.MaxPixels = None,
    background: options.Background = None,
    pages: options.Pages = "first",
    split: options.Split = None,
    group_duplicates: Annotated[
        bool, typer.Option("--group-duplicates", help="Keep copies on one side of the split.")
    ] = False,
) -> None:
    """Test encoders on labelled images: three quarters to learn from, one held out."""
    from barlow.cli.candidates import apart, read_candidates  # noqa: PLC0415

    encoders, sources = apart(paths)
    how = {"max_pixels": max_pixels, "background": background, "pages": pages, "split": split}
    judge(read_candidates(encoders, sources, seed, group_duplicates, **how), seed)


def judge(candidates: "Candidates", seed: int) -> None:
    """Evaluate encoders, show the tables and keep the results in each run or beside its file."""
    import keras  # noqa: PLC0415

    from barlow import evaluation, runs  # noqa: PLC0415
    from barlow.cli.scores import show_scores  # noqa: PLC0415

    for run in candidates:
        _check_writable(run)
    keras.utils.set_random_seed(seed)  # of the random encoders
    named = {str(run): candidate for run, candidate in candidates.items()}
    compared = evaluation.compare(named, seed=seed, track=show.track)
    show_scores(compared)
    failed = None
    for run in candidates:
        path = _place(run)
        try:
            runs.write_json(path, compared.as_json(str(run)))
        except OSError as error:  # the results of the others are written
            failed = failed or error
            continue
        show.say(f"Written to {path}")
        _draw(compared.evaluations[str(run)], path)
    if failed:
        raise failed


def _place(run: pathlib.Path) -> pathlib.Path:
    """A free place for the results of a run."""
    from barlow import runs  # noqa: PLC0415

    return free_path((run if run.is_dir() else run.parent) / runs.EVALUATION)


def _check_writable(run: pathlib.Path) -> None:
    """Say before the work begins if nothing can be written."""
    from barlow import runs  # noqa: PLC0415

    path = _place(run)
    try:
        runs.write_json(path, {})
        path.unlink()
    except OSError as error:
        show.say(f"{path} cannot be written: {error.strerror}. The tables will be shown only.")


def _draw(found: "Evaluation", results: pathlib.Path) -> None:
    """Draw the confusions beside the results, of the same number."""
    from barlow import errors, report, runs  # noqa: PLC0415

    if found.confusion is None:
        return
    stem, suffix = runs.CONFUSION.split(".")
    number = results.stem.removeprefix(pathlib.Path(runs.EVALUATION).stem)
    path = results.with_name(f"{stem}{number}.{suffix}")
    with errors.as_warning("There is no picture of the confusions"):
        report.draw_confusion(found.confusion, path)
        show.say(f"Which classes are taken for which: {path}")
