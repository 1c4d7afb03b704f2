"""The documentation's site is built, strictly, and leads everywhere: links, anchors, every public name."""

import importlib
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[2]
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
def pages(site_folder):
    """{path: Page} of the built site."""
    return {
        path.relative_to(site_folder).as_posix(): Page(path.read_text())
        for path in site_folder.rglob("*.html")
    }


def test_every_link_and_anchor_leads_somewhere(pages):
    """mkdocs does it for the pages; this also for what its theme and the docstrings add."""
    broken = []
    for path, page in pages.items():
        for link in page.links if path != "404.html" else ():  # whose links start at the server's root
            target, anchor = urldefrag(link)
            if ":" in target.split("/")[0]:
                continue
            file = (
                posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(target)))
                if target
                else path
            )
            if file not in pages or (anchor and unquote(anchor) not in pages[file].ids):
                broken.append((path, link))
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(pages):
    loaded = {link for page in pages.values() for link in page.loaded}
    assert loaded
    assert [link for link in loaded if re.match(r"[a-z]+:|//", link)] == []


@pytest.mark.parametrize("name", PUBLIC + BY_HAND)
def test_every_public_name_is_documented(name, pages):
    ids = set.union(*(page.ids for path, page in pages.items() if path.startswith("api/")))
    names = importlib.import_module(name).__all__
    assert names
    assert [each for each in names if not {f"{name}.{each}", f"{name}.{each}.{each}"} & ids] == []


def test_every_name_of_the_package_is_on_the_first_page_of_the_api(pages):
    links = pages["api/index.html"].links
    ends = {re.split(r"[#./]", link.removesuffix(".html"))[-1] for link in links}
    assert set(importlib.import_module("jaxgd").__all__) - ends == set()


def test_every_page_is_in_the_navigation(pages):
    listed = {link.partition("#")[0] for link in pages["index.html"].links}
    sources = (ROOT / "docs").rglob("*.md")
    assert {
        path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in sources
    } - listed == set()
