"""How many epochs fit into a time: planned once, from a short training that is thrown away.

The short training does all that the real one will: it builds and compiles, reads batches, looks at
the encoder, and writes a run. Of it are known what a step, an epoch and a look cost, and what is
left: the cost of beginning and ending. Where the device may be faster in half precision, and the
precision is open, a second one says whether it is.
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

from barlow import backend, data, errors, models, recommendation, runs
from barlow.callbacks.run import epochs_between_looks
from barlow.errors import InvalidInput
from barlow.settings import Settings
from barlow.text import duration
from barlow.training import interrupts, reading_time

_PART = 0.95  # of the time is planned for: checkpoints are written, and machines are not even
_FEW_STEPS = 300  # with fewer, smaller images are tried; a guess, see docs/decisions/0015
_SMALLEST = 32  # pixels
_STEPS, _EPOCHS = 12, 39  # of the short training: steps of an epoch, and epochs at most
_AHEAD = 4  # first steps of an epoch, whose batches were read while the encoder was looked at
_ENOUGH, _SHARE, _LEAST = 2.0, 0.02, 5.0  # seconds in steps; or of the time, and seconds at least
_HALF = "mixed_bfloat16"  # it has the range of float32, so that nothing overflows
_TENTH = 0.1  # of the time: where the short training took more, there is no second one
_MOST = 0.5  # of the time that is left, for reading all images at a smaller size
_SIDE, _TIMES = 1024, 5  # of a matrix, whose product is timed in both precisions
_PROMISES, _GAIN = 1.5, 1.1  # how much faster a product, and then a step, must be in half precision


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
    dtype_policy: str | None = None
    """If another than that of the settings is faster."""
    reason: str = ""
    """Why."""


def plan(
    images: data.Images,
    settings: Settings,
    train: Callable[..., Any],
    begun: float,
    run: pathlib.Path | None = None,
) -> Plan:
    """Epochs that end in ``settings.minutes``, with all that is before and after them.

    If the precision is open, it is bfloat16 where steps are faster with it. If few steps fit, and
    the size of the images is open, it is halved.

    Args:
        images: Training images.
        settings: With ``minutes``, and without ``epochs``.
        train: Trains on images into the folder of a new run: ``train(images, out, settings,
            callbacks)``.
        begun: When the time began, as ``time.perf_counter()`` has it.
        run: A run that is resumed: its plan stands. Defaults to ``None``.

    Raises:
        InvalidInput: If not even one fits.
    """
    minutes = settings.minutes or math.inf
    if run is not None:
        config = runs.read_config(run)
        seconds = config.get("planned_seconds") or math.nan
        policy = settings.dtype_policy or config["dtype_policy"]
        return Plan(images, config["epochs"], seconds, policy)
    tried, settings, reason = _try_sizes(images, settings, train, begun)
    # Trying a smaller size takes time, too: of little, that may leave less of it.
    fits = [_epochs_in_time(minutes, begun, costs, steps) for _, costs, steps in tried]
    images, costs, steps = tried[fits.index(max(fits))]
    epochs = max(fits)
    if not epochs:
        left, one = _seconds_left(minutes, begun, costs), costs.of(1, steps)
        need = math.ceil(10 * (minutes + (one - left) / 60 / _PART)) / 10
        raise InvalidInput(
            f"An epoch of {len(images):,} images takes about {duration(one)} here, and of the "
            f"{duration(60 * minutes)} given {duration(max(0, left))} are left for it, beside what "
            f"comes before and after. Give at least {need:g} minutes, fewer or smaller images, or "
            "a smaller encoder."
        )
    if settings.warmup_epochs is not None and epochs <= settings.warmup_epochs:
        raise InvalidInput(
            f"{epochs} epochs fit into {minutes:g} minutes here, and `warmup_epochs` must be "
            f"fewer. Received: {settings.warmup_epochs}. Give fewer, or more minutes."
        )
    return Plan(images, epochs, costs.of(epochs, steps), settings.dtype_policy, reason)


def _try_sizes(
    images: data.Images, settings: Settings, train: Callable[..., Any], begun: float
) -> tuple[list[tuple[data.Images, Costs, int]], Settings, str]:
    """What was tried: images, what they cost, and steps of an epoch. And the precision, and why."""
    # Learned weights may fit images of this size alone.
    is_open = settings.encoder == "auto" and settings.weights is None and images.size_is_open
    minutes, reason, tried = settings.minutes or math.inf, "", []
    may_be_half = _precision_is_open(settings)
    while True:
        shape = images.pixels.shape[1:]
        # Whether the epochs are more than those of the warm-up is known when they are planned.
        open_ = dataclasses.replace(settings, warmup_epochs=None)
        batch_size = recommendation.recommend(len(images), shape, open_).batch_size
        steps = len(images) // batch_size
        costs = measure(images, settings, batch_size, train)
        in_time = time.perf_counter() - begun < _TENTH * 60 * minutes
        if _together(may_be_half and in_time):
            settings, costs, reason = _faster(images, settings, batch_size, train, costs)
        may_be_half = False
        reading = reading_time.measure(images, settings.seed + 1 + len(tried))
        own = batch_size / backend.process_count()  # images of a batch that a process reads
        step = max(costs.step, own * reading.image)
        costs = costs._replace(step=step, once=costs.once + reading.begin)
        tried.append((images, costs, steps))
        few = _epochs_in_time(minutes, begun, costs, steps) * steps < _FEW_STEPS
        size = shape[0] // 2, shape[1] // 2
        if not (is_open and few) or size[0] < _SMALLEST:
            return tried, settings, reason
        seconds = reading_time.at_size(images, size, settings.seed)
        if not _together(seconds < _MOST * _seconds_left(minutes, begun, costs)):
            return tried, settings, reason
        images = dataclasses.replace(data.at_size(images, size), size_is_open=True)


def _seconds_left(minutes: float, begun: float, costs: Costs) -> float:
    """For the epochs."""
    return _PART * 60 * minutes - (time.perf_counter() - begun) - costs.once


def _epochs_in_time(minutes: float, begun: float, costs: Costs, steps: int) -> int:
    return int(_together(fitting(costs, steps, _seconds_left(minutes, begun, costs))))


def _precision_is_open(settings: Settings) -> bool:
    """Whether neither the settings nor Keras' global policy say it, nor an encoder of the user."""
    is_own = models.is_file(settings.encoder) or models.is_function(settings.encoder)
    is_given = is_own or settings.dtype_policy is not None
    return not is_given and recommendation.dtype_policy(settings) == "float32"


def _faster(
    images: data.Images,
    settings: Settings,
    batch_size: int,
    train: Callable[..., Any],
    in_float32: Costs,
) -> tuple[Settings, Costs, str]:
    """Settings in half precision, what they cost, and why; or those in float32 if it is no gain."""
    with errors.as_warning("Training stays in float32", but=()):  # not every device can do it
        if _together(_half_precision_promises()):
            half = dataclasses.replace(settings, dtype_policy=_HALF)
            costs = measure(images, half, batch_size, train)
            gain = _together(in_float32.step / costs.step)
            if gain > _GAIN:
                return half, costs, f"a step is {gain:.1f} times as fast as in float32, measured"
    return settings, in_float32, ""


def _half_precision_promises() -> bool:
    """Whether the device multiplies matrices faster in bfloat16; where it cannot, it is slower."""
    taken = {}
    for dtype in ("float32", "bfloat16"):
        matrix = keras.ops.full((_SIDE, _SIDE), 1 / _SIDE, dtype)
        seconds = []
        for _ in range(_TIMES):
            begin = time.perf_counter()
            float(keras.ops.matmul(matrix, matrix)[0, 0])  # waits for the device
            seconds.append(time.perf_counter() - begin)
        taken[dtype] = min(seconds)
    return taken["float32"] > _PROMISES * taken["bfloat16"]


def _together(value: float) -> float:
    """The smallest of all processes, which must decide alike."""
    return float(backend.exchange(np.array([value], "float64")).min())


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
    interrupted, begin = interrupts.count(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            train(some, pathlib.Path(folder) / "run", short, [watch])
        except OSError as error:
            if not str(error.filename or "").startswith(folder):
                raise
            raise OSError(
                error.errno,
                f"A short training is tried in a temporary folder (TMPDIR). {error.strerror}",
                error.filename,
            ) from error
    if not watch.ended or not _together(interrupts.count() == interrupted):
        raise KeyboardInterrupt  # which ended it after a step, or would after this training
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
        # Each process has its own clock, and all must end together.
        enough = bool(_together(known > _ENOUGH or now - self._begin > self._patience))
        if self.model.stop_training:  # an interrupt in the meantime
            return
        self.ended = (epoch > 0 and enough) or epoch + 1 == _EPOCHS
        self.model.stop_training |= self.ended

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
