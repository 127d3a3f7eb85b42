"""Commands that use an encoder: embed."""

import pathlib
from typing import Annotated, Any

import typer

from barlow.cli import options, show
from barlow.errors import InvalidInput


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    options.command(app, "embed")(embed)


def embed(
    sources: Annotated[
        list[pathlib.Path],
        typer.Argument(
            metavar="RUN DATA",
            help="Folder of a run, or a .keras file; then the images, as for pretrain. With "
            "--join: the files of all shards.",
        ),
    ],
    out: Annotated[pathlib.Path, typer.Option(help="File of vectors to write, *.parquet.")],
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Embed the K-th of N parts, for many jobs.")
    ] = None,
    join: Annotated[bool, typer.Option("--join", help="Put the files of all shards together.")] = (
        False
    ),
    format: Annotated[  # noqa: A002 - the name of the option
        str, typer.Option(metavar="parquet|npy", help="npy: also as .npy, and names as .json.")
    ] = "parquet",
    engine: Annotated[
        str, typer.Option(metavar="local|ray", help="ray: on all machines of a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster, such as auto.", show_default="this machine alone"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes of Ray.", show_default="one for each GPU or machine"),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images to embed at a time.")] = 256,
    max_pixels: options.MaxPixels = None,
    background: options.Background = None,
    pages: options.Pages = "first",
    split: options.Split = None,
) -> None:
    """Write the vectors of images; once more: only of those that are new or changed."""
    from barlow import vectors  # noqa: PLC0415
    from barlow.cli.reading import read_for  # noqa: PLC0415

    if join and (shard or format != "parquet" or engine != "local"):
        raise InvalidInput("--join puts files together: leave --shard, --format, --engine out.")
    if engine == "local" and (address or workers):
        raise InvalidInput("--address and --workers are for --engine ray.")
    if join:
        show.say(f"{vectors.join(sources, out)} rows written to {out}")
        return
    part = _shard(shard)
    for name, given, allowed in (
        ("--format", format, ("parquet", "npy")),
        ("--engine", engine, ("local", "ray")),
    ):
        if given not in allowed:
            raise InvalidInput(f"{name} is {' or '.join(allowed)}. Received: {given!r}.")
    out = vectors.check_place(out, part)  # before reading
    if format == "npy":
        vectors.check_npy(out)
    # Read as they are embedded: memory does not grow with them.
    reading: dict[str, Any] = {"max_pixels": max_pixels, "background": background, "memory": 0}
    encoder, images = read_for(sources[0], sources[1:], **reading, pages=pages, split=split)
    given = {} if max_pixels is None else {"max_pixels": max_pixels}
    reading |= {"pages": pages, "split": split}
    written = vectors.write(
        encoder,
        images,
        out,
        batch_size=batch_size,
        shard=part,
        origin=vectors.origin_of(sources[0], sources[1:], **reading),
        engine=vectors.Ray(address, workers) if engine == "ray" else None,
        track=show.track,
        **given,
    )
    show.say(
        f"{written.there} there, {written.new} new, {written.changed} changed, "
        f"{written.gone} gone: {written.rows} rows written to {out}"
    )
    show.skipped(written.skipped[len(images.skipped) :])
    if format == "npy":
        values, names = vectors.write_npy(out)
        show.say(f"Also written to {values} and {names}")


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        k, of = map(int, text.split("/"))
    except ValueError as error:
        raise InvalidInput(f"A shard is K/N, such as 3/16. Received: {text!r}.") from error
    return k, of
