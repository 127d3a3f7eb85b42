"""The rows of images by their names, in the many forms that a name may take."""

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
        return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return text


class Names:
    """The rows of images by their names, in any form that these may take."""

    def __init__(self, names: Iterable[Any]):
        texts = [as_text(str(name)) for name in names]
        last_first = [*enumerate(texts)][::-1]  # of equals the first counts
        self._exact = {text: row for row, text in last_first}
        self._rows = {_plain(text): row for row, text in last_first}
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


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", posixpath.normpath(name.strip().replace("\\", "/")))
