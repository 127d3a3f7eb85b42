"""`pretrain`: images in, a run with a trained encoder out."""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from barlow import backend, data, errors, lock, resizing, runs
from barlow import callbacks as watching
from barlow.data.fingerprint import fingerprint
from barlow.errors import InvalidInput
from barlow.paths import as_path, replacing
from barlow.settings import Settings
from barlow.training import checkpoints, inputs, interrupts, planning, processes
from barlow.training.loop import train
from barlow.training.networks import Networks, build

# The picture of the cross-correlation shows this many features at most, of this many images.
_CORRELATION_FEATURES = 256
_CORRELATION_IMAGES = 1024

# In a run's configuration.
_NO_SETTINGS = (
    *("reasons", "planned_seconds", "loss_at_start", "loss_floor", "versions"),
    "image_size",  # which the shape of the images says
)


def pretrain(
    images: Any,
    out: str | os.PathLike[str],
    settings: Settings | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    probe: Any = None,
    resume: bool = False,
    overwrite: bool = False,
    from_run: str | os.PathLike[str] | None = None,
    devices: int | str | None = None,
    checkpoint_seconds: float = 60.0,
    begun: float | None = None,
) -> pathlib.Path:
    """Train an encoder on images without labels, into the folder of a run.

    The global random seed of Keras, NumPy and Python is set to the run's. An interrupt (Ctrl-C,
    SIGTERM) ends training after the running step; the run is then complete but for the epochs that
    are missing. Whatever ends it, ``resume=True`` continues from its last checkpoint, in the middle
    of an epoch too, as if nothing had happened. A callback that ends training at the end of an
    epoch, as Keras' ``EarlyStopping`` does, completes the run.

    As long as it trains, no other process and no other thread can train in the same folder.

    With ``settings.minutes``, what a training costs here is first measured on a short one that is
    thrown away, and as many epochs are planned as end in that time, counted from ``begun`` on. The
    plan is made once: on a machine that gets slower, training takes longer. What ``callbacks`` take
    is not planned for.

    Args:
        images: Training images: an array, see :func:`barlow.data.from_array`; a path, a pattern, a
            list of paths or a ``datasets.Dataset``, see :func:`barlow.data.load`; or
            :class:`barlow.data.Images`. Labels are not used.
        out: Folder of the run; it must not exist or be empty, unless the run is resumed or
            overwritten. ``~`` is the home folder.
        settings: How to train; what it leaves open is recommended. Defaults to ``Settings()``.
        callbacks: Keras callbacks, beside those that every run has, see
            :func:`barlow.callbacks.usual`. The rest of an interrupted epoch is a ``fit`` of its
            own for them.
        probe: Labelled images, none of them training images, in any form that ``images`` has: how
            good is the encoder while it trains? Defaults to ``None``, no probes.
        resume: Continue the run in the folder, with the same images in the same order and the
            same settings; other images are refused, see :mod:`barlow.data.fingerprint`. A run
            that is complete stays as it is; if there is none it begins. Defaults to False.
        overwrite: Replace the run in the folder. Files that are not part of a run stay. Defaults
            to False.
        from_run: Folder of another run whose weights this one starts from; its encoder must have
            the same structure. Defaults to ``None``: the ``weights`` of the settings, or else
            random ones.
        devices: Number of devices of this machine to train on, or ``"all"``, with the result of
            one: see ``docs/scaling.md``. With PyTorch each is a process that ``torchrun`` has
            started. Defaults to ``None``: one, or those that the program has chosen already, as a
            strategy, a distribution or processes of its launcher.
        checkpoint_seconds: Seconds between checkpoints, >= 0; 0 writes one with every step. More
            if writing takes more than a twentieth of that. Defaults to 60.
        begun: When the time of ``settings.minutes`` began, by ``time.perf_counter()``: reading the
            images before may be a part of it. Defaults to ``None``: with this call.

    Returns:
        The folder of the run, see :mod:`barlow.runs`.

    Raises:
        ConnectionError: If another process of the training has ended.
        FileExistsError: If the folder is taken, also by a training that is running.
        FileNotFoundError: If ``images`` is a path where there is nothing, or ``from_run`` is not a
            run.
        FloatingPointError: If training arrives at NaN or Inf; earlier checkpoints stay.
        TypeError: If ``images`` is none of these.
        OSError: If nothing can be written in the folder.
        ValueError: If images or settings are not valid, or not those of the run to resume, or if
            an encoder of the user's own could not be loaded from the run, or if not even an epoch
            fits into ``settings.minutes``.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (64, 8, 8))
        >>> out = pathlib.Path(tempfile.mkdtemp()) / "run"
        >>> run = barlow.pretrain(images, out, barlow.Settings(epochs=1, batch_size=32))
        >>> barlow.embed(run, images).vectors.shape
        (64, 128)
    """
    settings = inputs.reopened(settings or Settings())
    inputs.check_settings(settings, from_run, out if overwrite else None)
    begun = time.perf_counter() if begun is None else begun
    backend.join_processes()
    plan = None
    if settings.minutes is not None:
        with processes.own_folder(as_path(out)) as folder:
            runs.check_place(folder, resume=resume, overwrite=overwrite)  # before measuring
            there = folder if resume and runs.is_run(folder) else None
            images = inputs.training_images(images, settings, there, from_run)
            if probe is not None:
                images, probe = inputs.with_probe(images, probe)
            ways = {"probe": probe, "from_run": from_run, "devices": devices}
            short = functools.partial(pretrain, **ways, checkpoint_seconds=checkpoint_seconds)
            plan = planning.plan(images, settings, short, begun, there)
        planned = {"epochs": plan.epochs, "dtype_policy": plan.dtype_policy}
        images, settings = plan.images, dataclasses.replace(settings, **planned)
    with processes.own_folder(as_path(out)) as folder, backend.on_devices(devices):
        run = runs.check_place(folder, resume=resume, overwrite=overwrite)  # before reading
        resume = resume and runs.is_run(run)
        stays = resume and runs.is_complete(run)
        held = contextlib.nullcontext() if stays else lock.locked(run)
        with held, backend.keras_defaults(), backend.forgetting_graphs():
            if not resume and not (overwrite and runs.is_run(run)):
                runs.check_free(run)  # another process may have trained there in the meantime
            before = run if resume else None
            images = inputs.training_images(images, settings, before, from_run)
            if resume:
                inputs.check_images(run, images)
            networks = build(images.pixels, settings, from_run, before)
            config = _config(networks, images, from_run)
            config["planned_seconds"] = plan and plan.seconds
            if plan and plan.reason:
                config["reasons"]["dtype_policy"] = plan.reason
            if resume:
                if not images.resize:  # arrays, for which no rule is needed
                    config |= resizing.of(run)
                _check_same(runs.read_config(run), config)
            if not stays:
                begin = functools.partial(_begin, run, config, images, resume, overwrite)
                _train(run, networks, images, callbacks, probe, resume, checkpoint_seconds, begin)
    return as_path(out)


def _train(
    run: pathlib.Path,
    networks: Networks,
    images: data.Images,
    callbacks: Sequence[keras.callbacks.Callback],
    probe: Any,
    resume: bool,
    checkpoint_seconds: float,
    begin: Callable[[], Callable[[dict[str, str]], None]],
) -> None:
    """Train the epochs that are left, and write what they leave in the run."""
    model, _, recommended = networks
    if probe is not None:
        probe = inputs.probe_images(probe, images)
    usual = watching.usual(
        run / runs.TENSORBOARD, images, recommended.epochs, recommended.seed, probe
    )
    sample = data.sample(images, _CORRELATION_IMAGES, recommended.seed)
    before = _correlation(networks, sample)
    checkpoint = checkpoints.load(run) if resume else None
    processes.check_together(checkpoint)
    if checkpoint:
        checkpoints.restore(model, checkpoint)
    with (
        backend.noticing_the_lost(),
        interrupts.stop_training(model) as stop,
        contextlib.ExitStack() as stack,
    ):
        for each in usual:
            stack.callback(getattr(each, "close", lambda: None))  # if training fails
        write_skipped = begin()
        steps = len(images) // recommended.batch_size
        given = recommended.batch_size, checkpoint_seconds, checkpoint
        record = checkpoints.Record(run, steps, *given, lambda: stop.interrupted)
        everyone = [stop, *usual, *callbacks, record]  # it records what the others add
        train(model, images, recommended, record, everyone, write_skipped)
        ended_early = record.ended_early and not stop.interrupted
        _write(run, networks)
        with errors.as_warning("The run has no cross-correlation and no picture"):
            _draw(run, before, _correlation(networks, sample))
        if ended_early or record.step == recommended.epochs * steps:
            checkpoints.remove(run)


def _begin(
    run: pathlib.Path, config: dict[str, Any], images: data.Images, resume: bool, overwrite: bool
) -> Callable[[dict[str, str]], None]:
    """Make the folder of a run; returns what adds to its images that could not be read."""
    if overwrite:
        runs.clear(run)
    if not resume:  # first: without it the folder would be no run, and not free either
        runs.write_json(run / runs.CONFIG, config)
    if not (run / runs.IMAGES).exists():  # nor does version 0.1.0 have it
        with replacing(run / runs.IMAGES) as path:
            np.savez(path, **fingerprint(images)._asdict())
    skipped = runs.read_skipped(run)

    def write_skipped(more: dict[str, str]) -> None:
        skipped.update(more)
        if skipped:
            runs.write_json(run / runs.SKIPPED, skipped)

    write_skipped(dict(images.skipped))
    return write_skipped


def _write(run: pathlib.Path, networks: Networks) -> None:
    """Write the networks."""
    model, encoder, _ = networks
    encoder.set_weights(model.encoder.get_weights())
    for name, network in ((runs.ENCODER, encoder), (runs.MODEL, model)):
        with replacing(run / name) as path:
            network.save(path)


def _draw(run: pathlib.Path, before: np.ndarray, after: np.ndarray) -> None:
    """Write the cross-correlations, and the picture of the training if Matplotlib is there."""
    with replacing(run / runs.CORRELATION) as path:
        np.savez(path, before=before, after=after)
    with errors.as_warning("The run has no picture"):
        from barlow import report  # noqa: PLC0415 - if it can be

        report.draw_training(run)


def _correlation(networks: Networks, sample: data.Images) -> np.ndarray:
    # Read twice rather than kept: a thousand large images take much memory.
    return networks.model.cross_correlation(data.in_memory(sample).pixels, _CORRELATION_FEATURES)


def _config(
    networks: Networks, images: data.Images, from_run: str | os.PathLike[str] | None
) -> dict[str, Any]:
    model, _, recommended = networks
    levels = model.levels(recommended.batch_size)
    layer: Any = model.views
    return {
        **dataclasses.asdict(recommended),
        "views_recipe": dataclasses.asdict(layer.recipe),
        "images": len(images),
        "image_shape": images.pixels.shape[1:],
        "resize": resizing.named(images.resize),
        "background": images.background,
        "from_run": None if from_run is None else str(from_run),
        "weights_sha256": _sha256(recommended.weights),
        "loss_at_start": levels.start,
        "loss_floor": levels.floor,
        "backend": keras.backend.backend(),
        "versions": {name: importlib.metadata.version(name) for name in ("barlow", "keras")},
    }


def _sha256(weights: str | None) -> str | None:
    """Of the file of weights, if there is one."""
    if weights is None or not as_path(weights).is_file():
        return None
    with as_path(weights).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_same(run: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse to resume a run with other settings than its own; versions may be newer."""
    given = json.loads(runs.as_json(given))  # as it is read back
    # Earlier versions did not write these: they cropped, and did not keep the background.
    run = {"resize": "crop", "background": given["background"], **run}
    different = [
        f"{name} is {run.get(name)!r} in the run and {given.get(name)!r} now"
        for name in dict.fromkeys([*run, *given])
        if name not in _NO_SETTINGS and run.get(name) != given.get(name)
    ]
    if different:
        raise InvalidInput(
            "A run is resumed with the settings it began with, but "
            + "; ".join(different)
            + ". Give the settings of its config.json, or start a new run from its weights "
            "(--from, from_run=...)."
        )
