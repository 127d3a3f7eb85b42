"""Commands that show how a training would be: recommend, views, encoders."""

import dataclasses
import pathlib
from typing import Annotated, Any

import typer

from barlow.cli import options, show
from barlow.errors import InvalidInput
from barlow.paths import free_path
from barlow.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    options.command(app, "recommend")(recommend)
    options.command(app, "recipe", hidden=True)(recommend)  # its former name, one more release
    options.command(app, "views")(views)
    options.command(app, "encoders")(encoders)


@options.takes_settings("encoder", "weights", "image_size", "resize", "epochs", "batch_size")
def recommend(
    sources: options.Sources,
    settings: Settings,
    max_pixels: options.MaxPixels = None,
    background: options.Background = None,
    pages: options.Pages = "first",
    split: options.Split = None,
) -> None:
    """Show how `barlow pretrain` would train on these images, and why so."""
    import barlow  # noqa: PLC0415
    from barlow.training import inputs  # noqa: PLC0415

    reading = {"max_pixels": max_pixels, "background": background, "pages": pages, "split": split}
    images = _read(sources, settings, reading)
    images = inputs.training_images(images, settings, None)  # whose size weights may say
    recommended = barlow.recommend(len(images), images.pixels.shape[1:], settings)
    show.settings(dataclasses.asdict(recommended))


@options.takes_settings("image_size", "resize", "views", "seed")
def views(
    sources: options.Sources,
    settings: Settings,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Picture to write. [default: views.png]")
    ] = None,
    images: Annotated[int, typer.Option(min=2, help="Images to show.")] = 8,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of views of each.")] = 3,
    max_pixels: options.MaxPixels = None,
    background: options.Background = None,
    pages: options.Pages = "first",
    split: options.Split = None,
) -> None:
    """Draw some images and random views of them: what the network trains on."""
    from barlow import data, report  # noqa: PLC0415
    from barlow import views as rooms  # noqa: PLC0415
    from barlow.training import inputs  # noqa: PLC0415

    out = report.check_sheet(out, page=False) if out else free_path(pathlib.Path("views.png"))
    reading = {"max_pixels": max_pixels, "background": background, "pages": pages, "split": split}
    found = inputs.training_images(_read(sources, settings, reading), settings, None)
    shape = found.pixels.shape[1:]
    name = rooms.recipe_for(shape) if settings.views == "auto" else settings.views
    layer = rooms.ImageViews(name, seed=settings.seed)
    chosen = data.in_memory(data.sample(found, images, settings.seed))
    report.draw_views(chosen.pixels, layer, out, pairs)
    show.say(f"Recipe {name}: {layer.recipe}")
    show.say(f"Written to {out}")


def encoders(
    image_size: Annotated[int, typer.Option(min=8, help="Height and width of the images.")] = 224,
) -> None:
    """List the encoders that have a name, with their sizes."""
    from barlow import models  # noqa: PLC0415

    rows = []
    for name in models.ENCODERS:
        try:
            encoder = models.encoder(name, (image_size, image_size, 3))
        except InvalidInput:  # its patches do not fit into such an image
            rows.append((name, "-", f"not for {image_size} pixels"))
            continue
        rows.append((name, encoder.output_shape[1], f"{encoder.count_params() / 1e6:.2f}"))
    headings = ("encoder", "features", "million weights")
    show.table(headings, rows, "Also: the path of a .keras file, module:function, or hub:PRESET")
    show.console.print(f"And of keras.applications: {', '.join(models.APPLICATIONS)}.")


def _read(sources: list[pathlib.Path], settings: Settings, options: dict[str, Any]) -> Any:
    """Images as a training with these settings reads them."""
    from barlow.cli.reading import read  # noqa: PLC0415
    from barlow.training import inputs  # noqa: PLC0415

    return read(sources, **inputs.reading(settings) | options)
