"""Every error ends with the next thing to do."""

import re
from collections.abc import Sequence
from pathlib import Path

from jaxgd.cli.commands import COMMANDS

_TABLES = (".csv", ".tsv", ".parquet", ".npz", ".npy")
_IMPERATIVES = (
    "Add", "Choose", "Did you mean", "Give", "Go on", "Install", "Leave", "Look", "Put", "Run", "See", "Try",
    "Use",
)  # fmt: skip
_LAST_SENTENCE = re.compile(r"(?<=[.?!;])\s+")


def with_next_step(message: str, arguments: Sequence[str], where: str | None = None) -> str:
    """The message, followed by what to do next unless it says so itself.

    Args:
      message: one line.
      arguments: of the command line.
      where: the command and its sub-command, if the words of the command line were wrong.

    >>> with_next_step("epochs: expected 0 or more, got -1.", ["train"])
    'epochs: expected 0 or more, got -1. See jaxgd train --help.'
    >>> with_next_step("no such run. Give the folder of one.", ["report"])
    'no such run. Give the folder of one.'
    """
    message = message.rstrip()
    if where is None and says_what_to_do(message):
        return message
    ended = message if message.endswith((".", "?", "!")) else f"{message}."
    return f"{ended} {_next_step(message, arguments, where)}"


def says_what_to_do(message: str) -> bool:
    """Whether the last sentence is an imperative, or names a command.

    >>> says_what_to_do("a: 3 rows. Did you mean 'b'?"), says_what_to_do("Give it up: got 3.; it is late.")
    (True, False)
    """
    last = _LAST_SENTENCE.split(message.rstrip())[-1]
    return last.startswith(_IMPERATIVES) or "jaxgd " in last


def _next_step(message: str, arguments: Sequence[str], where: str | None) -> str:
    command = arguments[0] if arguments and arguments[0] in COMMANDS else None
    table = next((each for each in arguments if each.lower().endswith(_TABLES) and each in message), None)
    if where is None and table is not None and command != "info" and Path(table).is_file():
        return f"Look at the table with: jaxgd info {table}"
    return f"See {where or ('jaxgd ' + command if command else 'jaxgd')} --help."
