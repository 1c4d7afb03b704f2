"""The one error that reading or writing a Keras file raises, and the checks of what a file declares."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

LARGEST_DIMENSION = 2**31 - 1
LONGEST_STRING = 1000


class KerasFileError(ValueError):
    """A file is not what it should be, or a model cannot be written in Keras's format."""


@contextmanager
def failing_in(where: str) -> Iterator[None]:
    """What a declared value makes jaxgd raise comes out as a `KerasFileError` that says where it stood."""
    try:
        yield
    except KerasFileError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, ArithmeticError) as error:
        raise KerasFileError(f"{where}: {error}") from error


WITHOUT_TRAINING = " load(path, training=False) leaves the training out."
"""What to do about a training that cannot be read."""


@contextmanager
def failing_in_training() -> Iterator[None]:
    """What cannot be read of a model's training comes out with the way to read the model without it."""
    try:
        yield
    except KerasFileError as error:
        if "training=False" in str(error):
            raise
        raise KerasFileError(f"{error}{WITHOUT_TRAINING}") from error


def check_mapping(value: Any, where: str) -> dict[str, Any]:
    """`value`, if it is a JSON object."""
    if not isinstance(value, dict):
        raise KerasFileError(f"{where}: expected an object, got {shown(value)}.")
    return value


def check_list(value: Any, where: str) -> list[Any]:
    """`value`, if it is a JSON array."""
    if not isinstance(value, list):
        raise KerasFileError(f"{where}: expected a list, got {shown(value)}.")
    return value


def check_string(value: Any, where: str) -> str:
    """`value`, if it is a string of at most 1,000 characters."""
    if not isinstance(value, str) or len(value) > LONGEST_STRING:
        raise KerasFileError(f"{where}: expected a string, got {shown(value)}.")
    return value


def check_flag(value: Any, where: str) -> bool:
    """`value`, if it is true or false."""
    if not isinstance(value, bool):
        raise KerasFileError(f"{where}: expected true or false, got {shown(value)}.")
    return value


def check_number(value: Any, where: str) -> float:
    """`value` as a float, if it is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise KerasFileError(f"{where}: expected a number, got {shown(value)}.")
    with failing_in(where):
        return float(value)


def check_count(value: Any, where: str, minimum: int = 1) -> int:
    """`value`, if it is an integer from `minimum` to 2**31 - 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= LARGEST_DIMENSION:
        raise KerasFileError(f"{where}: expected an integer of at least {minimum}, got {shown(value)}.")
    return value


def check_shape(value: Any, where: str) -> tuple[int, ...]:
    """The shape of one row from a shape with the batch first, `[null, 5]`."""
    sizes = check_list(value, where)
    if len(sizes) < 2:
        raise KerasFileError(f"{where}: expected the batch and at least one size, got {shown(value)}.")
    if sizes[0] is not None:
        check_count(sizes[0], where)
    return tuple(check_count(size, where) for size in sizes[1:])


def check_keys(config: Mapping[str, Any], known: Any, where: str) -> None:
    """Raises for a setting that jaxgd has no meaning for."""
    unknown = sorted(config.keys() - set(known))
    if unknown:
        raise KerasFileError(f"{where}: unknown setting {unknown[0]!r} = {shown(config[unknown[0]])}.")


def shown(value: Any) -> str:
    """A value from a file, short enough for a message."""
    text = repr(value[:100] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
