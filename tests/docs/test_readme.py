"""The README is run: its Python, and both sides of every row of its table."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from pairs import assert_same, both_sides, run_cell, table_rows

README = (Path(__file__).parents[2] / "README.md").read_text()
TABLE = table_rows(README)


def python_blocks():
    """Each block of Python with the output that the README shows below it."""
    return re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize(("code", "shown"), python_blocks())
def test_python_block_prints_what_is_shown(code, shown):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == shown


def test_there_is_a_block_and_a_table():
    assert len(python_blocks()) >= 1
    assert len(TABLE) >= 10


def test_every_row_of_the_table_gives_the_same_numbers():
    left, right = both_sides()
    for tensorflow_cell, jaxgd_cell in TABLE:
        assert_same(run_cell(tensorflow_cell, left), run_cell(jaxgd_cell, right), jaxgd_cell)
