"""Exit codes, and the one error that a command shows: a message, no traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

DONE, NO, BAD, INTERRUPTED = 0, 1, 2, 130
"""Done; the answer is no or the run diverged; bad usage or input; ended by Ctrl-C."""


class BadInput(click.ClickException):
    """Something the user gave cannot be used."""

    exit_code = BAD


@contextmanager
def bad_input() -> Iterator[None]:
    """Shows what the library says about bad input as a command's message.

    Put around checks and around what reads and writes files; not around training, where an error is a defect
    whose traceback is wanted.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise BadInput(f"{where}{error.strerror or error}") from error
    except (ValueError, TypeError) as error:
        raise BadInput(" ".join(str(error).split())) from error
