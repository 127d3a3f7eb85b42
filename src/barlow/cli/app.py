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
import numpy as np

from barlow import callbacks, data, evaluation, models, report, runs, views
from barlow import recommendation as recipes
from barlow import settings as settings_
from barlow.errors import InvalidInput
from barlow.settings import Settings
from barlow.training import pretrain

app = typer.Typer(
    help="Learn an image encoder from unlabelled data (Barlow Twins).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(markup=False)  # paths and messages may hold brackets
_SHOWN = 5  # images that could not be read
_LOOKS = 20  # of probes at the encoder, in a training
_PICTURES = 512  # images whose features TensorBoard shows

_RECOMMENDED = "[default: recommended]"  # see `barlow recipe`
Sources = Annotated[
    list[pathlib.Path],
    typer.Argument(
        metavar="DATA...",
        help="Folder of images; image files, or a pattern in quotes; a list of them (.txt, .csv, "
        ".tsv, .parquet); .tar archives; a folder that datasets saved; .npy, .npz or IDX file.",
    ),
]
# Settings of training; what is not given is recommended.
Encoder = Annotated[str, typer.Option(help="Encoder: auto, or see `barlow encoders`.")]
Views = Annotated[
    str, typer.Option("--views", help=f"Recipe of views: auto, {', '.join(views.RECIPES)}.")
]
Projector = Annotated[
    str | None,
    typer.Option(help=f"Widths of the projector, such as 512,512. {_RECOMMENDED}"),
]
Lambda = Annotated[
    float | None, typer.Option("--lambda", help=f"Weight of the redundancy term. {_RECOMMENDED}")
]
Epochs = Annotated[int | None, typer.Option(help=f"Passes over the images. {_RECOMMENDED}")]
BatchSize = Annotated[int | None, typer.Option(help=f"Images per step. {_RECOMMENDED}")]
Optimizer = Annotated[str, typer.Option(help=f"auto, {', '.join(settings_.OPTIMIZERS)}.")]
LearningRate = Annotated[float | None, typer.Option(help=f"Highest learning rate. {_RECOMMENDED}")]
WarmupEpochs = Annotated[
    int | None, typer.Option(help=f"Epochs in which the learning rate rises. {_RECOMMENDED}")
]
WeightDecay = Annotated[float | None, typer.Option(help=f"Weight decay. {_RECOMMENDED}")]
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
    epochs: Epochs = None,
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
    probe: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="DATA",
            help="Labelled images, apart from those to learn from: how good is the encoder while "
            "it learns?",
        ),
    ] = None,
    encoder: Encoder = "auto",
    recipe: Views = "auto",
    projector: Projector = None,
    lambda_: Lambda = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    micro_batch_size: Annotated[
        int | None,
        typer.Option(help="Images to embed at a time, for large batches with little memory."),
    ] = None,
    optimizer: Optimizer = "auto",
    learning_rate: LearningRate = None,
    warmup_epochs: WarmupEpochs = None,
    weight_decay: WeightDecay = None,
    ema: Annotated[
        float | None,
        typer.Option(
            help="Momentum of a moving average of the weights, such as 0.999, to end with."
        ),
    ] = None,
    dtype_policy: Annotated[
        str | None,
        typer.Option(
            help=f"Precision: {', '.join(settings_.DTYPE_POLICIES)}. [default: Keras' own]"
        ),
    ] = None,
    jit_compile: Annotated[
        bool | None,
        typer.Option(help="Compile a step, or do not. [default: by backend and device]"),
    ] = None,
    steps_per_execution: Annotated[
        int, typer.Option(help="Steps from one return to Python to the next.")
    ] = 1,
    seed: Seed = 0,
    image_size: ImageSize = None,
    max_pixels: MaxPixels = data.MAX_PIXELS,
    background: Background = "white",
) -> None:
    """Learn an encoder from images; no labels needed."""
    with _clear_errors():
        settings = Settings(
            encoder=encoder,
            views=recipe,
            projector=_widths(projector),
            lambda_=lambda_,
            epochs=epochs,
            batch_size=batch_size,
            micro_batch_size=micro_batch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            warmup_epochs=warmup_epochs,
            weight_decay=weight_decay,
            ema=ema,
            dtype_policy=dtype_policy,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
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
        labelled = None
        if probe is not None:
            height, width, channels = images.pixels.shape[1:]
            labelled = _load(
                [probe],
                image_size=(height, width),
                channels=channels,
                max_pixels=max_pixels,
                background=background,
            )
        ways = {"resume": resume, "overwrite": overwrite, "from_run": from_run}
        _pretrain(images, out, settings, labelled, **ways)


@app.command("recipe")
def recipe_command(
    sources: Sources,
    encoder: Encoder = "auto",
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    image_size: ImageSize = None,
) -> None:
    """Show how `barlow pretrain` would train on these images, and why so."""
    with _clear_errors():
        settings = Settings(encoder=encoder, epochs=epochs, batch_size=batch_size)
        shape = (images := _load(sources, image_size=image_size)).pixels.shape[1:]
        console.print(_recipe(recipes.recommend(len(images), shape, settings)))


@app.command("views")
def views_command(
    sources: Sources,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Picture to write. [default: views.png]")
    ] = None,
    recipe: Views = "auto",
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
        chosen = _some(pixels, seed, images)
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
    images: data.Images,
    out: pathlib.Path,
    settings: Settings,
    labelled: data.Images | None = None,
    **ways: Any,
) -> pathlib.Path:
    recommended = recipes.recommend(len(images), images.pixels.shape[1:], settings)
    console.print(_recipe(recommended))
    every = max(1, recommended.epochs // _LOOKS)
    watching, shown = [], (_some(images.pixels, recommended.seed, _PICTURES),)
    if labelled is not None:
        train, test = evaluation.split(labelled, seed=recommended.seed)
        watching.append(callbacks.Probe(train, test, every=every))
        shown = test.pixels[:_PICTURES], np.asarray(test.labels)[:_PICTURES]
    watching.append(callbacks.Rank(shown[0], every=every))
    watching.append(callbacks.TensorBoard(out / runs.TENSORBOARD, *shown, every=every))
    with _TrainingProgress(recommended.epochs) as progress:
        run = pretrain(images, out, settings, callbacks=[*watching, progress], **ways)
    config, metrics = runs.read_config(run), runs.read_metrics(run)
    if not runs.is_complete(run):
        console.print(
            f"Interrupted in epoch {len(metrics)} of {recommended.epochs}. The same command with "
            "--resume goes on."
        )
    last, seconds = metrics[-1], sum(row["seconds"] for row in metrics)
    console.print(
        f"Trained {len(metrics)} epochs in {seconds:.0f} s. "
        f"Loss {last['loss']:.4g} = invariance {last['invariance']:.4g} + redundancy "
        f"{last['redundancy']:.4g}. Unrelated embeddings would have {config['loss_at_start']:.4g}, "
        f"perfect ones {config['loss_floor']:.4g} from sampling noise."
    )
    probed = [row for row in metrics if "probe_knn" in row]
    if probed:
        console.print(
            f"Accuracy on held-out labelled images after epoch {probed[-1]['epoch']}: "
            f"{probed[-1]['probe_knn']:.3f} by 20 nearest neighbours, "
            f"{probed[-1]['probe_linear']:.3f} by a linear classifier."
        )
    ranked = [row for row in metrics if "rank_me" in row]
    if ranked:
        console.print(
            f"Features after epoch {ranked[-1]['epoch']}: worth {ranked[-1]['rank_me']:.0f} "
            "independent ones (RankMe)."
        )
    report.draw_training(run)
    console.print(f"Run: {run} (encoder {runs.ENCODER}, picture {runs.PICTURE})", soft_wrap=True)
    console.print(f"More to see: tensorboard --logdir {run / runs.TENSORBOARD}", soft_wrap=True)
    if (run / runs.SKIPPED).exists():
        console.print(f"Images that could not be read: {run / runs.SKIPPED}", soft_wrap=True)
    return run


def _some(pixels: data.Pixels, seed: int, number: int) -> np.ndarray:
    """Images of a set, at random."""
    return data.Batches(pixels, min(number, len(pixels)), seed, ahead=0)[0][0]


def _recipe(recommended: recipes.Recommendation) -> Table:
    """Settings as rows, each with its reason."""
    table = Table(title="How to train")
    for heading in ("setting", "value", "why"):
        table.add_column(heading)
    for name, reason in recommended.reasons.items():
        value = getattr(recommended, name)
        if isinstance(value, tuple):
            value = ",".join(map(str, value))
        table.add_row(name.rstrip("_"), str(value), reason)
    return table


def _widths(text: str | None) -> tuple[int, ...] | None:
    """The widths of a projector, from the command line."""
    if text is None:
        return None
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError as error:
        raise InvalidInput(
            f"The widths of a projector are numbers with commas between them. Received: {text!r}."
        ) from error


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
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        done = (batch + 1) / self.params["steps"]
        self._progress.update(self._task, completed=self._epoch + done)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        terms = " ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        self._progress.update(self._task, status=f"epoch {epoch + 1}/{self._epochs}: {terms}")
