"""What is installed here, what runs, and what is missing for which feature."""

import importlib
import importlib.metadata
import os
import platform
from typing import NamedTuple

from packaging.requirements import Requirement

from barlow import backend

_EXTRAS = {
    "cli": "image files, evaluation, pictures, the command",
    "data": "files of vectors, Parquet, Hugging Face datasets",
    "export": "encoders for other programs",
    "heif": "photos of phones (HEIC)",
    "hub": "encoders of KerasHub",
    "ray": "embedding on a Ray cluster",
    "search": "searching among millions of vectors",
}


class Missing(NamedTuple):
    """Packages that a feature lacks."""

    purpose: str
    packages: list[str]
    """Names, with the version that is installed if it is too old."""
    command: str
    """What installs them."""


class Findings(NamedTuple):
    """What :func:`examine` finds."""

    facts: dict[str, str]
    missing: list[Missing]


def examine() -> Findings:
    """Look at this installation. The backend is imported, if there is one.

    Example:
        >>> from barlow import installation
        >>> installation.examine().facts["barlow"]
        '0.1.0'
    """
    facts = {
        "barlow": importlib.metadata.version("barlow"),
        "Python": f"{platform.python_version()} on {platform.platform()}",
        "Keras": importlib.metadata.version("keras"),
        "NumPy": importlib.metadata.version("numpy"),
        **_backend(),
        "processor cores": str(os.cpu_count()),
        "memory": _memory(),
    }
    missing = []
    if facts["backend"] == "none":
        choices = ", ".join(backend.BACKENDS)
        missing.append(Missing("a backend of Keras", [f"one of {choices}"], _pip("tensorflow")))
    for extra, purpose in _EXTRAS.items():
        if packages := _lacking(extra):
            missing.append(Missing(purpose, packages, _pip(extra)))
    return Findings(facts, missing)


def _backend() -> dict[str, str]:
    try:
        import keras  # noqa: PLC0415 - there may be no backend

        name = keras.backend.backend()
        version = importlib.import_module(name).__version__
    except ImportError:
        return {"backend": "none"}
    return {"backend": f"{name} {version}", "devices": ", ".join(backend.devices())}


def _memory() -> str:
    try:
        page, pages, free = map(os.sysconf, ("SC_PAGE_SIZE", "SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not on every system
        return "not known"
    return f"{page * pages / 2**30:.1f} GiB, {page * free / 2**30:.1f} GiB of them free"


def _lacking(extra: str) -> list[str]:
    """Packages of an extra that are not installed or too old."""
    lacking = []
    for text in importlib.metadata.requires("barlow") or []:
        requirement = Requirement(text)
        if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            lacking.append(requirement.name)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            lacking.append(f"{requirement.name}{requirement.specifier} ({version} is installed)")
    return lacking


def _pip(extra: str) -> str:
    return f"pip install 'barlow[{extra}]'"
