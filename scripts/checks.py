"""Pages of measurements: checks that are too long for CI, and what came of each, when and where."""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Check(NamedTuple):
    """A command that prints JSON, and how the page shows what it printed."""

    title: str
    command: str
    show: Callable[[dict[str, Any]], list[str]]
    says: str


class Page(NamedTuple):
    """A page of checks, and the file that keeps their results."""

    introduction: str
    checks: Mapping[str, Check]
    name: str
    """docs/NAME.json and docs/NAME.md."""

    @property
    def results(self) -> Path:
        return ROOT / "docs" / f"{self.name}.json"

    @property
    def path(self) -> Path:
        return ROOT / "docs" / f"{self.name}.md"

    def text(self, results: Mapping[str, Any]) -> str:
        """The page; a check that was never run is on it as such."""
        lines = [self.introduction]
        for name, check in self.checks.items():
            lines += [f"## {check.title}", "", check.says, ""]
            if name not in results:
                lines += ["Not run yet.", ""]
                continue
            each = results[name]
            lines += [*check.show(each["found"]), ""]
            lines += [f"`{check.command}`, {each['date']}; {each['versions']}.", ""]
        return "\n".join(lines)


def main(page: Page, usage: str | None, after: Callable[[str, Any], None] | None = None) -> None:
    """Run the checks that are asked for on the command line; exit with 1 if one of them failed.

    Args:
      page: is written again after each.
      usage: the text of --help.
      after: called with the name of each check and what it found.
    """
    parser = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checks", nargs="*", choices=[[], *page.checks], help="none: all")
    failed = []
    for name in parser.parse_args().checks or list(page.checks):
        print(f"{name}: {page.checks[name].command}", flush=True)
        found = run(page.checks[name].command)
        if found is None:
            failed.append(name)
            continue
        results = json.loads(page.results.read_text()) if page.results.exists() else {}
        results[name] = found
        page.results.write_text(json.dumps(results, indent=1) + "\n")
        page.path.write_text(page.text(results))
        if after is not None:
            after(name, found["found"])
    if failed:
        sys.exit(f"failed, and not written: {', '.join(failed)}")


def run(command: str) -> dict[str, Any] | None:
    """The JSON that a command prints last, with date and versions; None if it fails."""
    words = [sys.executable if word == "python" else word for word in command.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-4000:], file=sys.stderr)
        return None
    return {
        "found": json.loads(done.stdout.splitlines()[-1]),
        "date": datetime.date.today().isoformat(),
        "versions": f"Python {platform.python_version()}, jax {version('jax')}, {platform.machine()}, "
        f"{os.cpu_count()} cores",
    }


def table(rows: dict[str, Any]) -> list[str]:
    """Names and values side by side."""
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
