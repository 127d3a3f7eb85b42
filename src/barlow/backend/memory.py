"""Memory that a backend keeps, or takes anew from the system in every call."""

import contextlib
import ctypes
import sys
import threading
from collections.abc import Iterator
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h: what to give back, what to map apart


def maps_memory_anew() -> bool:
    """Whether a compiled function takes its memory from the system in every call.

    XLA does on a CPU, in JAX. The system clears memory before it hands it out, which takes as
    long as computing with it. Only small pieces of memory are kept for the next call.
    """
    import keras  # noqa: PLC0415 - not before a backend is chosen

    return keras.backend.backend() == "jax" and keras.distribution.list_devices()[0][:3] == "cpu"


def keep_freed_memory() -> None:
    """Let the process reuse the memory of freed arrays, with PyTorch on Linux.

    PyTorch allocates every array with the C library. By default that returns the memory of large
    arrays to the system at once, and the system clears it before it hands it out again: on a CPU
    this takes as long as many computations. With this, the memory of the process stays at its
    peak. Nothing changes with the other backends, which keep memory themselves, or with other C
    libraries.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch" and sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextlib.contextmanager
def forgetting_graphs() -> Iterator[None]:
    """Let TensorFlow forget the graphs that this thread makes in the block.

    TensorFlow registers every gradient of ``tf.custom_gradient`` for the life of the process, and
    with it the graph that it is part of: all of a training step. Those that are registered in the
    block are deleted at its end, so a graph made in it is not to be differentiated afterwards.
    Nothing changes with the other backends.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() != "tensorflow":
        yield
        return
    known = _gradients()
    outer, _thread.names = getattr(_thread, "names", None), []
    try:
        yield
    finally:
        for name in _thread.names:
            known.pop(name, None)
        _thread.names = outer


_thread = threading.local()  # `names`: of gradients that were registered in a block


class _Noted(dict[str, Any]):
    """Gradients by name. Other threads may make graphs of their own meanwhile, which stay."""

    def __setitem__(self, name: str, gradient: Any) -> None:
        super().__setitem__(name, gradient)
        names = getattr(_thread, "names", None)
        if names is not None:
            names.append(name)


def _gradients() -> dict[str, Any]:
    """What TensorFlow has registered, and notes from now on."""
    from tensorflow.python.framework import ops  # noqa: PLC0415 - there is no public way

    registry = getattr(ops, "gradient_registry", None)
    known = getattr(registry, "_registry", None)
    if registry is None or known is None:
        return {}  # of another version, in which memory grows as with Keras alone
    if not isinstance(known, _Noted):
        registry._registry = known = _Noted(known)
    return known
