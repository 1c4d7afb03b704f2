"""Pages of docs/ whose blocks are run, Python in order and commands, and print what the page shows."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner

from jaxgd.cli.app import app

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```(python|sh)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
DEVICES = DOCS / "guides/devices.md"
FOLDERS = ("tutorial", "guides")
PAGES = [
    *(
        DOCS / f"{name}.md"
        for name in (
            "index",
            "coming-from-keras",
            "coming-from-scikit-learn",
            "keras-files",
            "streaming",
            "explain",
        )
    ),
    *(page for folder in FOLDERS for page in sorted((DOCS / folder).glob("*.md"))),
]
PAGES.remove(DEVICES)


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


def test_page_on_devices_in_a_process_with_four(tmp_path):
    ((_, code, shown),) = blocks(DEVICES)
    command = [sys.executable, "-W", "ignore", "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert run.stdout == shown, run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_prints_what_it_shows(page, programs, tmp_path, monkeypatch):
    """Pages count what they compile, so they begin without programs."""
    keras.utils.clear_session()  # Keras numbers its layers by how many there were
    monkeypatch.chdir(tmp_path)
    names = {}
    for language, code, shown in blocks(page):
        if language == "sh":
            run_commands(code)
        else:
            assert printed_by(code, names) == shown, code
