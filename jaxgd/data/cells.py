"""One cell of text: whether it is a number, and the one spelling that names a category."""

import math
import re

MISSING_MARKERS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL")
"""What a text file may write for a missing cell, after blanks around it are removed."""

# The same patterns run in Python and in polars, so they use only what both regex dialects share.
INTEGER = r"^[+-]?[0-9]+$"
NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity|nan))$"
LEADING_ZERO = r"^[+-]?0[0-9]+$"

_INTEGER, _NUMBER, _LEADING_ZERO = (re.compile(pattern) for pattern in (INTEGER, NUMBER, LEADING_ZERO))
_LONGEST_NUMBER = 40
_EXACT_IN_FLOAT = 2.0**53


def is_number(text: str) -> bool:
    """Whether a cell is written as a number (`inf` and `nan` are; `1_000` and `0x1` are not)."""
    return _NUMBER.match(text) is not None


def has_leading_zero(text: str) -> bool:
    """Whether a cell is an integer such as `007`, which is a code and not an amount."""
    return _LEADING_ZERO.match(text) is not None


def category_name(value: object) -> str:
    """The one spelling of a category, whichever file and type it came from.

    >>> category_name("1.50"), category_name(2.0), category_name(True), category_name("007")
    ('1.5', '2', 'true', '007')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float_name(value)
    return _text_name(str(value))


def category_order(name: str) -> tuple[int, float, str]:
    """The sorting key of categories: numbers by value, then text by code point."""
    if len(name) <= _LONGEST_NUMBER and is_number(name) and math.isfinite(float(name)):
        return (0, float(name), name)
    return (1, 0.0, name)


def _float_name(value: float) -> str:
    """A whole number without its point, anything else as Python writes it."""
    whole = abs(value) <= _EXACT_IN_FLOAT and value == int(value)
    return str(int(value)) if whole else repr(value)


def _text_name(text: str) -> str:
    """A finite number in its shortest spelling, anything else (codes with leading zeros too) as it is."""
    if len(text) > _LONGEST_NUMBER or has_leading_zero(text) or not is_number(text):
        return text
    if _INTEGER.match(text):
        return str(int(text))
    value = float(text)
    return _float_name(value) if math.isfinite(value) else text
