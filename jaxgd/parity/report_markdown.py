"""A report as Markdown: this is `docs/parity.md`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxgd.parity import known_differences
from jaxgd.parity.case import Outcome
from jaxgd.parity.report import COMMAND, Report, Row, number

_EXPLANATION = """\
Every case asks the installed TensorFlow and jaxgd the same question in the same process and compares the
answers. An error is max |difference| / max |reference|. What is demanded:

* **float64**: at most 1e-12, Keras's float32-rounded constants emulated.
* **float32**: bit-equal where the arithmetic is elementwise; else at most 2e-6 of the largest value, or at
  most twice TensorFlow's own distance from the float64 result. The column *nearer* counts the cases judged by
  the latter; their distance from Keras is not in the column *float32 error*.
* A case in which nothing moves or every gradient is zero fails. So does a known difference that has vanished.

*plain* is the largest distance from Keras of the function of that name in `jax.nn`, or of the optimizer of
that name in optax, with the same arguments, measured in the same run. Cases in a known difference are in no
column of errors.
"""

BEGIN, END = "<!-- generated -->", "<!-- end of what is generated -->"
"""What encloses the confusion table in `diagnose.md`, which another command writes."""

_DIAGNOSE = """\
Which optimizer made these numbers? 44 recorded runs of Keras, optax and PyTorch's forms, and made-up rules,
from [diagnose.md](diagnose.md#the-confusion-table), where the columns are explained.
"""


def confusion_table(page: Path) -> str:
    """The confusion table of `diagnose` in the `diagnose.md` beside a page; "" where there is none."""
    source = page.with_name("diagnose.md")
    text = source.read_text("utf-8") if source.is_file() else ""
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def render(report: Report, confusion: str = "") -> str:
    """The whole page; `confusion` is the table of `diagnose`, which the catalogue does not run."""
    parts = [
        "# Parity with TensorFlow\n",
        _head(report),
        _EXPLANATION,
        "## By family\n",
        _table(report.families),
    ]
    for row in report.families:
        parts += [f"## {row.name.capitalize()}\n", _table(report.subjects(row.name))]
    parts += ["## float32 trajectories beside TensorFlow's\n", _trajectories(report.outcomes)]
    parts += ["## float64 trajectories\n", _double_trajectories(report.outcomes)]
    parts += ["## Known differences\n", _known(report.outcomes), "## Planted bugs\n", _planted(report)]
    parts += ["## Diagnose\n", _DIAGNOSE, *([f"{confusion}\n"] if confusion else [])]
    return "\n".join(parts)


def _head(report: Report) -> str:
    about = report.about
    where = f"{about['date']}, Python {about['python']}, {about['versions']}; {about['processor']}."
    ran = f"{report.count} cases, {report.failed} failed, in {report.seconds:.0f} s. {where}"
    return f"{ran}\n\nThis page is written by `{COMMAND}`.\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table.

    >>> print(table(("a", "b"), [(1, "x|y")]), end="")
    | a | b |
    |---|---|
    | 1 | x\\|y |
    """
    lines = [header, ["---"] * len(header), *rows]
    text = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
    text[1] = "|" + "---|" * len(header)
    return "\n".join(text) + "\n"


def _table(rows: Sequence[Row]) -> str:
    header = (
        "",
        "cases",
        "failed",
        "float64 error",
        "float32 error",
        "nearer",
        "bit-equal",
        "plain",
        "known",
    )
    return table(
        header,
        [
            (
                row.name,
                row.cases,
                row.failed,
                number(row.float64),
                number(row.float32),
                row.nearer,
                row.bit_equal,
                number(row.plain),
                row.known,
            )
            for row in rows
        ],
    )


def _trajectories(outcomes: Iterable[Outcome]) -> str:
    """Distances from float64 over 1,000 steps."""
    rows = [
        (
            _name(o),
            number(o.truth["jaxgd"]),
            number(o.truth["keras"]),
            number(o.truth["jaxgd"] / o.truth["keras"]),
        )
        for o in outcomes
        if o.case.family == "trajectory" and o.truth
    ]
    return table(("optimizer, 1,000 steps", "jaxgd from float64", "TensorFlow from float64", "ratio"), rows)


def _double_trajectories(outcomes: Iterable[Outcome]) -> str:
    chosen = [o for o in outcomes if o.case.family == "trajectory" and o.case.dtype == "float64"]
    return table(
        ("optimizer, 1,000 steps", "jaxgd from Keras"), [(_name(o), number(o.error)) for o in chosen]
    )


def _name(outcome: Outcome) -> str:
    options = ", ".join(f"{name}={value}" for name, value in outcome.case.options)
    return f"{outcome.case.subject}({options})"


def _known(outcomes: Iterable[Outcome]) -> str:
    counts: dict[str, list[float]] = {}
    for outcome in outcomes:
        if outcome.known:
            counts.setdefault(outcome.known, []).append(outcome.error)
    rows = [
        (
            known.id,
            len(counts[known.id]),
            f"{min(counts[known.id]):.1e} to {max(counts[known.id]):.1e}",
            known.reason,
        )
        for known in known_differences.KNOWN
        if known.id in counts
    ]
    return table(("id", "cases", "size", "reason"), rows)


def _planted(report: Report) -> str:
    if not report.planted:
        return "Not run.\n"
    rows = [
        (each.name, each.change, "caught" if each.caught else "NOT CAUGHT", each.message)
        for each in report.planted
    ]
    return table(("bug", "what it changes", "", "what the suite said"), rows)
