"""`pretrain`: images in, a run with a trained encoder out."""

import contextlib
import dataclasses
import importlib.metadata
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from barlow import data, losses, models, runs, views
from barlow import recommendation as recipes
from barlow.errors import InvalidInput
from barlow.settings import Settings
from barlow.training import checkpoints, interrupts

# The picture of the cross-correlation shows this many features at most, of this many images.
_CORRELATION_FEATURES = 256
_CORRELATION_IMAGES = 1024

_NO_SETTINGS = ("reasons", "loss_at_start", "loss_floor", "versions")  # in a run's configuration


def pretrain(
    images: data.Images | np.ndarray | str | pathlib.Path | Sequence[str | pathlib.Path] | Any,
    out: str | pathlib.Path,
    settings: Settings | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    resume: bool = False,
    overwrite: bool = False,
    from_run: str | pathlib.Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> pathlib.Path:
    """Train an encoder on images without labels, into the folder of a run.

    The global random seed of Keras, NumPy and Python is set to the run's. An interrupt (Ctrl-C,
    SIGTERM) ends training after the step that is running; the run is then complete but for the
    epochs that are missing. Whatever ends it, with ``resume=True`` it goes on from its last
    checkpoint, in the middle of an epoch too, as if nothing had happened.

    Args:
        images: Images, or what to make them from: an array, see :func:`barlow.data.from_array`,
            or a path, a pattern, a list of paths or a ``datasets.Dataset``, see
            :func:`barlow.data.load`. Labels are not used.
        out: Folder of the run; it must not exist or be empty, but for the next two.
        settings: How to train; what it leaves open is recommended. Defaults to ``Settings()``.
        callbacks: Keras callbacks, told of every step and epoch. What is left of an epoch that was
            interrupted is a ``fit`` of its own for them.
        resume: Go on with the run in the folder, with the same images and settings. A run that is
            complete stays as it is, and where there is none it begins. Defaults to False.
        overwrite: Replace the run in the folder. Files that are not of a run stay. Defaults to
            False.
        from_run: Folder of another run, from the weights of which this one starts; its encoder
            must be of the same structure. Defaults to ``None``, random weights.
        checkpoint_seconds: Time between checkpoints, in seconds, >= 0: 0 for one with every step.
            More where writing one takes more than a twentieth of that. Defaults to 60.

    Returns:
        The folder of the run, see :mod:`barlow.runs`.

    Raises:
        FileExistsError: If there is something in the folder already.
        FileNotFoundError: If ``images`` is a path where there is nothing, or ``from_run`` is no
            run.
        FloatingPointError: If training comes to values that are not numbers; the checkpoints from
            before stay.
        TypeError: If ``images`` is nothing of that.
        ValueError: If the images or a setting are not valid, or not those of the run to resume.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (64, 8, 8))
        >>> out = pathlib.Path(tempfile.mkdtemp()) / "run"
        >>> run = barlow.pretrain(images, out, barlow.Settings(epochs=1, batch_size=32))
        >>> barlow.runs.load_encoder(run).predict(images, verbose=0).shape
        (64, 128)
    """
    run = pathlib.Path(out)
    if resume and overwrite:
        raise InvalidInput("A run is either resumed or overwritten. Received: both.")
    going_on = resume and runs.is_run(run)
    if not (going_on or (overwrite and runs.is_run(run))):
        runs.check_free(run)  # before minutes of reading and compiling
    images = _as_images(images)
    pixels = images.pixels
    recommended = recipes.recommend(len(pixels), pixels.shape[1:], settings)
    keras.utils.set_random_seed(recommended.seed)
    model = _model(recommended, pixels)
    encoder = _encoder_to_keep(model, recommended, pixels)
    if from_run is not None:
        _take_weights(model, runs.load_encoder(from_run), from_run)
    config = _config(recommended, pixels, model, from_run)
    if going_on:
        _check_same(runs.read_config(run), config)
        if runs.is_complete(run):
            return run

    # Read twice rather than kept, because a thousand large images are many bytes.
    sample_size = min(_CORRELATION_IMAGES, len(pixels))
    sample = data.Batches(pixels, sample_size, recommended.seed, ahead=0)
    before = model.cross_correlation(*sample[0], _CORRELATION_FEATURES)
    checkpoint = checkpoints.load(run) if going_on else None
    if checkpoint:
        checkpoints.restore(model, checkpoint)
    with interrupts.stop_training(model) as stop:
        if overwrite:
            runs.clear(run)
        run.mkdir(parents=True, exist_ok=True)
        if not going_on:
            runs.write_json(run / runs.CONFIG, config)
        skipped = {**runs.read_skipped(run), **dict(images.skipped)}

        def write_skipped(more: dict[str, str]) -> None:
            skipped.update(more)
            if skipped:
                runs.write_json(run / runs.SKIPPED, skipped)

        write_skipped(sample.skipped)
        steps = len(pixels) // recommended.batch_size
        record = checkpoints.Record(
            run, steps, recommended.batch_size, checkpoint_seconds, checkpoint
        )
        # What the callbacks of others add to the metrics is recorded.
        _train(model, pixels, recommended, record, [stop, *callbacks, record], write_skipped)
        with runs.replacing(run / runs.CORRELATION) as path:
            np.savez(
                path,
                before=before,
                after=model.cross_correlation(*sample[0], _CORRELATION_FEATURES),
            )
        encoder.set_weights(model.encoder.get_weights())
        for name, network in ((runs.ENCODER, encoder), (runs.MODEL, model)):
            with runs.replacing(run / name) as path:
                network.save(path)
        if record.step == recommended.epochs * steps:
            checkpoints.remove(run)
    return run


def _train(
    model: models.BarlowTwins,
    pixels: data.Pixels,
    recommended: recipes.Recommendation,
    record: checkpoints.Record,
    callbacks: Sequence[keras.callbacks.Callback],
    write_skipped: Callable[[dict[str, str]], None],
) -> None:
    """The epochs that are left, with one of them ``record``, until they are done or stopped."""
    steps, epochs = len(pixels) // recommended.batch_size, recommended.epochs
    for part in _parts(record.step, steps, epochs):
        batches = data.Batches(pixels, recommended.batch_size, recommended.seed, record.step)
        weights: list[np.ndarray] = []

        # Keras ends a fit with averages in the place of the weights, if there are any: with JAX the
        # same arrays, which the next `predict` gives away.
        def own_weights(*_: Any) -> None:
            model.set_weights([np.copy(weight) for weight in model.get_weights()])

        def end_of_epoch(*_: Any, batches=batches, part=part, weights=weights) -> None:
            write_skipped(batches.skipped)
            if part.stop < epochs:
                weights[:] = model.get_weights()

        model.fit(
            batches,
            initial_epoch=part.start,
            epochs=part.stop,
            steps_per_epoch=steps - record.step % steps,
            shuffle=False,  # the batches shuffle themselves
            callbacks=[
                keras.callbacks.LambdaCallback(on_train_end=own_weights),
                *callbacks,
                keras.callbacks.LambdaCallback(on_epoch_end=end_of_epoch),
            ],
            verbose=0,
        )
        if model.stop_training:
            break
        if weights:
            model.set_weights(weights)


def _parts(first_step: int, steps_per_epoch: int, epochs: int) -> list[range]:
    """Epochs that are left, those of one ``fit`` together: an epoch that has begun is one alone."""
    begun, done = divmod(first_step, steps_per_epoch)
    whole = begun + bool(done)
    return [part for part in (range(begun, whole), range(whole, epochs)) if part]


def _as_images(images: Any) -> data.Images:
    if isinstance(images, data.Images):
        return images
    if hasattr(images, "__array__"):  # tensors have it too
        return data.from_array(images)
    return data.load(images)


def _model(recommended: recipes.Recommendation, pixels: data.Pixels) -> models.BarlowTwins:
    with _dtype_policy(recommended.dtype_policy):
        model = models.BarlowTwins(
            models.encoder(recommended.encoder, pixels.shape[1:]),
            projector=recommended.projector,
            views=views.ImageViews(recommended.views, seed=recommended.seed),
            loss=losses.Barlow(lambda_=recommended.lambda_),
        )
    jit = recommended.jit_compile
    model.compile(
        recipes.optimizer(recommended, len(pixels)),
        micro_batch_size=recommended.micro_batch_size,
        jit_compile="auto" if jit is None else jit,
        steps_per_execution=recommended.steps_per_execution,
    )
    return model


def _encoder_to_keep(
    model: models.BarlowTwins, recommended: recipes.Recommendation, pixels: data.Pixels
) -> keras.Model:
    """One of float32, which whatever comes after it can take."""
    if recommended.dtype_policy == "float32":
        return model.encoder
    with _dtype_policy("float32"):
        return models.encoder(recommended.encoder, pixels.shape[1:])


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """What is made has this policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _take_weights(model: models.BarlowTwins, encoder: keras.Model, run: str | pathlib.Path) -> None:
    given, expected = (
        [tuple(weight.shape) for weight in part.weights] for part in (encoder, model.encoder)
    )
    if given != expected:
        raise InvalidInput(
            f"The encoder of {run} does not fit: it has {len(given)} weights of other shapes than "
            f"the {len(expected)} of this encoder. It takes images of shape "
            f"{encoder.input_shape[1:]}, this one {model.encoder.input_shape[1:]}: choose the "
            "same encoder and image size."
        )
    model.encoder.set_weights(encoder.get_weights())


def _config(
    recommended: recipes.Recommendation,
    pixels: data.Pixels,
    model: models.BarlowTwins,
    from_run: str | pathlib.Path | None,
) -> dict[str, Any]:
    levels = model.levels(recommended.batch_size)
    return {
        **dataclasses.asdict(recommended),
        "views_recipe": dataclasses.asdict(views.RECIPES[recommended.views]),
        "images": len(pixels),
        "image_shape": pixels.shape[1:],
        "from_run": None if from_run is None else str(from_run),
        "loss_at_start": levels.start,
        "loss_floor": levels.floor,
        "backend": keras.backend.backend(),
        "versions": {name: importlib.metadata.version(name) for name in ("barlow", "keras")},
    }


def _check_same(run: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse to go on with a run by other settings than its own; versions may be newer."""
    given = json.loads(json.dumps(given))  # as it will come back
    different = [
        f"{name} is {run.get(name)!r} in the run and {given.get(name)!r} now"
        for name in dict.fromkeys([*run, *given])
        if name not in _NO_SETTINGS and run.get(name) != given.get(name)
    ]
    if different:
        raise InvalidInput(
            "A run is resumed as it began, but "
            + "; ".join(different)
            + ". Give the settings of its config.json, or start a new run from its weights "
            "(--from, from_run=...)."
        )
