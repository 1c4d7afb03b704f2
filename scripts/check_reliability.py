"""Runs what is too long for CI, and writes docs/reliability.md from what came of it.

    python scripts/check_reliability.py                  everything: about an hour on two cores
    python scripts/check_reliability.py kills overhead   these alone; the rest of the page stays as it was

The results are kept in docs/reliability.json, each with its command, its date and the versions.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import checks
from checks import Check, table


def show_kills(found: dict[str, Any]) -> list[str]:
    places = ", ".join(f"{place} {count}" for place, count in found["places"].items())
    return table(
        {
            "SIGKILLs": found["kills"],
            "in how many runs": found["runs"],
            "where": places,
            "compared bit for bit": ", ".join(found["compared"]),
            "all equal to the uninterrupted one": "yes" if found["bit_equal"] else "NO",
            "lost": 0 if found["bit_equal"] else "something",
        }
    )


def show_faults(found: dict[str, Any]) -> list[str]:
    lines = ["| fault | times | what happens | test |", "|---|---|---|---|"]
    for fault in found["faults"]:
        lines.append(f"| {fault['fault']} | {fault['times']} | {fault['then']} | `{fault['test']}` |")
    return [*lines, "", f"All {found['passed']} tests passed; lost: 0."]


def show_fuzz(found: dict[str, Any]) -> list[str]:
    return table({"files": found["files"], **found["counts"], "other errors": len(found["failures"])})


def show_overhead(found: dict[str, Any]) -> list[str]:
    lines = ["| workload | with the look, us a step | without | difference | interval | pairs |"]
    lines.append("|---|---|---|---|---|---|")
    for name, each in found.items():
        low, high = each.get("interval", ("-", "-"))
        interval = f"{low} to {high} %"
        cells = [f"`{name}`", each["with"], each["without"], f"{each['percent']} %", interval]
        lines.append(f"| {' | '.join(map(str, cells))} | {each.get('pairs', '-')} |")
    return lines


LOAD = "python scripts/reliability/load.py"
CHECKS = {
    "kills": Check(
        "Killed and resumed",
        "python scripts/reliability/kills.py --kills 100",
        show_kills,
        "One run with dropout, batch statistics, shuffling, early stopping that restores the best epoch, an "
        "average of the parameters, accumulated gradients and a decaying rate. CI does it with 30 kills.",
    ),
    "sweep-kills": Check(
        "A sweep killed and resumed",
        "python scripts/reliability/kills.py --kills 60 --sweep",
        show_kills,
        "Twelve members by successive halving, in step, some of them diverging. CI does it with 7 kills.",
    ),
    "faults": Check(
        "Faults injected",
        "python scripts/reliability/faults.py",
        show_faults,
        "Each of them leads to a clear error or to the last good checkpoint, which is said; nothing is "
        "overwritten and no result differs silently.",
    ),
    "full-disk": Check(
        "A full disk",
        "python scripts/reliability/full_disk.py",
        table,
        "A file system in memory, of 256 KiB, made larger once the run has ended. It needs the right to "
        "mount; CI limits the size of files instead.",
    ),
    "fuzz": Check(
        "Files that were not written in good faith",
        "python scripts/reliability/fuzz.py --files 10000",
        show_fuzz,
        "A file is read or refused with `DataError`; nothing is unpickled, and no size that a file declares "
        "is believed before it is checked.",
    ),
    "overhead": Check(
        "What the look for divergences costs",
        "python scripts/reliability/overhead.py",
        show_overhead,
        "Processor time of two programs that differ in the look alone, in pairs of short turns: the median "
        "of the pairs' differences, and the interval that holds it with 95 %.",
    ),
    "precision": Check(
        "Mixed precision",
        "python scripts/reliability/precision.py --seeds 5",
        table,
        "Digits, 64-32-10, Adam, 20 epochs: percent of 597 held-out rows that are classified correctly, mean "
        "over seeds (points from float32), then seed by seed. float16 with a dynamic scale of the loss.",
    ),
    "steps": Check(
        "Ten million steps", f"{LOAD} steps", table, "One step an epoch: ten million epochs of history too."
    ),
    "chunks": Check(
        "As many chunks as six hours have", f"{LOAD} chunks", table, "A chunk is what runs between two looks."
    ),
    "table": Check(
        "A table of two million rows", f"{LOAD} table", table, "`jaxgd train`, one epoch, the whole process."
    ),
}


INTRODUCTION = """\
# Reliability

Written by `python scripts/check_reliability.py`; do not edit. What is quick runs in CI as well:
`tests/faults`, `tests/unit/test_checkpoints.py`, `tests/property`, `tests/cli/test_resume_cli.py`.

## What is promised

- **A run continues.** `jaxgd.fit(..., checkpoint="folder")` saves while it runs, every 30 seconds unless
  `jaxgd.Checkpoint("folder", every=..., every_steps=..., keep=...)` says otherwise, and goes on from
  there when it is called again with the same arguments, in the middle of an epoch too. `jaxgd train`
  always does; `jaxgd train --resume FOLDER` goes on. Parameters, history and model file are bit for bit
  those of a run that nothing ended. (A model file holds the date; with `SOURCE_DATE_EPOCH` set it is the
  same file.)
- **What ends a run does not matter**: Ctrl-C once or twice, an error in a progress function, a full disk at
  the very end, a folder that became read-only. The message says how to go on.
- **Another run is refused.** Another setting or another data set is an error that names what differs.
  More epochs may be asked for. Another version of JAX or other devices are allowed and said. A function
  (a loss of one's own) is known by its name alone.
- **A checkpoint is whole or not there.** It is one NPZ with a checksum of every array and of the whole,
  written under another name, flushed and renamed. The last three, and the best, are kept; none is
  written that is not finite. One of the format before (2) is read, and that is said; a newer one is refused.
- **Sweeps too.** `jaxgd sweep --resume FOLDER`, or `jaxgd.sweep(..., journal="file")` called again: members
  that ended are in the journal, those under way go on where they stood when they were last saved, in the
  same form and width, so that the bits are those of a sweep that nothing ended. The last training of
  `refit=True` is saved beside the journal.
- **SIGTERM and SIGHUP** save and end the process after the chunk under way, a quarter of a second. What
  cannot be waited for, a long compilation or a single long step, is given up after 3.5 seconds: the last
  checkpoint is whole then. The commands exit with 143. A program with its own handlers keeps them.
- **One run in a folder.** The lock is the kernel's, and goes with the process. A file system that cannot
  lock is said.
- **A divergence is found and explained**: epoch, step, rows, what went first, the largest values before,
  what usually helps. `on_divergence="restore"` goes back to the start of the epoch with the lowest
  training loss and on with half the learning rate, at most `max_halvings` times, without compiling
  again, and the same way every time.
- **Memory is bounded.** A history of more than 100,000 epochs is thinned: kept are the epochs whose
  number is a multiple of the smallest power of two that leaves at most so many, and the last one.
- **Same inputs, same machine, same bits.** The precision of every matrix product is part of the model,
  `"highest"` unless asked otherwise, so that no GPU shortens it unasked. `config.json` and `jaxgd info`
  state precision, flags, devices and versions.
"""

PAGE = checks.Page(INTRODUCTION, CHECKS, "reliability")

if __name__ == "__main__":
    checks.main(PAGE, __doc__)
