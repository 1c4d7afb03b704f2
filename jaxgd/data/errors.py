"""The one error of this package, and the limit that several readers share."""

from collections.abc import Iterable

from jaxgd._checks import unknown_name

DEFAULT_MAX_BYTES = 8 * 2**30
"""How many bytes a table or its encoding may take, unless the caller says otherwise: 8 GiB."""


class DataError(ValueError):
    """Data that cannot be used. The message says what, where, got and expected.

    >>> issubclass(DataError, ValueError)
    True
    """


def unknown(kind: str, name: object, known: Iterable[str], where: str) -> DataError:
    """The error for a name that `where` does not have, with the nearest name that it has."""
    return DataError(f"{where}: {unknown_name(kind, name, known)}")


def check_bytes(needed: int, max_bytes: int, what: str) -> None:
    """Refuses what would take more than `max_bytes` before anything is allocated."""
    if needed > max_bytes:
        raise DataError(f"{what}: needs {needed:,} bytes, expected at most {max_bytes:,}.")
