"""A training on the terminal. Imported by the commands that train: it needs Keras."""

import datetime
import pathlib
import time
from typing import Any

import keras
from rich.progress import (
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from barlow import runs
from barlow.cli import show
from barlow.text import duration

_FIRST, _STEPS, _SECONDS = 2, 10, 3.0  # steps that compile; steps and seconds to judge by


class _End(ProgressColumn):
    """The time of the clock at which the work ends."""

    max_refresh = 1.0

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if left is None else f"ends {_clock(left)}", style="progress.remaining")


class TrainingProgress(keras.callbacks.Callback):
    """Settings and their reasons once, then a bar: loss, its terms, time left and its end.

    After the first steps it says how long the training will take.

    Args:
        run: Folder of the run, whose ``config.json`` is there when training begins.
    """

    def __init__(self, run: pathlib.Path):
        super().__init__()
        self._progress = Progress(
            SpinnerColumn(),
            *Progress.get_default_columns()[:2],
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            _End(),
            console=show.console,
            transient=True,
        )
        self._run, self._task = run, None
        self._steps, self._begin = 0, None

    def __enter__(self) -> "TrainingProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Show the settings; a resumed training may begin twice."""
        if self._task is None:
            config = runs.read_config(self._run)
            show.settings(config)
            self._epochs = config["epochs"]
            self._steps_per_epoch = config["images"] // config["batch_size"]
            self._progress.start()
            self._task = self._progress.add_task("Training", total=self._epochs, status="")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar."""
        if self._task is not None:
            # The rest of an epoch that was interrupted is a `fit` of fewer steps.
            before = self._steps_per_epoch - self.params["steps"]
            done = self._epoch + (before + batch + 1) / self._steps_per_epoch
            self._progress.update(self._task, completed=done)
            self._steps += 1
            self._say_how_long(done)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the loss and its terms."""
        if self._task is not None:
            terms = " ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
            status = f"epoch {epoch + 1}/{self._epochs}: {terms}"
            self._progress.update(self._task, status=status)

    def _say_how_long(self, done: float) -> None:
        """Once, when some steps are done; the first ones compile and do not count."""
        now = time.perf_counter()
        if self._steps == _FIRST:
            self._begin = now, done
        if self._begin is None or self._steps < _STEPS or now - self._begin[0] < _SECONDS:
            return
        begin, before = self._begin
        left = (now - begin) * (self._epochs - done) / (done - before)
        show.say(f"Training takes about {duration(left)} here, until {_clock(left)}.")
        self._begin = None


def _clock(seconds: float) -> str:
    """The time of the clock in some seconds; with the day and the year, if these are others."""
    now = datetime.datetime.now()
    try:
        end = now + datetime.timedelta(seconds=seconds)
    except OverflowError:
        return f"after the year {datetime.MAXYEAR}"
    day = "" if end.date() == now.date() else "%d %b "
    year = "" if end.year == now.year else "%Y "
    return f"{end:{day}{year}%H:%M}"
