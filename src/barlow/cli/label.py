"""Commands from few labels to a classifier: suggest, label."""

import contextlib
import pathlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from barlow.cli import options, show
from barlow.cli.find import Images, Run, Sheet, Vectors
from barlow.errors import InvalidInput
from barlow.paths import free_path

if TYPE_CHECKING:
    from barlow.labelling import Doubt, Fitted

_SHOWN = 20  # rows of a table
_LIST = "labels.csv"

Labels = Annotated[
    list[pathlib.Path] | None,
    typer.Option(
        help="CSV with the columns path and label, or a folder with one subfolder per class; may "
        "be repeated."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    options.command(app, "suggest")(suggest)
    options.command(app, "label")(label)


def suggest(
    vectors: Vectors,
    n: Annotated[int, typer.Option("-n", min=1, help="Images to suggest.")] = 20,
    labels: Labels = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="List to write, *.csv, with the labels that are there.",
            show_default=f"the list of --labels, else {_LIST}",
        ),
    ] = None,
    sheet: Sheet = None,
    images: Images = None,
    seed: options.Seed = 0,
) -> None:
    """Say which images to label next, in a list to fill in."""
    from barlow import errors, labelling, report  # noqa: PLC0415

    out = labelling.check_list(out or _own_list(labels))
    # Where images are gone the list is there still; only a sheet that was asked for is an error.
    no_sheet = contextlib.nullcontext() if sheet else errors.as_warning("There is no contact sheet")
    page = free_path(out.with_suffix(".html"), report.is_sheet)  # another one is the user's
    sheet = report.check_sheet(sheet or page)
    found = labelling.suggest(vectors, n, labels, seed=seed, track=show.track)
    found.write(out)
    counts = {
        reason: sum(each.reason == reason for each in found.images)
        for reason in dict.fromkeys(each.reason for each in found.images)
    }
    kinds = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    show.say(f"{len(found.images)} images to label ({kinds}): fill in the column label of {out}.")
    with no_sheet:
        if (drawn := report.sheet_of_suggestions(vectors, found, sheet, images)) is not None:
            show.say(f"What they look like, in the same order: {drawn}")
    show.say(f"Then: barlow label {vectors} --labels {out} --out classifier")


def label(
    vectors: Vectors,
    labels: Labels = None,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Folder of the classifier to write.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(metavar="auto|graph|linear|both", help="auto: chosen by cross-validation."),
    ] = "auto",
    check: Annotated[
        bool, typer.Option("--check", help="Only list labels that may be wrong.")
    ] = False,
    fine_tune: Annotated[
        bool,
        typer.Option("--fine-tune", help="Train the encoder on, too; kept if plainly better."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a classifier that is there.")
    ] = False,
    run: Run = None,
    images: Images = None,
    seed: options.Seed = 0,
) -> None:
    """Make a classifier from the labels of some images, and say how sure it is."""
    from barlow import labelling  # noqa: PLC0415

    if (out is None) != check:
        raise InvalidInput("Give --out, the folder of the classifier; or --check alone.")
    if check and (fine_tune or overwrite):
        raise InvalidInput("--check only lists labels: leave --fine-tune and --overwrite out.")
    if out is not None:
        out = labelling.check_place(out, overwrite=overwrite)
    fitted = labelling.fit(vectors, labels, method=method, seed=seed, track=show.track)
    if out is None:
        _show_doubts(fitted.doubts(), len(fitted.given.rows))
        return
    _show(fitted)
    encoder = run
    if fine_tune:
        tuned = labelling.fine_tune(fitted, run, images, seed=seed, track=show.track)
        show.say(tuned.verdict)
        fitted, encoder = tuned.fitted, tuned.encoder or run
        if tuned.encoder is not None:
            _show(fitted)
    _write(fitted, out, encoder, overwrite)


def _own_list(labels: list[pathlib.Path] | None) -> pathlib.Path:
    """The list that was given, to which images are added."""
    if labels and len(labels) == 1 and labels[0].suffix.lower() == ".csv":
        return labels[0]
    return pathlib.Path(_LIST)


def _show(fitted: "Fitted") -> None:
    choice, scores = fitted.choice, fitted.scores
    show.say(
        f"{len(fitted.given.rows)} labels of {len(fitted.classes)} classes for "
        f"{len(fitted.embeddings)} images."
    )
    show.say(f"Method: {choice.method} ({choice.why}). Temperature {choice.temperature:.2f}.")
    rows = []
    for each in fitted.by_class():
        right = f"{each.right / each.held_out:.2f}" if each.held_out else "-"
        rows.append((each.name, each.labels, right, each.predicted))
    show.table(
        ("class", "labels", "right", "predicted"),
        rows,
        "right: fraction of its labels that the other labels get right",
    )
    if scores is None:
        show.say(
            "How accurate it is cannot be said yet. With about five labels per class it can: "
            "`barlow suggest` says which."
        )
        return
    show.say(
        f"Accuracy on {scores.labels} labels held out: {scores.accuracy:.3f}; on images without "
        f"labels {scores.low:.2f} to {scores.high:.2f} (95 % interval)."
    )
    show.say(
        f"Balanced accuracy {scores.balanced_accuracy:.3f}, calibration error "
        f"{scores.calibration_error:.3f}, of the same labels."
    )


def _show_doubts(doubts: "list[Doubt]", labels: int) -> None:
    if not doubts:
        show.say(f"None of the {labels} labels is contradicted by the others.")
        return
    rows = [
        (each.path, each.label, each.other, f"{each.probability:.2f}") for each in doubts[:_SHOWN]
    ]
    more = f"and {len(doubts) - _SHOWN} more" if len(doubts) > _SHOWN else ""
    show.table(("image", "label", "or is it", "probability"), rows, more, "Look again at these")


def _write(fitted: "Fitted", out: pathlib.Path, encoder: Any, overwrite: bool) -> None:
    """Write the classifier, and the picture of its confusions."""
    from barlow import errors, labelling, report, runs  # noqa: PLC0415

    written = labelling.write(fitted, out, encoder, overwrite=overwrite)
    if not written.takes_images:
        show.say("It is not known which encoder made the vectors: the classifier takes vectors.")
    (out / runs.CONFUSION).unlink(missing_ok=True)  # of the classifier before
    if fitted.scores is not None:
        confusion = _confusion(fitted)
        with errors.as_warning("There is no picture of the confusions"):
            report.draw_confusion(confusion, out / runs.CONFUSION, "Labels held out")
    doubts = fitted.doubts()
    if doubts:
        show.say(
            f"{len(doubts)} labels are contradicted by the others: `barlow label --check` shows "
            "which."
        )
    show.say(
        f"Written to {written.file}; what it says of all other images, the most doubtful first, is "
        f"in {labelling.PREDICTIONS} beside it. `barlow export {out}` takes it away."
    )


def _confusion(fitted: "Fitted") -> Any:
    """The confusions as the report draws them."""
    from barlow import evaluation  # noqa: PLC0415

    assert fitted.scores is not None  # noqa: S101 - for the type checker
    return evaluation.Confusion(fitted.classes, fitted.scores.confusion)
