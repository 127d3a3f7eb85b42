"""Memory that a backend keeps, or takes anew from the system in every call."""

import ctypes
import sys

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
