"""Pages of docs/ whose blocks are run, Python in order and commands, and print what the page shows."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner

from jaxgd.cli.app import app

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```(python|sh)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
PAGES = [DOCS / "coming-from-keras.md", DOCS / "keras-files.md", DOCS / "streaming.md"]


def blocks(page):
    """(language, code, what is shown below or "") of every block."""
    return BLOCK.findall(page.read_text())


def printed_by(code, names):
    """What a block of Python prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "page", "exec"), names)
    return out.getvalue()


def run_commands(lines):
    """Each line that is a command of jaxgd must succeed."""
    for line in lines.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["jaxgd"]:
            result = CliRunner().invoke(app, words[1:])
            assert result.exit_code == 0, (line, result.output, result.exception)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_prints_what_it_shows(page, tmp_path, monkeypatch):
    assert blocks(page)
    keras.utils.clear_session()  # Keras numbers its layers by how many there were
    monkeypatch.chdir(tmp_path)
    names = {}
    for language, code, shown in blocks(page):
        if language == "sh":
            run_commands(code)
        else:
            assert printed_by(code, names) == shown, code
