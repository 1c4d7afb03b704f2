"""`jaxgd report`."""

from pathlib import Path

import click

from jaxgd.cli import completing
from jaxgd.cli.errors import BadInput, bad_input
from jaxgd.cli.options import output_options

_KINDS = (".html", ".png", ".svg")


@click.command("report", short_help="A page of a run, of a sweep, or of several runs side by side.")
@click.argument("folders", metavar="RUN...", shell_complete=completing.path, nargs=-1, required=True)
@click.option(
    "--out",
    metavar="FILE",
    help="A page (.html), or a picture (.png, .svg) of the curves or of the sweep.  "
    "[default: report.html in the folder; comparison.html for several]",
)
@output_options
def command(folders: tuple[str, ...], out: str | None, quiet: bool, color: bool, as_json: bool) -> None:
    """One page of a run, of a sweep's folder, or of several runs side by side.

    What a run did not record (predictions, norms of gradients and updates, dead units) is measured at its
    final parameters, from its model and its data. Of a damaged folder the page says what is missing and shows
    the rest.

    \b
    Examples:
      jaxgd report runs/digits-1
      jaxgd report runs/digits-1 runs/digits-2 --out comparison.html
      jaxgd report runs/digits-1 --out curves.svg
      jaxgd report sweeps/digits-1 --out sweep.svg
    """
    from jaxgd.cli.console import Output

    output = Output(quiet, color)
    with bad_input():
        target = _target(folders, out)
        content, problems = _content([Path(folder) for folder in folders], target)
        _write(target, content)
    for problem in problems:
        output.line(f"Note: {problem}")
    output.line(f"Report: {target} ({len(content) / 1e3:,.0f} kB)")
    if as_json:
        output.json({"report": str(target), "runs": list(folders), "problems": problems})


def _target(folders: tuple[str, ...], out: str | None) -> Path:
    if out is None:
        return Path(folders[0], "report.html") if len(folders) == 1 else Path("comparison.html")
    path = Path(out)
    if path.suffix.lower() not in _KINDS or path.is_dir() or not path.parent.is_dir():
        raise BadInput(
            f"--out {out}: expected a name ending in {', '.join(_KINDS)}, in a folder that exists."
        )
    return path


def _content(folders: list[Path], target: Path) -> tuple[bytes, list[str]]:
    """What to write, and what was missing."""
    from jaxgd.reports.sweep_rows import TABLE

    if len(folders) == 1 and (folders[0] / TABLE).is_file():
        return _content_of_sweep(folders[0], target)
    return _content_of_runs(folders, target)


def _content_of_sweep(folder: Path, target: Path) -> tuple[bytes, list[str]]:
    from jaxgd.reports import sweep_page, sweep_picture
    from jaxgd.reports.reading import read_folder
    from jaxgd.reports.sweep_rows import read_sweep
    from jaxgd.reports.sweeping import BEST
    from jaxgd.reports.writing import measured_or_reason

    sweep, best = read_sweep(folder), folder / BEST
    kind = target.suffix.lower()[1:]
    if kind != "html":
        title = f"{folder.resolve().name}: {sweep.monitor}"
        return sweep_picture(sweep, title, kind), list(sweep.problems)
    run = read_folder(best) if best.is_dir() and any(best.iterdir()) else None
    measured = None if run is None else (run, measured_or_reason(run))
    return sweep_page(folder, sweep, measured).encode(), list(sweep.problems)


def _content_of_runs(folders: list[Path], target: Path) -> tuple[bytes, list[str]]:
    from jaxgd.reports import comparison_page, curves_picture, report_page
    from jaxgd.reports.comparing import compared_panels
    from jaxgd.reports.page import run_title
    from jaxgd.reports.panels import panels
    from jaxgd.reports.reading import read_folder
    from jaxgd.reports.writing import measured_or_reason

    runs = [read_folder(folder) for folder in folders]
    problems = [f"{each.folder}: {problem}" for each in runs for problem in each.problems]
    kind = target.suffix.lower()[1:]
    if kind != "html":
        shown = panels(runs[0].history, runs[0].epochs) if len(runs) == 1 else compared_panels(runs)
        title = run_title(runs[0]) if len(runs) == 1 else f"{len(runs)} runs"
        return curves_picture(shown, title, kind), problems
    measured = [measured_or_reason(each) for each in runs]
    problems += [
        f"{each.folder}: {why.removeprefix(f'{each.folder}: ')}"
        for each, why in zip(runs, measured, strict=True)
        if isinstance(why, str)
    ]
    if len(runs) == 1:
        return report_page(runs[0], measured[0]).encode(), problems
    return comparison_page(list(zip(runs, measured, strict=True))).encode(), problems


def _write(target: Path, content: bytes) -> None:
    from jaxgd._atomic import write_bytes

    write_bytes(target, content)
