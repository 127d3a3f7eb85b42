"""Operations of PyTorch that are a kernel each on a GPU, counted wherever they run.

What gives another view of the same memory, or memory without values, launches nothing. Everything
else that PyTorch dispatches counts once. Values that the host asks for, and tensors that it makes
of its own numbers, are what a GPU makes it wait for.
"""

import collections
import contextlib
from collections.abc import Iterator
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_NOTHING = (
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "_unsafe_view",
)
_WAITS = ("_local_scalar_dense", "nonzero")


class Launches(TorchDispatchMode):
    """Counts while it is entered, backward passes too: of kernels, and of waits for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: collections.Counter[str] = collections.Counter()
        self.waits: collections.Counter[str] = collections.Counter()
        self._numbers = _Numbers(self.waits)

    def __enter__(self) -> Self:
        self._numbers.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._numbers.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        namespace, name = func._schema.name.split("::")
        is_view = any(
            result.alias_info is not None and not result.alias_info.is_write
            for result in func._schema.returns
        )
        if name in _WAITS:
            self.waits[name] += 1
        elif namespace == "aten" and not is_view and name not in _NOTHING:
            self.kernels[name] += 1
        return func(*args, **(kwargs or {}))


class _Numbers(TorchFunctionMode):
    """Counts tensors that the host makes of its own numbers, which it copies to the device."""

    def __init__(self, waits: collections.Counter[str]) -> None:
        super().__init__()
        self._waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.tensor, torch.as_tensor) and not isinstance(args[0], torch.Tensor):
            self._waits[func.__name__] += 1
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def on_meta() -> Iterator[None]:
    """Keras computes on PyTorch's device without values, where it is an error to ask for one.

    Keras' own `device("meta")` takes every tensor there for one that it has to copy.
    """
    from keras.src.backend.common import global_state

    before = global_state.get_global_attribute("torch_device")
    global_state.set_global_attribute("torch_device", torch.device("meta"))
    try:
        with torch.device("meta"):
            yield
    finally:
        global_state.set_global_attribute("torch_device", before)
