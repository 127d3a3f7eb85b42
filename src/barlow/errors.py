"""Errors that say what to do: what was given, what is allowed, which package is missing.

:class:`InvalidInput` and :class:`MissingPackage` are raised for what the user can mend, and for
nothing else: the command line shows their message as one sentence, and any other ``ValueError`` as
a bug of barlow.
"""

import contextlib
import difflib
import warnings
from collections.abc import Iterable, Iterator


class InvalidInput(ValueError):  # noqa: N818 - what it is, not what happened
    """An argument, a file or a combination of settings that is not valid.

    The message says what was received, what is allowed and how to mend it.
    """

    # Else TensorFlow's autograph would raise an error of its own in its place, no ``ValueError``.
    ag_pass_through = True


class MissingPackage(ModuleNotFoundError):  # noqa: N818
    """A package that is not installed; the message has the pip command that installs it."""


@contextlib.contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Import packages of an extra; if one is missing, say which extra brings it.

    Args:
        name: An extra of ``pyproject.toml``, such as ``"cli"``.
        purpose: What needs the packages, as the subject of a sentence with a singular verb.

    Raises:
        MissingPackage: If an import in the block finds no such module.

    Example:
        >>> from barlow import errors
        >>> with errors.extra("cli", "Reading image files"):
        ...     from PIL import Image
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or str(error)).partition(".")[0]
        raise MissingPackage(
            f"{purpose} needs {missing}. Install it with: pip install 'barlow[{name}]'",
            name=error.name,
        ) from error


@contextlib.contextmanager
def as_warning(
    consequence: str, but: type[Exception] | tuple[()] = FloatingPointError
) -> Iterator[None]:
    """Turn an error of what only looks at a training into a warning, so that it continues.

    Args:
        consequence: What is missing then, a sentence without its full stop.
        but: Error that is raised as it is. Defaults to ``FloatingPointError``: the training itself
            has arrived at NaN or Inf. ``()``: none.

    Example:
        >>> import warnings
        >>> from barlow import errors
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     with errors.as_warning("The run has no picture"):
        ...         raise OSError("No space left on device")
        >>> print(caught[0].message)
        The run has no picture. OSError: No space left on device
    """
    try:
        yield
    except but:
        raise
    except Exception as error:
        warnings.warn(f"{consequence}. {reason(error)}", stacklevel=3)


def reason(error: Exception) -> str:
    r"""Why something failed, on one line: frameworks say it in pages.

    Example:
        >>> from barlow import errors
        >>> errors.reason(TypeError("bad operand\n\nTraceback of the graph ..."))
        'TypeError: bad operand'
    """
    first, *_ = str(error).strip().splitlines() or [""]
    meant_for_users = isinstance(error, InvalidInput | MissingPackage)
    return first if meant_for_users else f"{type(error).__name__}: {first}"


def check_seed(seed: int) -> None:
    """Refuse a seed that NumPy's generators do not take.

    Raises:
        InvalidInput: If it is no whole number from 0 to 2^32 - 1.

    Example:
        >>> from barlow import errors
        >>> errors.check_seed(7)
    """
    if not hasattr(seed, "__index__") or not 0 <= seed < 2**32:
        raise InvalidInput(f"`seed` is a whole number from 0 to {2**32 - 1}. Received: {seed!r}.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known name and a space before it; empty if none is near.

    Example:
        >>> from barlow import errors
        >>> errors.did_you_mean("resnet81", ["conv", "resnet18"])
        " Did you mean 'resnet18'?"
    """
    by_lower_case = {each.lower(): each for each in reversed(list(known))}  # the first wins
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f" Did you mean {by_lower_case[near[0]]!r}?" if near else ""
