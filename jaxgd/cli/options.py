"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--quiet`, `--no-color` and `--json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line."),
        click.option("--no-color", "color", is_flag=True, flag_value=False, default=True, help="Plain text."),
        click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors and JSON."),
    ):
        function = option(function)
    return function


on_bad_file_option = click.option(
    "--on-bad-file",
    default="stop",
    show_default=True,
    metavar="WAY",
    help="A file of a folder that cannot be read: stop, or skip it.",
)
"""`--on-bad-file`."""


def whole_numbers(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """`128,64` as (128, 64), `none` as ()."""
    if value.strip().lower() in ("none", ""):
        return ()
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"expected whole numbers such as 128,64, got {value!r}.") from None
