"""Memory that a backend keeps, or gets anew with every call."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h: what to give back, what to map apart


def maps_memory_anew() -> bool:
    """Whether a compiled function gets its memory from the system with every call.

    XLA does on a CPU, in JAX. The system clears memory before it gives it away, which takes as
    long as computing with it; only small pieces of memory are kept for the next call.
    """
    import keras  # noqa: PLC0415 - not before a backend is chosen

    return keras.backend.backend() == "jax" and keras.distribution.list_devices()[0][:3] == "cpu"


def keep_freed_memory() -> None:
    """Let the process keep memory that arrays free, for the next arrays, with PyTorch on Linux.

    PyTorch asks the C library for the memory of every array. By default that gives what large
    arrays free back to the system at once, which clears it before it gives it away again: on a
    CPU that takes as long as many a computation. The memory of the process stays at its peak.
    Nothing changes with other backends, which keep memory themselves, or with other C libraries.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch" and sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
