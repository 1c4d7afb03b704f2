"""Random architectures there and back between Keras and jaxgd, and the table of how far the two are apart.

    python scripts/check_keras_files.py --count 200 --page docs/keras-files-architectures.md

Needs TensorFlow. Exits with 1 if any architecture is farther apart than the tolerance. The tests run the
first few.
"""

import argparse
import collections
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
from round_trips import TOLERANCE, Outcome, round_trip  # noqa: E402  # pyright: ignore[reportMissingImports]

_CLEAR_EVERY = 10


def main() -> int:
    """Run, print and write the page."""
    parser = argparse.ArgumentParser(
        description="Random architectures there and back between Keras and jaxgd."
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first architecture")
    parser.add_argument("--count", type=int, default=200, help="how many architectures")
    parser.add_argument("--page", type=pathlib.Path, help="a Markdown file for the table")
    arguments = parser.parse_args()
    started, outcomes, failures = time.perf_counter(), [], []
    for number in range(arguments.first, arguments.first + arguments.count):
        try:
            outcomes.append(_one(number))
            print(_row(outcomes[-1]), flush=True)
        except Exception as error:  # whatever goes wrong is a row of the result
            failures.append(f"{number}: {type(error).__name__}: {error}")
            print(failures[-1], flush=True)
        if number % _CLEAR_EVERY == 0:
            jax.clear_caches()
            keras.backend.clear_session()
    failures += [
        f"{each.architecture.number}: {each.worst:.1e}" for each in outcomes if each.worst > TOLERANCE
    ]
    if arguments.page is not None and outcomes:
        seconds = time.perf_counter() - started
        arguments.page.write_text(_page(outcomes, failures, seconds), encoding="utf-8")
    print(f"{len(outcomes)} compared, {len(failures)} failed")
    return 1 if failures else 0


def _one(number: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, precision("float64"):
        return round_trip(number, pathlib.Path(folder))


def _row(outcome: Outcome) -> str:
    drawn = outcome.architecture
    cells = (
        str(drawn.number),
        ", ".join(sorted(drawn.kinds)),
        type(drawn.model.optimizer).__name__,
        f"{outcome.predictions:.1e}",
        f"{outcome.training:.1e}",
        f"{outcome.written_back:.1e}",
        f"{outcome.moved:.1e}",
    )
    return f"| {' | '.join(cells)} |"


_ABOUT = """\
# Random architectures, there and back

Written by `python scripts/check_keras_files.py --page docs/keras-files-architectures.md`; do not edit.

{count} random architectures. Keras {version} compiles each, trains it for two epochs and saves it. jaxgd
reads the file: are the predictions equal? Both go on for two epochs: are predictions and every column of
the history equal? jaxgd writes the file back and Keras opens that, warnings being failures: are the
predictions equal, and the weights after two further epochs in Keras? All in float64; differences are
relative to the largest number of each array.

It took {minutes:.0f} minutes. {failed} of them failed (farther apart than {tolerance:g}): {failures}.

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


def _page(outcomes: list[Outcome], failures: list[str], seconds: float) -> str:
    compared = ("predictions", "training", "written_back")
    return _ABOUT.format(
        count=len(outcomes),
        version=keras.__version__,
        minutes=seconds / 60,
        failed=len(failures),
        failures="; ".join(failures) or "none",
        tolerance=TOLERANCE,
        parts="\n".join(_parts(outcomes)),
        rows="\n".join(map(_row, outcomes)),
        **{name: max(getattr(each, name) for each in outcomes) for name in compared},
    )


def _parts(outcomes: list[Outcome]) -> list[str]:
    found: dict[str, list[float]] = collections.defaultdict(list)
    for each in outcomes:
        for kind in (*each.architecture.kinds, type(each.architecture.model.optimizer).__name__):
            found[kind].append(each.worst)
    return [f"| {kind} | {len(values)} | {max(values):.1e} |" for kind, values in sorted(found.items())]


if __name__ == "__main__":
    sys.exit(main())
