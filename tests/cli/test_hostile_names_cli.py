"""Names that would be programs on a page: of columns, classes, files and folders, on every page there is."""

import re
import shutil

import pytest
from click.testing import CliRunner

from jaxgd.cli.app import app

EVIL = "<script>window.bad=1<\\script><img src=x onerror=window.bad=2>"
"""A backslash, since a file's name may hold no slash."""


def call(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    rows = "".join(f"{k % 5},{k % 3},{EVIL if k % 2 else '&amp;</script>'}\n" for k in range(40))
    (folder / f"{EVIL}.csv").write_text(f"{EVIL},b,<b>target</b>\n{rows}")
    data, small = folder / f"{EVIL}.csv", ("--hidden", "4", "--epochs", "2", "--quiet")
    call("train", data, "--out", folder / f"run {EVIL}", *small)
    shutil.copytree(folder / f"run {EVIL}", folder / "other")
    call("report", folder / f"run {EVIL}", folder / "other", "--out", folder / "compared.html")
    call("explain", folder / f"run {EVIL}", "--out", folder / "explained.html")
    call("sweep", data, "--grid", "learning_rate=1e-3,1e-2", "--out", folder / "sweep", *small)
    call("report", folder / "sweep")
    return folder


@pytest.mark.parametrize(
    "page", [f"run {EVIL}/report.html", "compared.html", "explained.html", "sweep/report.html"]
)
def test_no_name_is_a_program(folder, page):
    text = (folder / page).read_text()
    assert "window.bad" in text, "the name is there"
    outside = re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)
    assert "<script" not in outside
    assert "<img src=x" not in outside
    assert "<b>target" not in outside
    for inside in re.findall(r"<script[^>]*>(.*?)</script>", text, flags=re.DOTALL):
        assert "<script>window.bad" not in inside
        assert "</script" not in inside
