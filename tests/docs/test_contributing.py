"""docs/contributing.md: the picture is true of the imports, and what the page names is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/contributing.md").read_text()
PICTURE = (ROOT / "docs/images/architecture.svg").read_text()
LEVELS = [
    words.split(" · ")
    for words in re.findall(r">([^<]+)</text>", re.search(r'font-size="13">(.*?)</g>', PICTURE, re.DOTALL)[1])
][::-1]
LEVEL = {word: height for height, words in enumerate(LEVELS) for word in words}


def level_of(module):
    """The height of a module; small shared files are at the bottom, `model_parts` beside `model`."""
    name = "model" if module.startswith("model_") else module
    return LEVEL.get(name, 0 if name.startswith("_") else None)


def imported_by(path):
    """The modules of the package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "jaxgd":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxgd."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("jaxgd."))


def test_every_module_is_in_the_picture():
    modules = {path.stem for path in (ROOT / "jaxgd").iterdir() if path.suffix in ("", ".py")}
    public = {name for name in modules if not name.startswith("_")}
    assert {name for name in public if level_of(name) is None} == set()


def test_imports_point_down_in_the_picture():
    upward = []
    for path in (ROOT / "jaxgd").glob("*/**/*.py"):
        own = level_of(path.relative_to(ROOT / "jaxgd").parts[0])
        upward += [(path.name, name) for name in imported_by(path) if (level_of(name) or 0) > own]
    assert upward == []


def test_every_file_and_table_that_is_named_exists():
    files = re.findall(r"`((?:jaxgd|docs|scripts|tests)/[\w/.]+)`", PAGE)
    assert len(files) > 10
    assert [name for name in files if "NAME" not in name and not (ROOT / name).exists()] == []
    tables = re.findall(r"`([A-Z]{4,})`,? in\s`(jaxgd/[\w/.]+)`", PAGE)
    assert len(tables) >= 4
    assert [pair for pair in tables if f"\n{pair[0]}" not in (ROOT / pair[1]).read_text()] == []
