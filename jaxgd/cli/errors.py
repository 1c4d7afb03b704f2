"""Exit codes, and the one error that a command shows: a message, no traceback."""

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

DONE, NO, BAD, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
"""Done; the answer is no or the run diverged; bad usage or input; ended by Ctrl-C; ended by SIGTERM."""


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


@contextmanager
def saved_until_now(folder: Path, go_on: str) -> Iterator[None]:
    """Says how to go on when files can no longer be written or read, or Ctrl-C is pressed once more.

    Put around what trains and saves, once something may have been saved.
    """
    kept = f"What was saved before is untouched; go on with: {go_on}"
    try:
        yield
    except KeyboardInterrupt as error:
        click.echo(f"Interrupted at once. {kept}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from error
    except OSError as error:
        said = f"{error.filename or folder}: {error.strerror}." if error.strerror else str(error)
        raise BadInput(f"{said} {kept}") from error


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Shows what the library warns of as one line each on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: click.echo(f"Note: {message}", err=True)
        yield


@contextmanager
def leaving_on_sigterm() -> Iterator[None]:
    """Inside the block SIGTERM and SIGHUP raise `SystemExit`, so that what is half written is removed."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    in_main_thread = threading.current_thread() is threading.main_thread()
    asking = (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)) if in_main_thread else ()
    heeded = {each for each in asking if signal.getsignal(each) is signal.SIG_DFL}
    for each in heeded:
        signal.signal(each, leave)
    try:
        yield
    finally:
        for each in heeded:
            signal.signal(each, signal.SIG_DFL)
