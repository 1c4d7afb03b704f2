"""The corpus of hostile files: each refused, in how much time and memory; the table of it.

    python scripts/check_hostile_files.py --page docs/keras-files.md

Exits with 1 if a file is loaded, or takes more than 50 MB.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from page_sections import write_section

ROOT = Path(__file__).parents[1]
FAULTS = ROOT / "tests" / "faults"
MEMORY = 50 * 2**20
sys.path[:0] = [str(ROOT), str(FAULTS)]


def measures() -> list[dict]:
    """What came of each file, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(FAULTS)])}
    command = [sys.executable, str(FAULTS / "hostile_measures.py")]
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def table(found: list[dict], corpus: dict) -> str:
    """The files as Markdown."""
    lines = [
        f"{len(found)} files, each refused.\n",
        "| file | what it tries | size | memory | seconds | the refusal |",
        "|---|---|---|---|---|---|",
    ]
    for each in found:
        error = (each["error"] or "LOADED").replace("|", "\\|").replace("`", "'").replace("](", "] (")
        shown = error if len(error) <= 90 else f"{error[:87]}..."
        size, memory = f"{each['size'] / 1000:,.0f} kB", f"{each['bytes'] / 1e6:.1f} MB"
        what = corpus[each["name"]][0]
        lines.append(f"| {each['name']} | {what} | {size} | {memory} | {each['seconds']:.2f} | {shown} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print and write the page."""
    from hostile_files import CORPUS  # pyright: ignore[reportMissingImports]

    parser = argparse.ArgumentParser(description="The corpus of hostile files.")
    parser.add_argument("--page", type=Path, help="a Markdown page with a place for the table")
    arguments = parser.parse_args()
    found = measures()
    text = table(found, CORPUS)
    print(text)
    if arguments.page is not None:
        write_section(arguments.page, "hostile", text)
    wrong = [each["name"] for each in found if not each["error"] or each["bytes"] > MEMORY or each["left"]]
    print(f"{len(found)} files, {len(wrong)} wrong {wrong or ''}")
    return int(bool(wrong) or len(found) != len(CORPUS))


if __name__ == "__main__":
    sys.exit(main())
