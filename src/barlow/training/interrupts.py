"""Interrupts (Ctrl-C, SIGTERM) end training after a whole step."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from barlow import backend

_counted = 0


def count() -> int:
    """How many interrupts have ended a training of this process so far, or came too late to."""
    return _counted


class Stop(keras.callbacks.Callback):
    """Ends training, also if an interrupt comes before it begins.

    ``fit`` resets ``stop_training`` after it has built the model, which would lose the interrupt.

    Attributes:
        interrupted: Whether there was an interrupt.
    """

    def __init__(self) -> None:
        super().__init__()
        self.interrupted = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """End the training of all processes at the same step, whichever is interrupted."""
        if backend.process_count() > 1:
            self.interrupted = bool(backend.exchange(np.array([int(self.interrupted)])).any())
            self.model.stop_training |= self.interrupted

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """End the training of an interrupt that came before."""
        if self.interrupted and backend.process_count() == 1:
            self.model.stop_training = True


@contextlib.contextmanager
def stop_training(model: keras.Model) -> Iterator[Stop]:
    """Ctrl-C and SIGTERM let the running step finish; a second one acts as usual.

    Yields:
        A callback for ``fit``.
    """
    callback = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield callback  # only the main thread may handle signals
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    previous = {number: handler for number, handler in handlers.items() if handler is not None}

    def as_usual() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def stop(*_: Any) -> None:
        global _counted  # noqa: PLW0603 - signals are of the process
        _counted += 1
        callback.interrupted = True
        model.stop_training |= backend.process_count() == 1  # else all stop together
        as_usual()

    for number in previous:
        signal.signal(number, stop)
    try:
        yield callback
    finally:
        as_usual()
