"""Random architectures there and back between Keras and jaxgd, and the table of how far the two are apart.

    python scripts/check_keras_files.py --count 200 --page docs/keras-files-architectures.md

Needs TensorFlow. With `--rows FILE` each comparison is appended to a file as it ends, and those that are in
it already are not made again, so that a run may be cut and gone on with. Exits with 1 if any architecture is
farther apart than the tolerance. The tests run the first few.
"""

import argparse
import collections
import dataclasses
import datetime
import json
import os
import pathlib
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / "tests" / "parity")]

import jax  # noqa: E402
import keras  # noqa: E402
from keras_twins import precision  # noqa: E402  # pyright: ignore[reportMissingImports]
from round_trips import TOLERANCE, round_trip  # noqa: E402  # pyright: ignore[reportMissingImports]

_CLEAR_EVERY = 10


@dataclasses.dataclass(frozen=True)
class Row:
    """One architecture's comparison, as plain values."""

    number: int
    keras: str
    seconds: float
    kinds: list[str] = dataclasses.field(default_factory=list)
    optimizer: str = ""
    predictions: float = 0.0
    training: float = 0.0
    written_back: float = 0.0
    moved: float = 0.0
    error: str = ""

    @property
    def worst(self) -> float:
        """The largest of the three differences."""
        return max(self.predictions, self.training, self.written_back)

    @property
    def failure(self) -> str:
        """What is wrong with it, or "" for nothing."""
        if self.error:
            return f"{self.number}: {self.error}"
        return f"{self.number}: {self.worst:.1e}" if self.worst > TOLERANCE else ""

    def __str__(self) -> str:
        numbers = (self.predictions, self.training, self.written_back, self.moved)
        parts = (str(self.number), ", ".join(self.kinds), self.optimizer, *(f"{n:.1e}" for n in numbers))
        return f"| {' | '.join(parts)} |"


def main() -> int:
    """Run, print and write the page."""
    parser = argparse.ArgumentParser(
        description="Random architectures there and back between Keras and jaxgd."
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first architecture")
    parser.add_argument("--count", type=int, default=200, help="how many architectures")
    parser.add_argument("--rows", type=pathlib.Path, help="a file of what is compared already, appended to")
    parser.add_argument("--page", type=pathlib.Path, help="a Markdown file for the table")
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.count)
    done = _read(arguments.rows)
    for number in numbers:
        if number not in done:
            done[number] = _compared(number)
            _append(arguments.rows, done[number])
            print(done[number].failure or done[number], flush=True)
    rows = [done[number] for number in numbers]
    failures = [row.failure for row in rows if row.failure]
    if arguments.page is not None:
        arguments.page.write_text(_page(rows, failures), encoding="utf-8")
    print(f"{len(rows)} compared, {len(failures)} failed")
    return 1 if failures else 0


def _read(path: pathlib.Path | None) -> dict[int, Row]:
    if path is None or not path.exists():
        return {}
    rows = [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row.number: row for row in rows if row.keras == keras.__version__}


def _append(path: pathlib.Path | None, row: Row) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(row)) + "\n")


def _compared(number: int) -> Row:
    started = time.perf_counter()
    found: dict = {}
    try:
        with tempfile.TemporaryDirectory() as folder, precision("float64"):
            outcome = round_trip(number, pathlib.Path(folder))
        drawn = outcome.architecture
        found = {"kinds": sorted(drawn.kinds), "optimizer": type(drawn.model.optimizer).__name__}
        for name in ("predictions", "training", "written_back", "moved"):
            found[name] = float(getattr(outcome, name))
    except Exception as error:  # whatever goes wrong is a row of the result
        found = {"error": f"{type(error).__name__}: {error}"}
    if number % _CLEAR_EVERY == 0:
        jax.clear_caches()
        keras.backend.clear_session()
    return Row(number, keras.__version__, time.perf_counter() - started, **found)


_ABOUT = """\
# Random architectures, there and back

Written by `python scripts/check_keras_files.py --page docs/keras-files-architectures.md`; do not edit.

{count} random architectures. Keras {version} compiles each, trains it for two epochs and saves it. jaxgd
reads the file: are the predictions equal? Both go on for two epochs: are predictions and every column of
the history equal? jaxgd writes the file back and Keras opens that, warnings being failures: are the
predictions equal, and the weights after two further epochs in Keras? All in float64; differences are
relative to the largest number of each array.

{date}. It took {minutes:.0f} minutes. {failed} of them failed (farther apart than {tolerance:g}): {failures}.

| compared | largest difference |
|---|---|
| predictions of Keras's file | {predictions:.1e} |
| continued training | {training:.1e} |
| written back, opened and trained in Keras | {written_back:.1e} |

## What the architectures are made of

| part | architectures | largest difference |
|---|---|---|
{parts}

## Each

`moved`: how far training moved the weights. A number gives the same architecture again:
`tests/parity/architectures.py` draws it.

| number | made of | optimizer | predictions | training | written back | moved |
|---|---|---|---|---|---|---|
{rows}
"""


def _page(rows: list[Row], failures: list[str]) -> str:
    compared = ("predictions", "training", "written_back")
    return _ABOUT.format(
        count=len(rows),
        version=keras.__version__,
        date=datetime.date.today().isoformat(),
        minutes=sum(row.seconds for row in rows) / 60,
        failed=len(failures),
        failures="; ".join(failures) or "none",
        tolerance=TOLERANCE,
        parts="\n".join(_parts(rows)),
        rows="\n".join(str(row) for row in rows if not row.error),
        **{name: max(getattr(each, name) for each in rows) for name in compared},
    )


def _parts(rows: list[Row]) -> list[str]:
    found: dict[str, list[float]] = collections.defaultdict(list)
    for row in rows:
        for kind in (*row.kinds, *([row.optimizer] if row.optimizer else [])):
            found[kind].append(row.worst)
    return [f"| {kind} | {len(values)} | {max(values):.1e} |" for kind, values in sorted(found.items())]


if __name__ == "__main__":
    sys.exit(main())
