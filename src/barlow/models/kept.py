"""Whether another process can load an encoder, which a user wrote, from a run."""

import concurrent.futures
import contextlib
import importlib
import pathlib
import sys
import tempfile
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import keras
import numpy as np

from barlow.errors import InvalidInput

_ALWAYS = {"keras", "barlow"}  # what any process has that loads a run
_OTHERS = {"jax", "numpy", "tensorflow", "torch", *sys.stdlib_module_names}  # register nothing
_TOLERANCE = 1e-3  # of the largest feature; other code computes in another order


def check_kept(encoder: keras.Model, image_shape: tuple[int, ...], module: str = "") -> None:
    """Write an encoder and read it back, as another process would.

    There are the layers and functions of Keras and of barlow, and those that importing a module
    registers with Keras. What the running program registers beside them does not count, nor do
    classes of ``__main__``.

    Args:
        encoder: Model from images to features.
        image_shape: ``(height, width, channels)`` of the images.
        module: Name of the module that is imported first; it is imported already. Defaults to
            ``""``, none.

    Raises:
        InvalidInput: If it cannot be written or read, or is not the same afterwards.
    """
    images = np.random.default_rng(0).integers(0, 256, (2, *image_shape)).astype("float32")

    def write_and_read() -> None:
        expected, again = _features(encoder, images), _features(encoder, images)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "encoder.keras"
            encoder.save(path)
            found = _features(keras.models.load_model(path, compile=False), images)
        # An encoder that draws random values never returns the same.
        if _differ(found, expected) and not _differ(again, expected):
            raise ValueError("Read back, it has other features for the same images")

    try:
        if module == "__main__":
            raise ValueError("Its function is part of the program that runs now")
        # In a thread, where none of Keras' scopes is in force that are around this call.
        with _only(_modules(module)), concurrent.futures.ThreadPoolExecutor(1) as thread:
            thread.submit(write_and_read).result()
    except Exception as error:  # of the user's layers, or of Keras for whatever reason
        # Keras tells of every object around the one at fault, and of the whole configuration.
        *_, innermost = str(error).split("Exception encountered: ")
        reason = " ".join(innermost.split()).partition(". ")[0].rstrip(".")
        where = f"the module {module}" if module else "a module, and give module:function"
        raise InvalidInput(
            "Another process could not load this encoder from the run, so it is not trained. "
            f"{type(error).__name__}: {reason}. Make your own layers and functions known with "
            f"@keras.saving.register_keras_serializable() in {where}; give layers with arguments "
            "a get_config; take layers such as Rescaling in place of Lambda."
        ) from error


def _features(encoder: keras.Model, images: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(encoder(images, training=False)).astype("float32")


def _differ(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape != b.shape or not np.allclose(a, b, atol=_TOLERANCE * np.abs(b).max())


@contextlib.contextmanager
def _only(modules: set[str]) -> Iterator[None]:
    """Keras knows only what is registered by Keras, barlow and these modules."""
    registry = keras.saving.get_custom_objects()
    before = dict(registry)
    registry.clear()
    for name, registered in before.items():
        home = getattr(registered, "__module__", None) or ""
        if home.partition(".")[0] in _ALWAYS or home in modules:
            registry[name] = registered
    try:
        yield
    finally:
        registry.update(before)  # and what was registered meanwhile


def _modules(name: str) -> set[str]:
    """The module and all that importing it imports, as far as they have names for it."""
    waiting: list[Any] = [importlib.import_module(name)] if name else []
    found: set[str] = set()
    while waiting:
        module = waiting.pop()
        if not isinstance(module, ModuleType) or module.__name__ in found | {"__main__"}:
            continue
        found.add(module.__name__)
        if module.__name__.partition(".")[0] in _ALWAYS | _OTHERS:
            continue
        waiting.append(sys.modules.get(module.__name__.rpartition(".")[0]))
        for value in vars(module).values():
            named = isinstance(value, type | FunctionType)
            waiting.append(sys.modules.get(value.__module__) if named else value)
    return found
