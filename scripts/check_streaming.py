"""Measures streaming, and writes the tables of docs/streaming.md.

    python scripts/check_streaming.py FOLDER                 both: about 15 minutes on two quiet cores
    python scripts/check_streaming.py FOLDER memory          6 GB of data trained on, evaluated, predicted
    python scripts/check_streaming.py FOLDER speed           rows a second beside arrays in memory

FOLDER must not exist; it needs 9 GB, and is removed at the end. Words behind a double dash go to the script
that measures: `FOLDER speed -- --rows 300000`. With --printed FILE what that script printed before is shown.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from page_sections import write_section

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "streaming.md"


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("what", nargs="?", choices=list(TABLES))
    parser.add_argument("--printed", type=Path)
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    arguments, rest = parser.parse_args(words[:cut]), words[cut + 1 :]
    for name in [arguments.what] if arguments.what else list(TABLES):
        script, show = TABLES[name]
        words = [f"scripts/scaling/{script}", arguments.folder, *rest]
        if arguments.printed is None:
            printed = subprocess.run(
                [sys.executable, *words], cwd=ROOT, check=True, capture_output=True
            ).stdout
        else:
            printed = arguments.printed.read_bytes()
        shown = " ".join(["python", words[0], "FOLDER", *rest])
        write_section(PAGE, name, f"{show(json.loads(printed))}\n\n`{shown}`, {circumstances()}.")


def circumstances() -> str:
    """Date, versions and machine."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("jax", "polars"))
    load = os.getloadavg()[1]
    return (
        f"{datetime.date.today()}; Python {platform.python_version()}, {versions}, {platform.machine()}, "
        f"{os.cpu_count()} cores, load {load:.1f} when it was written"
    )


def show_memory(found: dict[str, Any]) -> str:
    """The data, and a row for each command."""
    size = f"{found['bytes'] / 1e9:.2f} GB"
    lines = [
        f"{size} in {found['files']} Parquet files, {found['rows']:,} rows of 64 numbers.",
        "",
        "| command | peak memory, MiB | seconds |",
        "|---|---|---|",
    ]
    done = [name for name in ("train", "evaluate", "predict") if name in found]
    lines += [
        f"| `jaxgd {name}` | {found[name]['peak_mib']:,} | {found[name]['seconds']:,} |" for name in done
    ]
    return "\n".join(lines)


def show_speed(found: dict[str, Any]) -> str:
    """A row for each kind of rows and batch."""
    names = list(found["table"][0])
    looked = ", ".join(f"{kind} {seconds}" for kind, seconds in found["looked"].items())
    lines = [
        f"{found['rows']:,} rows, {found['epochs']} epochs, the best of {found['rounds']} rounds.",
        f"Looking the files through, once before, takes processor seconds a million rows: {looked}.",
        "",
    ]
    lines += [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for row in found["table"]:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row.values())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


Show = Callable[[dict[str, Any]], str]
TABLES: dict[str, tuple[str, Show]] = {
    "memory": ("stream_large.py", show_memory),
    "speed": ("stream_speed.py", show_speed),
}

if __name__ == "__main__":
    main()
