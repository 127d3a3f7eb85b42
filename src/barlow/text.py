"""Text that every terminal and every file takes."""


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
