"""Words of somebody else's files, made harmless for what shows them: a terminal, and a spreadsheet."""

import re
import unicodedata
from typing import Any

_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the order of the letters around them."""
_BEGINNINGS = "=+\\-@\t\r\uff1d\uff0b\uff0d\uff20"
"""What a cell begins with that spreadsheets take for a formula; the last four are the wide forms."""
FORMULA = f"^[{_BEGINNINGS}]"
"""Pattern of a cell that spreadsheets take for a formula, unless it is a number."""
NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
"""Pattern of a number, with or without its sign."""


def printable(text: str, lines: bool = False) -> str:
    r"""Return a text whose control characters, as of a terminal's colours and titles, are �.

    Args:
        text: with words of a file.
        lines: whether it may have several lines, and tabs.

    >>> printable("a\x1b[31m\u202eb\ud800\n"), printable("a\nb", lines=True)
    ('a�[31m�b��', 'a\nb')
    """
    if text.isprintable():
        return text
    return "".join("�" if _is_control(letter) and not (lines and letter in "\n\t") else letter for letter in text)


def _is_control(letter: str) -> bool:
    return letter in _TURNS or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def neutral_cell(value: Any) -> Any:
    """Return a cell for a CSV file: a text that a spreadsheet would take for a formula gets a ' before it.

    >>> [neutral_cell(value) for value in ("=1+1", "-0.5", "-5 °C", -3, "plain")]
    ["'=1+1", '-0.5', "'-5 °C", -3, 'plain']
    """
    if not isinstance(value, str) or not re.match(FORMULA, value) or re.fullmatch(NUMBER, value):
        return value
    return f"'{value}"
