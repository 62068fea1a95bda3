"""Names that a user may give: they become folders, ZIP entries, labels and file names."""

from __future__ import annotations

from collections.abc import Iterable
import unicodedata

from edge_vision.core.errors import UserError

MOST_LETTERS = 40
MOST_BYTES = 120  # a file system's 255, less what is put before and after a name
ALSO = ' _-'  # beside letters and digits of any script


def checked_name(text: object, what: str, taken: Iterable[str] = ()) -> str:
    """
    Give `text` as a name that every file system takes, or raise UserError with one sentence.

    what: 'category', 'data set', ... taken: names that are there already, in small or capital
    letters: some file systems do not tell them apart.
    """
    if not isinstance(text, str) or not text.strip():
        raise UserError(f'The {what} needs a name.')
    name = unicodedata.normalize('NFC', ' '.join(text.split()))
    strange = next((c for c in name if not (c.isalnum() or c in ALSO or is_mark(c))), None)
    if strange is not None:
        shown = strange if strange.isprintable() else f'U+{ord(strange):04X}'
        raise UserError(
            f"'{shorten(name)}' cannot be the name of a {what} because of its '{shown}': letters,"
            ' digits, spaces, - and _ would do.'
        )
    if len(name) > MOST_LETTERS or len(name.encode()) > MOST_BYTES:
        raise UserError(
            f"'{shorten(name)}' has {len(name)} letters; the name of a {what} may have"
            f' {MOST_LETTERS}, or fewer where they are not plain ones.'
        )
    if not name[0].isalnum():
        raise UserError(
            f"The name of a {what} begins with a letter or a digit, '{name}' does not."
        )
    if name.casefold() in {one.casefold() for one in taken}:
        raise UserError(f"There is a {what} '{name}' already.")
    return name


def is_mark(letter: str) -> bool:
    """Tell whether it belongs to the letter before it, as the vowels of many scripts do."""
    return unicodedata.category(letter) in ('Mn', 'Mc') and not 0xFE00 <= ord(letter) <= 0xFE0F


def shorten(text: str, most: int = 30) -> str:
    """Cut a text for a sentence."""
    return text if len(text) <= most else text[: most - 3] + '...'
