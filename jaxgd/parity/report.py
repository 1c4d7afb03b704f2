"""What a run of the catalogue says: numbers by family and by subject, as JSON, Markdown and one HTML page."""

import datetime
import json
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.parity.case import Outcome

COMMAND = "jaxgd parity --planted --report parity --page docs/parity.md"
PACKAGES = ("jax", "jaxlib", "optax", "numpy", "keras", "tensorflow-cpu")


@dataclass(frozen=True)
class Row:
    """What is known of a family or of one subject.

    Attributes:
      float64, float32: the worst errors, known differences left out; NaN without cases.
      bit_equal: "all", "none" or how many of the float32 cases are equal bit for bit.
      plain: the largest distance of plain JAX or optax from Keras, None where nothing was measured.
      known: how many cases are in a known difference.
      nearer: how many float32 cases pass by their distance from the float64 truth.
    """

    name: str
    cases: int
    failed: int
    float64: float
    float32: float
    bit_equal: str
    plain: float | None
    known: int
    nearer: int

    @classmethod
    def of(cls, name: str, outcomes: Sequence[Outcome]) -> "Row":
        """The row of some outcomes."""
        double = [o for o in outcomes if o.case.dtype == "float64" and not o.known]
        single = [o for o in outcomes if o.case.dtype == "float32" and not o.known]
        equal = sum(o.bit_equal for o in single)
        words = {0: "none", len(single): "all"}.get(equal, f"{equal} of {len(single)}") if single else "-"
        plain = [o.plain for o in outcomes if o.plain is not None]
        return cls(
            name,
            len(outcomes),
            sum(not o.passed for o in outcomes),
            max((o.error for o in double), default=np.nan),
            max((o.error for o in single if not o.truth), default=np.nan),
            words,
            max(plain) if plain else None,
            sum(bool(o.known) for o in outcomes),
            sum(bool(o.truth) for o in outcomes),
        )


@dataclass(frozen=True)
class Report:
    """A run of the catalogue."""

    outcomes: tuple[Outcome, ...]
    planted: tuple[Any, ...]
    seconds: float
    about: Mapping[str, str]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], planted: Iterable[Any], seconds: float) -> "Report":
        """A report with today's date, the versions and the processor."""
        return cls(tuple(outcomes), tuple(planted), seconds, about())

    @property
    def count(self) -> int:
        """How many cases ran."""
        return len(self.outcomes)

    @property
    def failed(self) -> int:
        """How many cases failed."""
        return sum(not outcome.passed for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether every case passed and every planted bug was caught."""
        return not self.failed and all(each.caught for each in self.planted)

    @property
    def families(self) -> list[Row]:
        """One row a family."""
        return _rows(self.outcomes, lambda outcome: outcome.case.family)

    def subjects(self, family: str) -> list[Row]:
        """One row a subject of a family."""
        of_family = [outcome for outcome in self.outcomes if outcome.case.family == family]
        return _rows(of_family, lambda outcome: outcome.case.subject)

    def summary(self) -> dict[str, Any]:
        """The numbers of the run, for JSON."""
        return {
            "passed": self.passed,
            "cases": self.count,
            "failed": [{"id": o.case.id, "message": o.message} for o in self.outcomes if not o.passed],
            "seconds": round(self.seconds, 1),
            "families": {row.name: _plain_row(row) for row in self.families},
            "planted": {each.name: each.caught for each in self.planted},
            "about": dict(self.about),
        }

    def markdown(self, page: Path | None = None) -> str:
        """The page: `docs/parity.md`, with the confusion table of a `diagnose.md` beside `page`."""
        from jaxgd.parity import report_markdown

        confusion = report_markdown.confusion_table(page) if page is not None else ""
        return report_markdown.render(self, confusion)

    def write(self, folder: Path) -> None:
        """`parity.json`, `parity.md` and `parity.html` in a folder that exists."""
        from jaxgd.parity import report_html

        details = {**self.summary(), "outcomes": [_plain_outcome(outcome) for outcome in self.outcomes]}
        (folder / "parity.json").write_text(json.dumps(details, allow_nan=False, indent=1), "utf-8")
        (folder / "parity.md").write_text(self.markdown(), "utf-8")
        (folder / "parity.html").write_text(report_html.render(self), "utf-8")


def about() -> dict[str, str]:
    """Date, versions and processor."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    return {"date": date, "python": platform.python_version(), "versions": versions, "processor": processor()}


def processor() -> str:
    """The machine's processor in words."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.machine()


def number(value: float | None) -> str:
    """An error in words: "0", "3.1e-16", "-" if there is none."""
    if value is None or np.isnan(value):
        return "-"
    return "0" if value == 0 else f"{value:.1e}"


def _rows(outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> list[Row]:
    order: dict[str, None] = dict.fromkeys(key(outcome) for outcome in outcomes)
    return [Row.of(name, [outcome for outcome in outcomes if key(outcome) == name]) for name in order]


def _plain_row(row: Row) -> dict[str, Any]:
    return {name: _json(value) for name, value in vars(row).items() if name != "name"}


def _plain_outcome(outcome: Outcome) -> dict[str, Any]:
    kept = {name: value for name, value in vars(outcome).items() if name not in ("case", "curve", "truth")}
    curves = {name: [_json(value) for value in values] for name, values in outcome.curve.items()}
    truth = {name: _json(value) for name, value in outcome.truth.items()}
    plain = {name: _json(value) for name, value in kept.items()}
    return {"id": outcome.case.id, **plain, "truth": truth, "curve": curves}


def _json(value: Any) -> Any:
    """JSON has no infinity and no NaN."""
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
