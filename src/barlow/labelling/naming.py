"""The rows of images by their names, in the many forms that a name may take."""

import contextlib
import posixpath
import unicodedata
from collections.abc import Iterable
from typing import Any

from barlow.vectors.table import as_text


def decoded(text: str) -> str:
    """A text whose bytes are no UTF-8 in the encoding of Windows; any other one as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        with contextlib.suppress(UnicodeDecodeError):  # nor is it that
            return text.encode("utf-8", "surrogateescape").decode("cp1252")
    return text


class Names:
    """The rows of images by their names, in any form that these may take."""

    def __init__(self, names: Iterable[Any]):
        texts = [as_text(str(name)) for name in names]
        last_first = [*enumerate(texts)][::-1]  # of equals the first counts
        self._plain = [*map(_plain, texts)]
        self._folders = {folder for text in self._plain for folder in _folders(text)}
        self._exact = {text: row for row, text in last_first}
        self._rows = {self._plain[row]: row for row, _ in last_first}
        self._by_last: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for text, row in self._rows.items():
            parts = tuple(text.split("/"))
            self._by_last.setdefault(parts[-1], []).append((parts, row))

    def find(self, name: str) -> int | None:
        """The row of an image, or ``None``.

        Args:
            name: Its name, to the character if one is; else with other spaces around it or accents
                encoded otherwise; a longer or a shorter path with the same end, if it is the only
                one; with backslashes; or in the encoding of Windows.
        """
        for form in dict.fromkeys((name, decoded(name))):
            text = as_text(form)
            if text in self._exact:
                return self._exact[text]
            plain = _plain(text)
            if plain in self._rows:
                return self._rows[plain]
            parts = tuple(plain.split("/"))
            same_end = [
                row
                for own, row in self._by_last.get(parts[-1], [])
                if own[-len(parts) :] == parts or parts[-len(own) :] == own
            ]
            if len(same_end) == 1:
                return same_end[0]
        return None

    def elsewhere(self, names: Iterable[str]) -> set[str]:
        """Which of the names of one list mean other images than those that are found for them.

        An image without a folder is found by any path that ends so: ``photos/1.png`` is ``1.png``
        of the collection of ``photos``. But in one list this is one folder; and it is none of
        those that the collection has.
        """
        outside: dict[str, str] = {}
        for name in names:
            row = self.find(name)
            plain = _plain(as_text(decoded(name)))
            folder = posixpath.dirname(plain)
            if row is not None and folder and "/" not in self._plain[row]:
                outside[name] = folder
        if len({*outside.values()}) > 1:
            return {*outside}
        return {name for name, folder in outside.items() if folder in self._folders}


def _folders(plain: str) -> Iterable[str]:
    """The folders of a name, from the nearest one on."""
    while plain := posixpath.dirname(plain):
        if plain == "/":
            return
        yield plain


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", posixpath.normpath(name.strip().replace("\\", "/")))
