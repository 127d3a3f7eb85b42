"""Interrupts (Ctrl-C, SIGTERM) end training after a whole step."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def stop_training(model: keras.Model) -> Iterator[keras.callbacks.Callback]:
    """Ctrl-C and SIGTERM let the running step finish; a second one acts as usual.

    The callback belongs to ``fit``, which resets ``stop_training`` after it has built the model and
    before training begins: without it an earlier interrupt would be lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield keras.callbacks.Callback()  # only the main thread may handle signals
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    previous = {number: handler for number, handler in handlers.items() if handler is not None}
    interrupted = threading.Event()

    def as_usual() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def stop(*_: Any) -> None:
        interrupted.set()
        model.stop_training = True
        as_usual()

    def stop_again(_: Any) -> None:
        if interrupted.is_set():
            model.stop_training = True

    for number in previous:
        signal.signal(number, stop)
    try:
        yield keras.callbacks.LambdaCallback(on_train_begin=stop_again)
    finally:
        as_usual()
