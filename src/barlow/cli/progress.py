"""A training on the terminal. Imported by the commands that train: it needs Keras."""

import pathlib
from typing import Any

import keras
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from barlow import runs
from barlow.cli import show


class TrainingProgress(keras.callbacks.Callback):
    """Settings and their reasons once, then a bar: loss, its terms, time left.

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
            console=show.console,
            transient=True,
        )
        self._run, self._task = run, None

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
            self._progress.start()
            self._task = self._progress.add_task("Training", total=self._epochs, status="")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar."""
        if self._task is not None:
            done = (batch + 1) / self.params["steps"]
            self._progress.update(self._task, completed=self._epoch + done)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the loss and its terms."""
        if self._task is not None:
            terms = " ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
            status = f"epoch {epoch + 1}/{self._epochs}: {terms}"
            self._progress.update(self._task, status=status)
