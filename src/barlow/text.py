"""Text that every terminal and every file takes."""

import dataclasses
from typing import Any


def printable(text: object) -> str:
    r"""Text on one line, with a backslash escape for whatever cannot be printed or encoded.

    Names of files may hold line breaks, control characters and bytes that are not UTF-8.

    Args:
        text: A text, or an object whose ``str`` is taken.

    Example:
        >>> from barlow.text import printable
        >>> printable("café\n\udce9")
        'café\\n\\udce9'
    """
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(text)
    )


def duration(seconds: float) -> str:
    """A time in words, of two units at most.

    Args:
        seconds: At least 0.

    Example:
        >>> from barlow.text import duration
        >>> duration(42.3), duration(750), duration(3 * 3600 + 300), duration(200_000)
        ('42 s', '12 min', '3 h 5 min', '2 d 7 h')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return "{} d {} h".format(*divmod(hours, 24))


def as_code(instance: Any) -> str:
    """A dataclass as code, with those of its fields that are not their defaults.

    Args:
        instance: Of a dataclass.

    Example:
        >>> import dataclasses
        >>> from barlow.text import as_code
        >>> as_code(dataclasses.make_dataclass("Point", [("x", int, 0), ("y", int, 0)])(y=2))
        'Point(y=2)'
    """
    changed = (
        f"{field.name}={getattr(instance, field.name)!r}"
        for field in dataclasses.fields(instance)
        if getattr(instance, field.name) != field.default
    )
    return f"{type(instance).__name__}({', '.join(changed)})"
