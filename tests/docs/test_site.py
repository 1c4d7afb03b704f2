"""The documentation's site is built, strictly, and leads everywhere: links, anchors, every public name."""

import importlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "docs/site/mkdocs.yml"
PUBLIC = [
    str(path.parent.relative_to(ROOT)).replace("/", ".")
    for path in sorted((ROOT / "jaxgd").rglob("__init__.py"))
    if "__all__ = [" in path.read_text() and path.parent.name != "jaxgd"
]
BY_HAND = ["jaxgd.model"]


class Page(HTMLParser):
    """The ids of a page, and what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loaded = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs["id"]} if "id" in attrs else set()
        if tag == "a" and "href" in attrs:
            self.links.add(attrs["href"])
        elif tag in ("img", "script", "link", "iframe"):
            self.loaded |= {attrs[word] for word in ("src", "href") if word in attrs}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{path: Page} of the site as its one command builds it, a warning being an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--config-file",
        CONFIG,
        "--site-dir",
        folder,
    ]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return {path: Page(path.read_text()) for path in folder.rglob("*.html")}


def test_every_link_and_anchor_leads_somewhere(pages):
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links start at the root of the server
            continue
        for link in page.links | page.loaded:
            target, anchor = urldefrag(link)
            if ":" in target.split("/")[0]:
                continue
            file = (path.parent / unquote(target)).resolve() if target else path
            if not file.exists() or (anchor and file in pages and unquote(anchor) not in pages[file].ids):
                broken.append((path.name, link))
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(pages):
    loaded = {link for page in pages.values() for link in page.loaded}
    assert loaded
    assert [link for link in loaded if re.match(r"[a-z]+:|//", link)] == []


@pytest.mark.parametrize("name", PUBLIC + BY_HAND)
def test_every_public_name_is_documented(name, pages):
    ids = set.union(*(page.ids for path, page in pages.items() if path.parent.name == "api"))
    names = importlib.import_module(name).__all__
    assert names
    assert [each for each in names if not {f"{name}.{each}", f"{name}.{each}.{each}"} & ids] == []


def test_every_name_of_the_package_is_on_the_first_page_of_the_api(pages):
    (page,) = (page for path, page in pages.items() if (path.parent.name, path.name) == ("api", "index.html"))
    names = importlib.import_module("jaxgd").__all__
    ends = {link.rpartition("#")[2] for link in page.links} | {Path(link).stem for link in page.links}
    assert [name for name in names if not any(end.split(".")[-1] == name for end in ends)] == []


def test_every_page_is_in_the_navigation(pages):
    (first,) = (
        page
        for path, page in pages.items()
        if path.relative_to(path.parents[0]).name == "index.html" and path.parent.name != "api"
    )
    listed = {link.partition("#")[0] for link in first.links}
    sources = {
        str(path.relative_to(ROOT / "docs").with_suffix(".html")) for path in (ROOT / "docs").rglob("*.md")
    }
    assert sources - listed == set()
