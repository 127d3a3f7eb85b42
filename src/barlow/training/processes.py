"""A training of many processes: all do the same, and the first one writes the run."""

import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import numpy as np

from barlow import backend, lock, runs
from barlow.errors import InvalidInput
from barlow.training.checkpoints import Checkpoint


@contextlib.contextmanager
def own_folder(run: pathlib.Path) -> Iterator[pathlib.Path]:
    """The folder that this process trains in: of the first one the run, of others a copy.

    So all do the same, as JAX needs it to save a model, which one alone would wait for without end.
    The copies, of what a resumed run needs, are deleted at the end.

    Raises:
        InvalidInput: If not all of them see the same run there.
    """
    if backend.process_count() == 1:
        yield run
        return
    seen = runs.is_run(run) + runs.is_complete(run)
    if backend.process_index() == 0:
        _check_alike(seen)
        yield run
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "run"
        try:
            if runs.is_run(run):
                ignored = shutil.ignore_patterns(lock.NAME, runs.TENSORBOARD)
                shutil.copytree(run, copy, ignore=ignored)
        finally:
            _check_alike(seen)  # the first one changes the run afterwards
        yield copy


def check_together(checkpoint: Checkpoint | None) -> None:
    """Refuse processes that do not begin at the same step.

    Raises:
        InvalidInput: If they do not.
    """
    _check_alike(0 if checkpoint is None else checkpoint.step)


def _check_alike(seen: int) -> None:
    """Wait for the other processes, and refuse if one of them sees something else in the run."""
    if len(np.unique(backend.exchange(np.array([seen])))) > 1:
        raise InvalidInput(
            f"Not all of the {backend.process_count()} processes see the same run. Put it on a "
            "file system that all machines share."
        )
