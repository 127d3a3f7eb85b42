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
    """
    if backend.process_index() == 0:
        _wait_for_others()
        yield run
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "run"
        try:
            if runs.is_run(run):
                ignored = shutil.ignore_patterns(lock.NAME, runs.TENSORBOARD)
                shutil.copytree(run, copy, ignore=ignored)
        finally:
            _wait_for_others()  # the first one changes the run afterwards
        yield copy


def check_together(checkpoint: Checkpoint | None) -> None:
    """Refuse processes that do not begin at the same step.

    Raises:
        InvalidInput: If they do not.
    """
    step = 0 if checkpoint is None else checkpoint.step
    steps = backend.exchange(np.array([step]))[:, 0]
    if len(np.unique(steps)) > 1:
        raise InvalidInput(
            f"The processes would begin at the steps {', '.join(map(str, steps))}: not all of them "
            "see the same run. Put it on a file system that all machines share."
        )


def _wait_for_others() -> None:
    backend.exchange(np.zeros(1))
