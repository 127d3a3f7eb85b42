"""How many epochs fit into a time: planned once, from a short training that is thrown away.

The short training does all that the real one will: it builds and compiles, reads batches, looks at
the encoder, and writes a run. Of it are known what a step, an epoch and a look cost, and what is
left: the cost of beginning and ending.
"""

import dataclasses
import math
import pathlib
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from barlow import backend, data, recommendation, runs
from barlow.callbacks.run import epochs_between_looks
from barlow.errors import InvalidInput
from barlow.settings import Settings

_PART = 0.95  # of the time is planned for: checkpoints are written, and machines are not even
_FEW_STEPS = 300  # with fewer, smaller images are tried; a guess, see docs/decisions/0015
_SMALLEST = 32  # pixels
_STEPS, _EPOCHS = 12, 39  # of the short training: steps of an epoch, and epochs at most
_AHEAD = 4  # first steps of an epoch, whose batches were read while the encoder was looked at
_ENOUGH, _SHARE, _LEAST = 2.0, 0.02, 5.0  # seconds in steps; or of the time, and seconds at least


class Costs(NamedTuple):
    """What a training takes, in seconds."""

    step: float
    epoch: float
    """Beside its steps."""
    look: float
    """At the encoder, see :func:`barlow.callbacks.usual`."""
    once: float
    """Before and after all epochs."""

    def of(self, epochs: int, steps: int) -> float:
        """Seconds of some epochs, each of some steps."""
        looks = epochs // epochs_between_looks(epochs)
        return epochs * (steps * self.step + self.epoch) + looks * self.look


class Plan(NamedTuple):
    """What to train on, and how long."""

    images: data.Images
    """Of a smaller size, if that is open and too few steps would fit."""
    epochs: int
    seconds: float
    """That the epochs will take."""


def plan(
    images: data.Images,
    settings: Settings,
    train: Callable[..., Any],
    begun: float,
    run: pathlib.Path | None = None,
) -> Plan:
    """Epochs that end in ``settings.minutes``, with all that is before and after them.

    If few steps fit, and the size of the images is open, it is halved.

    Args:
        images: Training images.
        settings: With ``minutes``, and without ``epochs``.
        train: Trains on images into the folder of a new run: ``train(images, out, settings,
            callbacks)``.
        begun: When the time began, as ``time.perf_counter()`` has it.
        run: A run that is resumed: its plan stands. Defaults to ``None``.

    Raises:
        InvalidInput: If epochs are given, too, or not even one fits.
    """
    minutes = settings.minutes or math.inf
    if settings.epochs is not None:
        raise InvalidInput(
            "`minutes` plans the epochs, and `epochs` says how many there are: give one of them. "
            f"Received: minutes={minutes:g} and epochs={settings.epochs}."
        )
    if run is not None:
        config = runs.read_config(run)
        return Plan(images, config["epochs"], config.get("planned_seconds") or math.nan)
    smaller = settings.image_size is None and settings.encoder == "auto" and images.size_is_open
    while True:
        shape = images.pixels.shape[1:]
        batch_size = recommendation.recommend(len(images), shape, settings).batch_size
        steps = len(images) // batch_size
        costs = measure(images, settings, batch_size, train)
        left = _PART * 60 * minutes - (time.perf_counter() - begun) - costs.once
        epochs = fitting(costs, steps, left)
        if backend.process_count() > 1:
            epochs = int(backend.exchange(np.array([epochs])).min())
        if not smaller or epochs * steps >= _FEW_STEPS or shape[0] // 2 < _SMALLEST:
            break
        images = dataclasses.replace(
            data.at_size(images, (shape[0] // 2, shape[1] // 2)), size_is_open=True
        )
    if not epochs:
        need = math.ceil(10 * (minutes + (costs.of(1, steps) - left) / 60 / _PART)) / 10
        raise InvalidInput(
            f"An epoch of {len(images):,} images takes about {costs.of(1, steps) / 60:.1f} minutes "
            f"here, and of the {minutes:g} given only {max(0, left) / 60:.1f} are left for "
            f"it. Give at least {need:g} minutes, fewer or smaller images, or a smaller encoder."
        )
    return Plan(images, epochs, costs.of(epochs, steps))


def fitting(costs: Costs, steps: int, seconds: float) -> int:
    """The most epochs, each of some steps, that take no more than some seconds; may be 0."""
    # With one more epoch there may be fewer looks, so the most is sought from above.
    most = int(max(0.0, seconds) / (steps * costs.step + costs.epoch))
    return next(n for n in range(most, -1, -1) if not n or costs.of(n, steps) <= seconds)


def measure(
    images: data.Images, settings: Settings, batch_size: int, train: Callable[..., Any]
) -> Costs:
    """What a training costs, measured on one that is thrown away."""
    together = settings.steps_per_execution
    steps = min(len(images) // batch_size, together * math.ceil(_STEPS / together))
    some = data.sample(images, steps * batch_size, settings.seed)
    short = dataclasses.replace(settings, epochs=_EPOCHS, minutes=None, warmup_epochs=None)
    watch = _Watch(max(_LEAST, _SHARE * 60 * (settings.minutes or 0)))
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train(some, pathlib.Path(folder) / "run", short, [watch])
    if not watch.ended:
        raise KeyboardInterrupt  # which ended it after a step, as it does any training
    return watch.costs(time.perf_counter() - begin)


class _Watch(keras.callbacks.Callback):
    """Measures a training and ends it, when enough is known.

    It comes after those that look at the encoder, and before the one that keeps the metrics.

    Args:
        patience: Seconds after which two epochs are enough.

    Attributes:
        ended: Whether the training came to its end, and not to an interrupt.
    """

    def __init__(self, patience: float):
        super().__init__()
        self.ended, self._patience = False, patience
        self._steps: list[list[tuple[int, float]]] = []  # of every epoch: steps at once, seconds
        self._looks: list[float] = []
        self._begin = self._before = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the steps of an epoch."""
        self._steps.append([])
        self._batch = -1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure the steps since the last call."""
        now = time.perf_counter()
        self._steps[-1].append((batch - self._batch, now - self._before))
        self._before, self._batch = now, batch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure the look that others have had, and end the training if enough is known."""
        if self.model.stop_training:
            return
        now = time.perf_counter()
        self._looks.append(now - self._before)
        self._before = now
        known = sum(seconds for each in self._steps[1:] for _, seconds in each)
        enough = known > _ENOUGH or now - self._begin > self._patience
        if backend.process_count() > 1:  # each has its own clock, and all must end together
            enough = bool(backend.exchange(np.array([int(enough)])).all())
        self.ended = (epoch > 0 and enough) or epoch + 1 == _EPOCHS
        self.model.stop_training = self.ended

    def costs(self, seconds: float) -> Costs:
        """What is known, of a training that took some seconds in all."""
        later = self._steps[1:]  # the first epoch compiles
        settled = [each for epoch in later for each in epoch[min(_AHEAD, len(epoch) - 1) :]]
        step = sum(taken for _, taken in settled) / sum(count for count, _ in settled)
        firsts = [epoch[0] for epoch in later]
        gap = max(0.0, float(np.median([taken - count * step for count, taken in firsts])))
        look = float(np.median(self._looks[1:]))
        steps = sum(count for epoch in self._steps for count, _ in epoch)
        spent = steps * step + len(self._steps) * gap + len(self._looks) * look
        return Costs(step, gap, look, max(0.0, seconds - spent))
