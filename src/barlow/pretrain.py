"""`pretrain`: images in, a run with a trained encoder out."""

import contextlib
import dataclasses
import importlib.metadata
import pathlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from barlow import data, kernel, losses, models, runs, views

# The picture of the cross-correlation shows this many features at most, of this many images.
_CORRELATION_FEATURES = 256
_CORRELATION_IMAGES = 1024


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train.

    Args:
        encoder: Name of an encoder, a key of ``barlow.models.ENCODERS``. Defaults to
            ``"conv"``.
        recipe: Name of a recipe of views, a key of ``barlow.views.RECIPES``. Defaults to
            ``"auto"``: see :func:`barlow.views.recipe_for`.
        projector: Widths of the projector's layers. Defaults to ``(512, 512)``.
        lambda_: Weight of the redundancy term, unitless, >= 0. Defaults to 0.005.
        epochs: Passes over the images, >= 1. Defaults to 100.
        batch_size: Images per step, >= 2; all of them where there are fewer. Defaults to 256.
        learning_rate: Highest learning rate of AdamW, > 0; it falls to zero along half a cosine.
            Defaults to 0.002.
        weight_decay: Weight decay of AdamW, >= 0. Defaults to 0.0001.
        seed: Seed of weights, order and views. Defaults to 0.

    Raises:
        ValueError: If a name is not known or a number out of its bounds.

    Example:
        >>> barlow.Settings(epochs=20).batch_size
        256
    """

    encoder: str = "conv"
    recipe: str = "auto"
    projector: tuple[int, ...] = (512, 512)
    lambda_: float = 0.005
    epochs: int = 100
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("encoder", self.encoder, models.ENCODERS),
            ("recipe", self.recipe, ("auto", *views.RECIPES)),
        ):
            if name not in known:
                raise ValueError(f"No {kind} is called {name!r}. Known: {', '.join(known)}.")
        for name, smallest in (("epochs", 1), ("batch_size", 2), ("weight_decay", 0), ("seed", 0)):
            if getattr(self, name) < smallest:
                raise ValueError(
                    f"`{name}` must be at least {smallest}. Received: {getattr(self, name)}."
                )
        if not self.learning_rate > 0:
            raise ValueError(f"`learning_rate` must be above 0. Received: {self.learning_rate}.")


def pretrain(
    images: data.Images | np.ndarray | str | pathlib.Path | Sequence[str | pathlib.Path] | Any,
    out: str | pathlib.Path,
    settings: Settings | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> pathlib.Path:
    """Train an encoder on images without labels, into the folder of a run.

    The global random seed of Keras, NumPy and Python is set to the run's. An interrupt (Ctrl-C)
    ends training after the step that is running; the run is then complete but for the epochs
    that are missing.

    Args:
        images: Images, or what to make them from: an array, see :func:`barlow.data.from_array`,
            or a path, a pattern, a list of paths or a ``datasets.Dataset``, see
            :func:`barlow.data.load`. Labels are not used.
        out: Folder of the run; it must not exist or be empty.
        settings: How to train. Defaults to ``Settings()``.
        callbacks: Keras callbacks, told of every step and epoch.

    Returns:
        The folder of the run, see :mod:`barlow.runs`.

    Raises:
        FileExistsError: If there is something in the folder already.
        FileNotFoundError: If ``images`` is a path where there is nothing.
        TypeError: If ``images`` is nothing of that.
        ValueError: If the images or a setting are not valid.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (64, 8, 8))
        >>> out = pathlib.Path(tempfile.mkdtemp()) / "run"
        >>> run = barlow.pretrain(images, out, barlow.Settings(epochs=1, batch_size=32))
        >>> barlow.runs.load_encoder(run).predict(images, verbose=0).shape
        (64, 128)
    """
    runs.check_free(out)  # before minutes of reading and compiling
    images = _as_images(images)
    pixels = images.pixels
    settings = _resolved(settings or Settings(), pixels)
    keras.utils.set_random_seed(settings.seed)
    batches = data.Batches(pixels, settings.batch_size, settings.seed)
    model = _model(settings, pixels.shape[1:], steps=settings.epochs * batches.steps_per_epoch)

    # Read twice rather than kept, because a thousand large images are many bytes.
    sample_size = min(_CORRELATION_IMAGES, len(pixels))
    sample = data.Batches(pixels, sample_size, settings.seed, ahead=0)
    before = _cross_correlation(model, *sample[0])
    with _interrupt_stops(model) as stop:
        run = runs.create(out)
        runs.write_json(run / runs.CONFIG, _config(settings, pixels, model))

        def write_skipped(*_: Any) -> None:
            skipped = {**dict(images.skipped), **sample.skipped, **batches.skipped}
            if skipped:
                runs.write_json(run / runs.SKIPPED, skipped)

        write_skipped()
        model.fit(
            batches,
            epochs=settings.epochs,
            steps_per_epoch=batches.steps_per_epoch,
            shuffle=False,  # the batches shuffle themselves
            callbacks=[
                stop,
                _WriteMetrics(run),
                keras.callbacks.LambdaCallback(on_epoch_end=write_skipped),
                *callbacks,
            ],
            verbose=0,
        )
        with runs.replacing(run / runs.CORRELATION) as path:
            np.savez(path, before=before, after=_cross_correlation(model, *sample[0]))
        for name, part in ((runs.ENCODER, model.encoder), (runs.MODEL, model)):
            with runs.replacing(run / name) as path:
                part.save(path)
    return run


def _as_images(images: Any) -> data.Images:
    if isinstance(images, data.Images):
        return images
    if hasattr(images, "__array__"):  # tensors have it too
        return data.from_array(images)
    return data.load(images)


def _resolved(settings: Settings, pixels: data.Pixels) -> Settings:
    automatic = views.recipe_for(pixels.shape[1:])
    return dataclasses.replace(
        settings,
        recipe=automatic if settings.recipe == "auto" else settings.recipe,
        batch_size=min(settings.batch_size, len(pixels)),
    )


def _model(settings: Settings, image_shape: tuple[int, ...], steps: int) -> models.BarlowTwins:
    model = models.BarlowTwins(
        models.encoder(settings.encoder, image_shape),
        projector=settings.projector,
        views=views.ImageViews(settings.recipe, seed=settings.seed),
        loss=losses.Barlow(lambda_=settings.lambda_),
    )
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay))
    return model


def _config(settings: Settings, pixels: data.Pixels, model: models.BarlowTwins) -> dict[str, Any]:
    levels = model.levels(settings.batch_size)
    return {
        **dataclasses.asdict(settings),
        "views": dataclasses.asdict(views.RECIPES[settings.recipe]),
        "images": len(pixels),
        "image_shape": pixels.shape[1:],
        "loss_at_start": levels.start,
        "loss_floor": levels.floor,
        "backend": keras.backend.backend(),
        "versions": {name: importlib.metadata.version(name) for name in ("barlow", "keras")},
    }


def _cross_correlation(model: models.BarlowTwins, pixels: np.ndarray) -> np.ndarray:
    """``C = A'B / N`` of the first features, in inference mode."""
    za, zb = model.predict(pixels, verbose=0)
    a, b = (
        ops.convert_to_numpy(
            kernel.standardize(ops.convert_to_tensor(z[:, :_CORRELATION_FEATURES]))[0]
        )
        for z in (za, zb)
    )
    return a.T @ b / len(a)


@contextlib.contextmanager
def _interrupt_stops(model: keras.Model) -> Iterator[keras.callbacks.Callback]:
    """Ctrl-C lets the step that is running finish; a second one interrupts as usual.

    The callback is for ``fit``, which sets ``stop_training`` back to False after it has built
    the model and before training begins: an interrupt until then would be lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield keras.callbacks.Callback()  # only the main thread may handle signals
        return
    previous, interrupted = signal.getsignal(signal.SIGINT), threading.Event()

    def stop(*_: Any) -> None:
        interrupted.set()
        model.stop_training = True
        signal.signal(signal.SIGINT, previous)

    def stop_again(_: Any) -> None:
        if interrupted.is_set():
            model.stop_training = True

    signal.signal(signal.SIGINT, stop)
    try:
        yield keras.callbacks.LambdaCallback(on_train_begin=stop_again)
    finally:
        signal.signal(signal.SIGINT, previous)


class _WriteMetrics(keras.callbacks.Callback):
    """The metrics of every epoch, as a line of ``metrics.jsonl``."""

    def __init__(self, run: pathlib.Path):
        super().__init__()
        self._run = run

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = time.perf_counter() - self._start
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        runs.append_metrics(self._run, {"epoch": epoch + 1, **metrics, "seconds": seconds})
