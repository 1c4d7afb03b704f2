"""What commands print: tables, lines, one JSON object."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


class Output:
    """Where a command writes.

    Args:
      quiet: nothing but errors and JSON.
      color: False for plain text; the variable NO_COLOR does the same.
    """

    def __init__(self, quiet: bool = False, color: bool = True) -> None:
        self.quiet = quiet
        self.console = Console(
            file=sys.stdout, no_color=None if color else True, highlight=False, quiet=quiet
        )

    def line(self, text: str = "") -> None:
        """One line of plain text: brackets in it are not markup."""
        self.console.print(text, markup=False, soft_wrap=True)

    def table(self, title: str, rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> None:
        """Rows of cells; the first column is what it is about."""
        self.console.print(Text(title, style="bold"), soft_wrap=True)
        table = Table(show_header=bool(header), box=None)
        cells = [[Text(str(cell)) for cell in row] for row in rows]
        width = max((len(row) for row in cells), default=0)
        for place in range(width):
            name = header[place] if header else ""
            table.add_column(Text(name), style="cyan" if place == 0 else "", overflow="fold")
        for row in cells:
            table.add_row(*row)
        self.console.print(table)
        self.line()

    def json(self, value: Mapping[str, Any]) -> None:
        """One JSON object on one line, quiet or not."""
        sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")
        sys.stdout.flush()


def number(value: float | None) -> str:
    """Six significant digits, or a dash."""
    return "-" if value is None else f"{value:.6g}"
