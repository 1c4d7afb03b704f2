"""Links of the README and of the pages to files of this repository lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)  # code has its own brackets
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    missing = [each for each in targets if "://" not in each and not (page.parent / each).exists()]
    assert not missing


def test_commands_name_scripts_that_are_there():
    named = {name for page in PAGES for name in re.findall(r"python (scripts/[\w/]+\.py)", page.read_text())}
    assert len(named) > 10
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]
