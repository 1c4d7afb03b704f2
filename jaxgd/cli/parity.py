"""`jaxgd parity`: the whole catalogue, live against the installed TensorFlow."""

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jaxgd.cli.console import Output
from jaxgd.cli.errors import DONE, NO, BadInput, bad_input
from jaxgd.cli.options import output_options

if TYPE_CHECKING:
    from jaxgd.parity.case import Outcome


@click.command("catalogue", short_help="The whole catalogue, live against TensorFlow.")
@click.option("--family", metavar="NAME", help="One family: activation, loss, optimizer, fit, ...")
@click.option("--filter", "pattern", default="", metavar="TEXT", help="Only cases whose id contains this.")
@click.option("--smoke", is_flag=True, help="A few cases of every family: less than a minute.")
@click.option("--processes", type=click.IntRange(1), help="How many run at once.  [default: one a core]")
@click.option(
    "--planted", is_flag=True, help="Plant known bugs in jaxgd, one by one, and see that each is caught."
)
@click.option(
    "--report", "folder", type=click.Path(path_type=Path), help="Write parity.json, .md and .html here."
)
@click.option(
    "--page", type=click.Path(path_type=Path, dir_okay=False), help="Write the Markdown page here as well."
)
@output_options
def command(
    family: str | None,
    pattern: str,
    smoke: bool,
    processes: int | None,
    planted: bool,
    folder: Path | None,
    page: Path | None,
    as_json: bool,
    color: bool,
    quiet: bool,
) -> int:
    """Hold jaxgd against the installed TensorFlow, case by case. Exit code 1 if a case fails.

    \b
    Examples:
      jaxgd parity
      jaxgd parity --smoke
      jaxgd parity --family optimizer --filter Adam/ --json
      jaxgd parity --planted --report parity --page docs/parity.md
    """
    _check_tensorflow()
    from jaxgd.parity import report, runner

    output = Output(quiet=quiet, color=color)
    with bad_input():
        cases = runner.select(family, pattern, smoke=smoke)
        if not cases:
            raise ValueError(f"filter: no case has {pattern!r} in its id.")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        if page is not None and not page.parent.is_dir():
            raise ValueError(f"page: expected a file in a folder that exists, got {page}.")
    start = time.perf_counter()
    outcomes = runner.run(cases, processes, _printer(output, len(cases)))
    caught = _planted(output, processes) if planted else ()
    result = report.Report.of(outcomes, caught, time.perf_counter() - start)
    if folder is not None:
        with bad_input():
            result.write(folder)
    if page is not None:
        with bad_input():
            page.write_text(result.markdown(page), "utf-8")
    _show(output, result, color)
    if as_json:
        output.json(result.summary())
    return DONE if result.passed else NO


def _check_tensorflow() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    missing = [name for name in ("tensorflow", "keras") if find_spec(name) is None]
    if missing:
        raise BadInput(
            f"{' and '.join(missing)} not installed: the catalogue compares with the real TensorFlow. "
            "Install jaxgd[parity], or use `jaxgd parity verify`, which needs recorded traces only."
        )


def _printer(output: Output, total: int):
    """Prints failed cases at once, and every so often how far it is."""
    count = 0

    def show(outcome: "Outcome") -> None:
        nonlocal count
        count += 1
        if not outcome.passed:
            output.line(f"FAILED {outcome.case.id}: {outcome.message}")
        if count % 250 == 0:
            output.line(f"{count} of {total} cases")

    return show


def _planted(output: Output, processes: int | None):
    from jaxgd.parity import planted

    caught = planted.run_all(processes)
    for each in caught:
        if not each.caught:
            output.line(f"NOT CAUGHT {each.name}: {each.message}")
    return caught


def _show(output: Output, result, color: bool) -> None:
    from jaxgd.parity import report

    rows = [
        (
            each.name,
            each.cases,
            each.failed,
            report.number(each.float64),
            report.number(each.float32),
            each.bit_equal,
            each.known,
        )
        for each in result.families
    ]
    header = ("family", "cases", "failed", "float64 error", "float32 error", "bit-equal", "known differences")
    output.table("Parity with TensorFlow", rows, header)
    if result.planted:
        output.line(
            f"planted bugs: {sum(each.caught for each in result.planted)} of {len(result.planted)} caught"
        )
    verdict = "all cases pass" if result.passed else "NOT EQUAL"
    output.line(f"{verdict}: {result.count} cases, {result.failed} failed, in {result.seconds:.0f} s")
