"""Commands on a file of vectors: search, duplicates, outliers."""

import pathlib
from typing import TYPE_CHECKING, Annotated

import typer

from barlow.cli import options, show
from barlow.errors import InvalidInput

if TYPE_CHECKING:
    from barlow.neighbours import Duplicates

_SHOWN = 20  # rows of a table

Vectors = Annotated[pathlib.Path, typer.Argument(help="File that `barlow embed` wrote, *.parquet.")]
Run = Annotated[
    pathlib.Path | None,
    typer.Option(help="The encoder that made the vectors.", show_default="where it was"),
]
Images = Annotated[
    pathlib.Path | None, typer.Option(help="The images.", show_default="where they were")
]
Sheet = Annotated[
    pathlib.Path | None, typer.Option(help="Contact sheet to write, *.html or *.png.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    options.command(app, "search")(search)
    options.command(app, "duplicates")(duplicates)
    options.command(app, "outliers")(outliers)


def search(
    vectors: Vectors,
    queries: Annotated[
        list[str],
        typer.Argument(metavar="QUERY", help="Image files, or images of the collection by name."),
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="Images to find.")] = 12,
    out: Sheet = None,
    run: Run = None,
    images: Images = None,
) -> None:
    """Find the images that are most similar to others."""
    from barlow import neighbours, report  # noqa: PLC0415

    out = report.check_sheet(out) if out else None
    found = neighbours.search(vectors, queries, k, encoder=run, track=show.track)
    _say_recall(found[0].recall)
    for each in found:
        rows = list(zip([f"{one:.4f}" for one in each.similarities], each.names, strict=True))
        show.table(("similarity", "image"), rows, title=f"Most similar to {each.query}")
    if out:
        show.say(f"Written to {report.sheet_of_search(vectors, found, out, images)}")


def duplicates(
    vectors: Annotated[
        list[pathlib.Path] | None,
        typer.Argument(
            metavar="VECTORS [VECTORS2]",
            help="File that `barlow embed` wrote; with a second one: which images of that are in "
            "the first.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[pathlib.Path | None, typer.Option(help="Plan to write, *.csv.")] = None,
    sheet: Sheet = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=-1,
            max=1,
            help="Cosine similarity of copies.",
            show_default="measured on the images",
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Files of the same content alone.")
    ] = False,
    keep_in: Annotated[
        list[str] | None, typer.Option(help="Folder whose images are kept; may be repeated.")
    ] = None,
    apply: Annotated[
        pathlib.Path | None, typer.Option(help="Plan to carry out; needs --move-to.")
    ] = None,
    move_to: Annotated[
        pathlib.Path | None, typer.Option(help="Folder to move copies to. Nothing is deleted.")
    ] = None,
    undo: Annotated[
        pathlib.Path | None, typer.Option(help="Folder whose images are moved back.")
    ] = None,
    run: Run = None,
    images: Images = None,
    seed: options.Seed = 0,
) -> None:
    """Find copies and which to keep; move them away, and back."""
    from barlow import neighbours, report  # noqa: PLC0415

    finding = {"out": out, "sheet": sheet, "threshold": threshold, "exact": exact, "run": run}
    finding["keep_in"] = keep_in
    if undo:
        options.leave_out("--undo", apply=apply, move_to=move_to, images=images, **finding)
        show.say(f"{neighbours.move_back(undo, track=show.track)} images moved back from {undo}")
        return
    if not vectors or len(vectors) > 2:
        raise InvalidInput("Give one file of vectors, or two.")
    if (apply is None) != (move_to is None):
        raise InvalidInput("--apply and --move-to go together: a plan, and where to move copies.")
    if apply and move_to:
        options.leave_out("--apply", **finding)
        moved = neighbours.move_copies(apply, move_to, *vectors, images=images, track=show.track)
        show.say(
            f"{moved} images moved to {move_to}. `barlow duplicates --undo {move_to}` moves them "
            "back."
        )
        return
    if exact:
        options.leave_out("--exact", threshold=threshold, run=run)
    sheet = report.check_sheet(sheet) if sheet else None
    out = neighbours.check_plan(out) if out else None
    found = neighbours.duplicates(
        *vectors,
        threshold=threshold,
        exact=exact,
        keep_in=keep_in or (),
        encoder=run,
        images=images,
        seed=seed,
        track=show.track,
    )
    _show_duplicates(found)
    if out:
        show.say(f"Plan written to {found.write(out)}. Nothing is moved until --apply.")
    if sheet:
        show.say(f"Written to {report.sheet_of_duplicates(vectors, found, sheet, images)}")


def outliers(
    vectors: Vectors,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbour whose distance counts.")] = 10,
    number: Annotated[int, typer.Option(min=0, help="Images to show.")] = _SHOWN,
    out: Sheet = None,
    images: Images = None,
) -> None:
    """Find images far from all others, and blank, dark, bright and tiny ones."""
    from barlow import neighbours, report  # noqa: PLC0415

    out = report.check_sheet(out) if out else None
    found = neighbours.outliers(vectors, k, track=show.track)
    for name, paths in found.plain.items():
        more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
        show.say(f"{len(paths)} {name}: {', '.join(paths[:5])}{more}")
    rows = [(f"{each.score:.2f}", each.path, each.nearest) for each in found.outliers[:number]]
    show.table(("score", "image", "most similar to"), rows, title="Far from all others")
    if out:
        show.say(f"Written to {report.sheet_of_outliers(vectors, found, out, number, images)}")


def _say_recall(recall: float | None) -> None:
    if recall is not None:
        show.say(f"By an index, which finds {recall:.1%} of the nearest neighbours on a sample.")


def _show_duplicates(found: "Duplicates") -> None:
    if found.calibration:
        measured = found.calibration
        by_kind = ", ".join(f"{name} {rate:.0%}" for name, rate in measured.missed_by_kind.items())
        show.say(
            f"Copies are images of a similarity of at least {found.threshold:.4f}, measured on "
            f"{measured.images} of your images."
        )
        show.say(f"Expected: {measured.misses} of copies are missed ({by_kind});")
        show.say(f"{measured.false_alarms} of images without a copy are taken for one.")
    copies = [each for each in found.members if not each.keep]
    exact = sum(each.reason == "exact copy" for each in copies)
    groups = len(found.members) - len(copies)
    _say_recall(found.recall)
    show.say(f"Groups: {groups}. Exact copies: {exact}. Near copies: {len(copies) - exact}.")
    rows = [
        (each.group, "yes" if each.keep else "no", f"{each.similarity:.4f}", each.path, each.reason)
        for each in found.members[:_SHOWN]
    ]
    if rows:
        more = len(found.members) - len(rows)
        caption = f"and {more} more rows: write them with --out plan.csv" if more else ""
        show.table(("group", "keep", "similarity", "image", "reason"), rows, caption)
