"""`barlow ...`: read the command, call one function, show the result."""

import contextlib
import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

try:
    import typer
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeRemainingColumn, track
    from rich.table import Table
    from rich.text import Text
except ModuleNotFoundError as error:
    raise SystemExit(
        f"The barlow command needs {error.name}. Install it with: pip install 'barlow[cli]'"
    ) from error

import keras

from barlow import data, evaluation, models, report, runs, views
from barlow.pretrain import Settings, pretrain

app = typer.Typer(
    help="Learn an image encoder from unlabelled data (Barlow Twins).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(markup=False)  # paths and messages may hold brackets
_defaults = Settings()
_SHOWN = 5  # images that could not be read

Epochs = Annotated[int, typer.Option(help="Passes over the images.")]
BatchSize = Annotated[int, typer.Option(help="Images per step.")]
Sources = Annotated[
    list[pathlib.Path],
    typer.Argument(
        metavar="DATA...",
        help="Folder of images; image files, or a pattern in quotes; a list of them (.txt, .csv, "
        ".tsv, .parquet); .tar archives; a folder that datasets saved; .npy, .npz or IDX file.",
    ),
]
RecipeName = Annotated[
    str, typer.Option(help=f"Recipe of views: auto, {', '.join(views.RECIPES)}.")
]
ImageSize = Annotated[
    int | None, typer.Option(min=1, help="Height and width to bring image files to.")
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
MaxPixels = Annotated[
    int, typer.Option(help="Pixels of the largest image file to read; larger ones are skipped.")
]
Background = Annotated[
    str, typer.Option(help="Colour behind transparent images, a name or #rrggbb.")
]


def main() -> None:
    """Entry point of the `barlow` command."""
    sys.path.insert(0, str(pathlib.Path.cwd()))  # as `python -m`: for encoders of the user's own
    app()


@app.command()
def demo(
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Folder of the run. [default: runs/demo]")
    ] = None,
    epochs: Epochs = 120,
    seed: Seed = 0,
) -> None:
    """Learn from scikit-learn's 1,797 digits without their labels, and see what it is worth."""
    with _clear_errors():
        train, test = evaluation.split(data.digits(), seed=seed)
        console.print(
            f"{len(train)} digits to learn from, their labels hidden; {len(test)} held out."
        )
        out = out or runs.free_path(pathlib.Path("runs/demo"))
        run = _pretrain(train, out, Settings(epochs=epochs, batch_size=128, seed=seed))
        _evaluate(run, runs.load_encoder(run), train, test, seed)


@app.command("pretrain")
def pretrain_command(
    sources: Sources,
    out: Annotated[pathlib.Path, typer.Option(help="Folder of the run; new or empty.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, as it began.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in the folder.")
    ] = False,
    from_run: Annotated[
        pathlib.Path | None,
        typer.Option("--from", metavar="RUN", help="Start from the weights of another run."),
    ] = None,
    epochs: Epochs = _defaults.epochs,
    batch_size: BatchSize = _defaults.batch_size,
    micro_batch_size: Annotated[
        int | None,
        typer.Option(help="Images to embed at a time, for large batches with little memory."),
    ] = _defaults.micro_batch_size,
    encoder: Annotated[
        str, typer.Option(help="Encoder: see `barlow encoders`.")
    ] = _defaults.encoder,
    recipe: RecipeName = _defaults.recipe,
    image_size: ImageSize = None,
    learning_rate: Annotated[
        float, typer.Option(help="Highest learning rate of AdamW.")
    ] = _defaults.learning_rate,
    seed: Seed = _defaults.seed,
    max_pixels: MaxPixels = data.MAX_PIXELS,
    background: Background = "white",
) -> None:
    """Learn an encoder from images; no labels needed."""
    with _clear_errors():
        settings = Settings(
            encoder=encoder,
            recipe=recipe,
            epochs=epochs,
            batch_size=batch_size,
            micro_batch_size=micro_batch_size,
            learning_rate=learning_rate,
            seed=seed,
        )
        if not (runs.is_run(out) and (resume or overwrite)):
            runs.check_free(out)  # before minutes of reading
        images = _load(
            sources,
            image_size=image_size,
            max_pixels=max_pixels,
            background=background,
        )
        if images.labels is not None:
            console.print("Their labels play no part in training.")
        ways = {"resume": resume, "overwrite": overwrite, "from_run": from_run}
        _pretrain(images, out, settings, **ways)


@app.command("views")
def views_command(
    sources: Sources,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Picture to write. [default: views.png]")
    ] = None,
    recipe: RecipeName = _defaults.recipe,
    image_size: ImageSize = None,
    images: Annotated[int, typer.Option(min=2, help="Images to show.")] = 8,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of views of each.")] = 3,
    seed: Seed = 0,
    max_pixels: MaxPixels = data.MAX_PIXELS,
    background: Background = "white",
) -> None:
    """Draw some images and random views of them: what the network will see."""
    with _clear_errors():
        pixels = _load(
            sources, image_size=image_size, max_pixels=max_pixels, background=background
        ).pixels
        name = views.recipe_for(pixels.shape[1:]) if recipe == "auto" else recipe
        layer = views.ImageViews(name, seed=seed)
        chosen = data.Batches(pixels, min(images, len(pixels)), seed, ahead=0)[0][0]
        out = out or runs.free_path(pathlib.Path("views.png"))
        report.draw_views(chosen, layer, out, pairs)
        console.print(f"Recipe {name}: {layer.recipe}", soft_wrap=True)
        console.print(f"Written to {out}", soft_wrap=True)


@app.command("encoders")
def encoders_command(
    image_size: Annotated[int, typer.Option(min=8, help="Height and width of the images.")] = 224,
) -> None:
    """List the encoders that have a name, with their sizes."""
    table = Table(caption="Also: the path of a .keras file, or module:function")
    for heading in ("encoder", "features", "million weights"):
        table.add_column(heading, justify="left" if heading == "encoder" else "right")
    for name in models.ENCODERS:
        encoder = models.encoder(name, (image_size, image_size, 3))
        size = f"{encoder.count_params() / 1e6:.2f}"
        table.add_row(name, str(encoder.output_shape[1]), size)
    console.print(table)
    console.print(f"And of keras.applications: {', '.join(models.APPLICATIONS)}.")


@app.command("evaluate")
def evaluate_command(
    run: Annotated[pathlib.Path, typer.Argument(help="Folder of a run.")],
    sources: Annotated[
        list[pathlib.Path],
        typer.Argument(
            metavar="DATA...",
            help="Labelled images: class folders; a list with labels (.txt, .csv, .tsv, "
            ".parquet); .tar archives; a folder that datasets saved; .npz or IDX file.",
        ),
    ],
    seed: Seed = 0,
    max_pixels: MaxPixels = data.MAX_PIXELS,
    background: Background = "white",
) -> None:
    """Test a run's encoder on labelled images: three quarters to learn from, one held out."""
    with _clear_errors():
        keras.utils.set_random_seed(seed)
        encoder = runs.load_encoder(run)
        height, width, channels = encoder.input_shape[1:]
        images = _load(
            sources,
            image_size=(height, width),
            channels=channels,
            max_pixels=max_pixels,
            background=background,
        )
        train, test = evaluation.split(images, seed=seed)
        _evaluate(run, encoder, train, test, seed)


def _pretrain(
    images: data.Images, out: pathlib.Path, settings: Settings, **ways: Any
) -> pathlib.Path:
    with _TrainingProgress(settings.epochs) as progress:
        run = pretrain(images, out, settings, callbacks=[progress], **ways)
    config, metrics = runs.read_config(run), runs.read_metrics(run)
    if not runs.is_complete(run):
        console.print(
            f"Interrupted in epoch {len(metrics)} of {settings.epochs}. The same command with "
            "--resume goes on."
        )
    last, seconds = metrics[-1], sum(row["seconds"] for row in metrics)
    console.print(
        f"Trained {len(metrics)} epochs in {seconds:.0f} s. "
        f"Loss {last['loss']:.4g} = invariance {last['invariance']:.4g} + redundancy "
        f"{last['redundancy']:.4g}. Unrelated embeddings would have {config['loss_at_start']:.4g}, "
        f"perfect ones {config['loss_floor']:.4g} from sampling noise."
    )
    report.draw_training(run)
    console.print(f"Run: {run} (encoder {runs.ENCODER}, picture {runs.PICTURE})", soft_wrap=True)
    if (run / runs.SKIPPED).exists():
        console.print(f"Images that could not be read: {run / runs.SKIPPED}", soft_wrap=True)
    return run


def _evaluate(
    run: pathlib.Path, encoder: keras.Model, train: data.Images, test: data.Images, seed: int
) -> None:
    rows = evaluation.evaluate(encoder, train, test, seed, _track)
    path = runs.free_path(run / runs.EVALUATION)
    runs.write_json(path, evaluation.as_json(rows))
    console.print(_table(rows, len(test)))
    console.print(f"Written to {path}", soft_wrap=True)


def _table(rows: Sequence[evaluation.Row], test_images: int) -> Table:
    """Kinds of features as rows, probes as columns."""
    table = Table(
        title=f"Accuracy on {test_images} held-out images",
        caption="linear: logistic regression; 5-NN: nearest neighbours; by labels per class",
    )
    table.add_column("features")
    probes = list(dict.fromkeys((row.probe, row.labels_per_class) for row in rows))
    for probe, count in probes:
        name = {"linear": "linear", "knn": "5-NN"}[probe]
        labels = "all" if count is None else f"{count} / class"
        table.add_column(f"{name}\n{labels}", justify="right", no_wrap=True)
    for features in dict.fromkeys(row.features for row in rows):
        cells = {(row.probe, row.labels_per_class): row for row in rows if row.features == features}
        table.add_row(
            features,
            *[
                f"{cells[probe].accuracy:.3f}"
                + (f" ±{cells[probe].std:.3f}" if probe[1] is not None else "")
                for probe in probes
            ],
            style="bold" if features == "learned" else None,
        )
    return table


def _load(
    sources: Sequence[pathlib.Path], image_size: int | tuple[int, int] | None, **options: Any
) -> data.Images:
    """Images of one source, or of several files."""
    source, named = sources, f"{len(sources)} files"
    if len(sources) == 1:
        source = named = sources[0]
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    images = data.load(source, size, **options, track=_track)
    height, width, channels = images.pixels.shape[1:]
    console.print(
        f"{len(images)} {'grey' if channels == 1 else 'colour'} images of {height} x {width} "
        f"pixels, {'without' if images.labels is None else 'with'} labels, from {named}.",
        soft_wrap=True,
    )
    for note in images.notes:
        console.print(note)
    if images.skipped:
        console.print(f"{len(images.skipped)} more could not be read and are left out:")
        for skipped, reason in images.skipped[:_SHOWN]:
            console.print(f"  {skipped}: {reason}", soft_wrap=True)
        if len(images.skipped) > _SHOWN:
            console.print(f"  and {len(images.skipped) - _SHOWN} more")
    return images


def _track(items: Sequence[Any], description: str) -> Iterable[Any]:
    return track(items, description, console=console, transient=True)


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """What the user can mend is one sentence and exit code 2."""
    try:
        yield
    except (OSError, ValueError, FloatingPointError, ModuleNotFoundError) as error:
        message = Text.assemble(("Error: ", "red"), str(error))
        Console(stderr=True).print(message, soft_wrap=True)
        raise typer.Exit(2) from error


class _TrainingProgress(keras.callbacks.Callback):
    """Training as a progress bar: loss, its terms, time left."""

    def __init__(self, epochs: int):
        super().__init__()
        self._progress = Progress(
            SpinnerColumn(),
            *Progress.get_default_columns()[:2],
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._epochs = epochs
        self._task = self._progress.add_task("Training", total=epochs, status="")

    def __enter__(self) -> "_TrainingProgress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._progress.update(self._task, completed=epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._progress.advance(self._task, 1 / self.params["steps"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        terms = " ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        self._progress.update(self._task, status=f"epoch {epoch + 1}/{self._epochs}: {terms}")
