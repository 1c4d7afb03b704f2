"""`jaxgd bench`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxgd.cli.errors import DONE, NO, BadInput, bad_input
from jaxgd.cli.options import output_options

if TYPE_CHECKING:
    from jaxgd.cli.console import Output

PAGE, PICTURE, NUMBERS = "benchmarks.md", "images/benchmarks.svg", "benchmarks.json"
SO_FAR = "benchmarks.part.json"


@click.command("bench", short_help="jaxgd's speed beside what else would be picked.")
@click.option("--full", is_flag=True, help="All workloads, all peers, more and longer rounds.")
@click.option(
    "--workload", "workloads", multiple=True, metavar="NAME", help="Only this one; may be repeated."
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="NAME",
    help="Only peers with this in their name; may be repeated.",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="NAME=PATH",
    help="The interpreter of a program that has its own environment, such as torch=/path/to/python.",
)
@click.option("--rounds", type=int, metavar="NUMBER", help="[default: 3; 11 with --full]")
@click.option("--programs", metavar="FOLDER", help="Of the peers' programs.  [default: scripts/bench]")
@click.option(
    "--report", metavar="FOLDER", help=f"Write {PAGE}, {PICTURE} and {NUMBERS} there.  [default: nothing]"
)
@click.option(
    "--resume", is_flag=True, help="Keep what a call with --report had measured when it was cut off."
)
@output_options
def command(
    full: bool,
    workloads: tuple[str, ...],
    peers: tuple[str, ...],
    pythons: tuple[str, ...],
    rounds: int | None,
    programs: str | None,
    report: str | None,
    resume: bool,
    quiet: bool,
    color: bool,
    as_json: bool,
) -> int:
    """Measure jaxgd beside TensorFlow, Keras, PyTorch, flax, equinox, scikit-learn, NumPy and plain C.

    Peers that are not installed are named and left out. The workloads: seed, tabular, wide-32, wide-256,
    wide-1024, sweep, cold; without --full, in less than three minutes, a few of them. The exit code is 1 if a
    goal that was measured is missed.

    \b
    Examples:
      jaxgd bench
      jaxgd bench --workload tabular --peer torch --python torch=/opt/torch/bin/python
      jaxgd bench --full --report docs
      jaxgd bench --full --report docs --resume
    """
    from jaxgd.bench.bench import run_bench
    from jaxgd.cli.console import Output

    output = Output(quiet, color)
    if report is not None and Path(report).exists() and not Path(report).is_dir():
        raise BadInput(f"--report: {report} is not a folder.")
    with bad_input():
        request = _request(full, workloads, peers, pythons, rounds, programs)
    if resume and report is None:
        raise BadInput("--resume: expected together with --report, whose folder holds what was measured.")
    so_far = None if report is None else _SoFar(Path(report, SO_FAR), request)
    with bad_input():
        kept = so_far.read() if so_far is not None and resume else {}
    with output.console.status("") as status:

        def tell(line: str) -> None:
            status.update(line)
            if not output.quiet and not output.console.is_terminal:
                click.echo(line, err=True)

        results = run_bench(
            request, tell, kept, so_far.write if so_far is not None else lambda measured: None
        )
    with bad_input():
        written = None if report is None else _write(Path(report), results)
    _show(output, results)
    if written is not None:
        output.line(f"Written: {written}")
        Path(report or "", SO_FAR).unlink(missing_ok=True)
    if as_json:
        output.json(results)
    return NO if any(goal["verdict"] == "missed" for goal in results["goals"]) else DONE


class _SoFar:
    """The workloads that a call has measured so far, in a file beside its report."""

    def __init__(self, path: Path, request: Any) -> None:
        self.path = path
        self.settings = {"effort": request.effort._asdict(), "peers": list(request.peers)}

    def write(self, measured: dict[str, Any]) -> None:
        from jaxgd._atomic import write_text

        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps({"settings": self.settings, "workloads": measured}) + "\n")

    def read(self) -> dict[str, Any]:
        """{workload: what was measured}. Raises ValueError for a file of other settings."""
        if not self.path.exists():
            return {}
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            settings, measured = found["settings"], dict(found["workloads"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path}: not what a bench writes; delete it to measure anew.") from error
        if settings != self.settings:
            raise ValueError(f"{self.path}: measured with other settings; repeat them or delete the file.")
        return measured


def _request(
    full: bool,
    workloads: tuple[str, ...],
    peers: tuple[str, ...],
    pythons: tuple[str, ...],
    rounds: int | None,
    programs: str | None,
) -> Any:
    from jaxgd._checks import check_integer, unknown_name
    from jaxgd.bench.bench import FULL, QUICK, Request
    from jaxgd.bench.cold import SCRIPTS
    from jaxgd.bench.programs import PEERS, PROGRAMS, find_folder, parse_pythons
    from jaxgd.bench.workloads import NAMES

    for name in workloads:
        if name not in NAMES:
            raise unknown_name("workload", name, NAMES)
    names = {*PEERS, *(script.peer for script in SCRIPTS), *(program.name for program in PROGRAMS)}
    for part in peers:
        if not any(part.lower() in name.lower() for name in names):
            raise unknown_name("peer", part, names)
    effort = FULL if full else QUICK
    if workloads or rounds is not None:  # who says what to measure also says how long
        effort = effort._replace(whole=None)
    if rounds is not None:
        effort = effort._replace(rounds=check_integer("rounds", rounds, 1))
    return Request(find_folder(programs), effort, workloads, peers, parse_pythons(pythons))


def _write(folder: Path, results: dict[str, Any]) -> Path:
    from jaxgd._atomic import write_text
    from jaxgd.bench.markdown import page
    from jaxgd.bench.picture import draw

    folder.mkdir(parents=True, exist_ok=True)
    has_picture = draw(results, folder / PICTURE)
    words = ["jaxgd", *click.get_current_context().obj]
    write_text(folder / NUMBERS, json.dumps(results, indent=1, allow_nan=False) + "\n")
    write_text(folder / PAGE, page(results, _without_paths(words), PICTURE if has_picture else None))
    return folder / PAGE


def _without_paths(words: list[str]) -> str:
    """The command as it was given, interpreters without the folders that they lie in."""
    return " ".join(word.split("=")[0] + "=python" if "=" in word else word for word in words)


def _show(output: "Output", results: dict[str, Any]) -> None:
    for name, facts in results["workloads"].items():
        rows = [_cells(row) for row in facts["rows"]]
        unit = "seconds" if name == "cold" else "us a step"
        output.table(f"{name}: {facts['title']}", rows, header=("peer", unit, "least", "ratio"))
    goals = [
        (goal["workload"], goal["goal"], goal["bar"], _number(goal["value"]), _verdict(goal))
        for goal in results["goals"]
    ]
    output.table("Goals", goals, header=("workload", "goal", "bar", "value", ""))


def _verdict(goal: dict[str, Any]) -> str:
    return goal["verdict"] + (f", without {', '.join(goal['without'])}" if goal["without"] else "")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if "failure" in row:
        return row["peer"], row["failure"], "", ""
    time = row.get("us_per_step") or row["seconds"]
    ratio = row.get("ratio")
    return (
        row["peer"],
        _number(time["median"]),
        _number(time["minimum"]),
        ""
        if ratio is None
        else f"{_number(ratio['median'])} [{_number(ratio['low'])} to {_number(ratio['high'])}]",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
