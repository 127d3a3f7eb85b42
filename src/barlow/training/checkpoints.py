"""Checkpoints: the whole state of a training, so that it resumes as if it had not stopped.

A checkpoint is one file, ``checkpoints/STEP.npz``: every variable of model, optimizer and metrics,
the state of all random generators, and the metrics of the epochs so far. It is written beside its
place and renamed when it is on the disk, and the previous one stays until the next is written; so a
process may be killed at any moment. A damaged file is recognised by its checksums, and the previous
one is loaded.
"""

import contextlib
import json
import pathlib
import shutil
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from barlow import runs
from barlow.errors import InvalidInput
from barlow.paths import replacing

_KEPT = 2
_WORTH = 20  # a checkpoint is followed by training for 20 times as long as it took to write


class Checkpoint(NamedTuple):
    """Where a training stands."""

    step: int
    """Steps since its start."""
    variables: list[np.ndarray]
    """Variables of model, optimizer and metrics, in the order of the model."""
    epochs: list[dict[str, float]]
    """Metrics of the complete epochs."""
    seconds: float
    """Seconds spent in the epoch that is not complete."""
    ended_early: bool = False
    """Whether a callback has ended training here."""


def save(run: pathlib.Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint of a run, whole or not at all; the last two are kept.

    Raises:
        OSError: If it cannot be written; earlier ones stay.
    """
    folder = run / runs.CHECKPOINTS
    folder.mkdir(exist_ok=True)
    names = ("epochs", "seconds", "ended_early")
    progress = runs.as_json({name: getattr(checkpoint, name) for name in names})
    with replacing(folder / f"{checkpoint.step:012}.npz") as path:
        np.savez(path, *checkpoint.variables, progress=np.array(progress))
    there = _newest_first(run)
    kept = [path for path in there if int(path.stem) <= checkpoint.step][:_KEPT]
    # Later ones were damaged, else training had gone on from them. And what a kill left unfinished.
    for old in (*(path for path in there if path not in kept), *folder.glob(".*.partial.npz")):
        with contextlib.suppress(OSError):  # another program may hold it open
            old.unlink()


# What NumPy and zipfile raise, some of it for flags that say what they cannot do.
_DAMAGED = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


def load(run: pathlib.Path) -> Checkpoint | None:
    """The newest undamaged checkpoint of a run; ``None`` if there is none.

    Damaged ones are skipped with a warning.
    """
    for path in _newest_first(run):
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                progress = json.loads(str(arrays["progress"]))
                variables = [arrays[f"arr_{index}"] for index in range(len(arrays.files) - 1)]
            return Checkpoint(int(path.stem), variables, **progress)
        except _DAMAGED as error:
            warnings.warn(f"The checkpoint {path} is damaged and is skipped: {error}", stacklevel=2)
    return None


def remove(run: pathlib.Path) -> None:
    """Delete all checkpoints of a complete run."""
    folder = run / runs.CHECKPOINTS
    if folder.exists():
        # Renamed first: a kill between two deletions would leave the run incomplete again.
        shutil.rmtree(folder.rename(run / runs.REMOVED), ignore_errors=True)


def restore(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Set a compiled model, its optimizer built, to the state of a checkpoint.

    Raises:
        ValueError: If the checkpoint belongs to another model.
    """
    variables = _variables(model)
    given = [tuple(array.shape) for array in checkpoint.variables]
    expected = [tuple(variable.shape) for variable in variables]
    if given != expected:
        raise InvalidInput(
            "The checkpoint belongs to another model, or another version of barlow or Keras: its "
            f"{len(given)} variables do not fit the model's {len(expected)}."
        )
    for variable, array in zip(variables, checkpoint.variables, strict=True):
        if array.dtype.kind == "V":  # bfloat16, whose name NumPy's files do not keep
            array = array.view(ops.convert_to_numpy(variable).dtype)  # noqa: PLW2901
        variable.assign(array)


def _newest_first(run: pathlib.Path) -> list[pathlib.Path]:
    paths = (run / runs.CHECKPOINTS).glob("[0-9]*.npz")
    return sorted(paths, key=lambda path: int(path.stem), reverse=True)


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


class Record(keras.callbacks.Callback):
    """Writes ``metrics.jsonl`` and checkpoints of a run while ``fit`` trains.

    It adds the learning rate, the images per second and the seconds to the metrics of an epoch.

    A state with NaN or Inf is never saved: training ends with a ``FloatingPointError`` that names
    the step and the layer, and earlier checkpoints stay.

    Args:
        run: Folder of the run.
        steps_per_epoch: Steps of a whole epoch.
        batch_size: Images of a step.
        seconds: Seconds between checkpoints, >= 0; 0 writes one with every step. Longer if writing
            takes more than a twentieth of that. One is written when training is stopped, too.
        start: Checkpoint to resume from. Defaults to ``None``, from the beginning.
        interrupted: Says whether it was an interrupt that ended training. Defaults to never.

    Attributes:
        step: Steps since the training began.
        ended_early: Whether a callback ended training at the end of an epoch, as Keras'
            ``EarlyStopping`` does. One that ends it in an epoch interrupts it.
    """

    def __init__(
        self,
        run: pathlib.Path,
        steps_per_epoch: int,
        batch_size: int,
        seconds: float,
        start: Checkpoint | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ):
        super().__init__()
        self._run, self._seconds, self._start = run, seconds, start
        self._interrupted = interrupted
        self._steps_per_epoch, self._batch_size = steps_per_epoch, batch_size
        self._epochs = list(start.epochs) if start else []
        self.step = self._first_step = start.step if start else 0
        self.ended_early, self._stopped_in_epoch = bool(start and start.ended_early), False
        self._saved, self._pause = time.perf_counter(), seconds
        runs.write_metrics(run, self._epochs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Restore the metrics of a resumed epoch: Keras has reset them."""
        self._epoch_start, self._first_step = time.perf_counter(), self.step
        self._finite = True
        if self._start and self.step % self._steps_per_epoch:
            self._epoch_start -= self._start.seconds
            metrics = self.model.metrics_variables
            values = self._start.variables[-len(metrics) :] if metrics else []
            for variable, value in zip(metrics, values, strict=True):
                variable.assign(value)
        self._start = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Write a checkpoint if it is due; at the end of an epoch it has the epoch's metrics."""
        self.step = self._first_step + batch + 1
        self._stopped_in_epoch = self.model.stop_training
        due = self.step % self._steps_per_epoch and self._due()
        # The metric is a mean: NaN from the first step on that is NaN. The weights may still be
        # finite, since the loss scaling of half precision skips such a step.
        if self._finite and not np.isfinite(float((logs or {}).get("loss", 0.0))):
            self._finite = False
            due = True
        if due:
            self._save(self._epochs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the metrics of the epoch; if training was stopped, of the steps that it had."""
        metrics = _numbers(logs or {})
        seconds = time.perf_counter() - self._epoch_start
        images = ((self.step - 1) % self._steps_per_epoch + 1) * self._batch_size
        row = {
            "epoch": epoch + 1,
            **metrics,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "images_per_second": images / seconds,
            "seconds": seconds,
        }
        runs.append_metrics(self._run, row)
        whole = self.step % self._steps_per_epoch == 0
        if whole:
            self._epochs.append(row)
            self._epoch_start = time.perf_counter()  # of the next
            stopped = self.model.stop_training and not self._stopped_in_epoch
            self.ended_early = bool(stopped and not self._interrupted())
        if self.model.stop_training or self._due() or not np.isfinite(metrics.get("loss", 0.0)):
            self._save(self._epochs)

    def _due(self) -> bool:
        return time.perf_counter() - self._saved >= self._pause

    def _save(self, epochs: list[dict[str, float]]) -> None:
        begin = time.perf_counter()
        variables = [ops.convert_to_numpy(variable) for variable in _variables(self.model)]
        self._check(variables)
        seconds = begin - self._epoch_start
        save(self._run, Checkpoint(self.step, variables, epochs, seconds, self.ended_early))
        self._saved = time.perf_counter()
        self._pause = self._seconds and max(self._seconds, _WORTH * (self._saved - begin))

    def _check(self, arrays: list[np.ndarray]) -> None:
        """Refuse to save NaN or Inf, and to train on."""
        bad = [
            variable
            for variable, array in zip(_variables(self.model), arrays, strict=True)
            if not np.isfinite(array).all()
        ]
        if bad:
            good = [int(path.stem) for path in _newest_first(self._run)]
            raise FloatingPointError(
                f"NaN or Inf in {len(bad)} of {len(arrays)} variables at step {self.step}: "
                f"{self._origin(bad)}. "
                + (f"The checkpoint of step {good[0]} is intact. " if good else "")
                + "Most often the learning rate is too high: train again with a lower one."
            )

    def _origin(self, bad: list[Any]) -> str:
        """The first layer with NaN or Inf, if the step still shows it.

        The gradient reaches all weights at once. But batch normalisation keeps means of its inputs,
        which are NaN from the layer on that failed first.
        """
        ids = {id(variable) for variable in bad}
        for kind in (self.model.non_trainable_variables, self.model.trainable_variables):
            of_kind = [variable for variable in kind if id(variable) in ids]
            if of_kind and len(of_kind) < len(kind):
                layer, _, name = of_kind[0].path.rpartition("/")
                return f"the first is {name} of the layer {layer}"
        return "all weights, by the gradient"


def _numbers(logs: dict[str, Any]) -> dict[str, float]:
    """The metrics of an epoch; callbacks may add to them what is no number."""
    numbers = {}
    for name, value in logs.items():
        with contextlib.suppress(TypeError, ValueError):
            numbers[name] = float(value)
    return numbers
