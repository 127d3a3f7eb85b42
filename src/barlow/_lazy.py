"""Imports that are made when a name is first used, so that `barlow --help` imports no Keras."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def attach(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Any]:
    """``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Args:
        package: Name of the package.
        homes: By public name the module that has it; a module's own name is the module itself.
    """

    def getattr_(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{homes[name]}")
        return module if homes[name] == name else getattr(module, name)

    return getattr_, lambda: sorted(homes)
