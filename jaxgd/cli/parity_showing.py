"""What the ladder's commands share: their options, the rows they read, and how a ladder is shown."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from jaxgd.cli.console import Output
from jaxgd.cli.errors import DONE, NO, BadInput

if TYPE_CHECKING:
    from jaxgd.data import Table
    from jaxgd.parity.climbing import Ladder

_MARKS = {"passed": "ok", "failed": "FAILED", "flipped": "flipped", "skipped": "-"}


def run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a run of a .keras file."""
    for option in (
        click.option("--seed", type=int, default=0, show_default=True, help="Of rows that are made up."),
        click.option("--optimizer", help="Instead of the file's; a name of Keras's."),
        click.option("--loss", help="Instead of the file's; needed if it has none."),
        click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, metavar="ROWS"),
        click.option("--steps", type=click.IntRange(1), default=20, show_default=True, help="Updates."),
        click.option("--target", metavar="COLUMN", help="Column of DATA to train towards."),
        click.option("--data", metavar="FILE", help="Rows to train on.  [default: made up]"),
    ):
        function = option(function)
    return function


def need_tensorflow() -> None:
    """Raises BadInput where TensorFlow is not installed."""
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise BadInput(
            f"this compares with the installed TensorFlow, and there is none ({error}). "
            "Install jaxgd[parity], or hold jaxgd against a trace from elsewhere: jaxgd parity verify TRACE."
        ) from error


@contextmanager
def cannot_compare() -> Iterator[None]:
    """Shows what cannot be compared as a command's message; a defect keeps its traceback."""
    from jaxgd.keras_files import KerasFileError
    from jaxgd.parity.rows import NotComparableError
    from jaxgd.parity.trace import TraceError

    try:
        yield
    except (KerasFileError, NotComparableError, TraceError) as error:
        raise BadInput(" ".join(str(error).split())) from error
    except OSError as error:
        raise BadInput(f"{error.filename or ''}: {error.strerror or error}") from error


def read_rows(model_path: str, path: str | None, target: str | None, loss: str | None) -> Any:
    """`x` and `y` of a table for a model, or None without a table.

    The table of a model with several inputs or outputs holds the features of each input, then the targets of
    each output, in the model's order; an input or output of one number may stand anywhere, by its name.

    Raises:
      ValueError: a table or a model that cannot be read, or that do not fit together.
    """
    from jaxgd import data, keras_files, losses
    from jaxgd.runs.plan import targets

    model, _, training = keras_files.load(model_path)
    if path is None:
        return None
    compiled = getattr(training, "loss", None)
    if len(model.input_names) > 1 or len(model.output_names) > 1:
        return _several(model, data.read(path), target, loss or compiled)
    chosen = losses.get(loss or compiled or "mean_squared_error")
    task = _task(chosen.name)
    outputs = model.output_shape[-1]
    table = data.read(path)
    if task == "regression" and outputs > 1:
        names = list(table.names)
        x, y = _numbers(table, names[:-outputs]), _numbers(table, names[-outputs:])
    else:
        prepared = data.prepare(table, target, task)
        x = _numbers(table, [name for name in table.names if name != prepared.encoding.target])
        y = targets(prepared.y, prepared.encoding, chosen)
    if x.shape[1:] != model.input_shape:
        raise ValueError(f"{path}: {x.shape[1]} features, but the model takes {list(model.input_shape)}.")
    return {"x": x, "y": y}


def _several(model: Any, table: "Table", target: str | None, loss: Any) -> dict[str, Any]:
    """The columns of a table for each input, and for each output with a loss.

    A column with the name of an input or output of one number is that; all others are taken in order.
    """
    from jaxgd.training import make_objective

    if target is not None:
        raise ValueError("--target: expected none, as the model has several inputs or outputs; got one.")
    objective = make_objective(model, "mean_squared_error" if loss is None else loss)
    names, chosen = list(table.names), {each.output: each.loss for each in objective.losses}
    sizes = [math.prod(shape) for shape in model.input_shapes]
    for index, shape in enumerate(model.output_shapes):
        sizes.append(0 if index not in chosen else 1 if chosen[index].takes_labels else math.prod(shape))
    wanted = dict(zip([*model.input_names, *model.output_names], sizes, strict=True))
    if sum(sizes) != len(names):
        raise ValueError(f"{table.source}: expected {sum(sizes)} columns ({wanted}), got {len(names)}.")
    alone = {name for name, size in wanted.items() if size == 1 and name in names}
    others = iter([name for name in names if name not in alone])
    parts = [
        _numbers(table, [name] if name in alone else list(islice(others, size))) if size else np.zeros(0)
        for name, size in wanted.items()
    ]
    x = [part.reshape(-1, *shape) for part, shape in zip(parts, model.input_shapes, strict=False)]
    y = [
        None if index not in chosen else _labels(part) if chosen[index].takes_labels else part
        for index, part in enumerate(parts[len(x) :])
    ]
    return {"x": x if len(x) > 1 else x[0], "y": y if len(y) > 1 else y[0]}


def _labels(column: np.ndarray) -> np.ndarray:
    """int[rows]. Raises ValueError for a number that is no label."""
    if not (column == np.round(column)).all():
        raise ValueError(f"labels: expected whole numbers, got {column[column != np.round(column)][0]:g}.")
    return column[:, 0].astype(np.int64)


def _numbers(table: "Table", names: list[str]) -> np.ndarray:
    """float64[rows, columns]. Raises ValueError for text and for missing cells."""
    columns = []
    for name in names:
        column = table[name]
        if column.dtype.kind not in "fiub" or not np.isfinite(column).all():
            raise ValueError(f"{table.source}: column {name!r}: expected numbers, none missing.")
        columns.append(column.astype(np.float64))
    return np.stack(columns, axis=1)


def _task(loss: str) -> str:
    if "categorical" in loss:
        return "multiclass"
    return "binary" if "binary" in loss or "hinge" in loss else "regression"


def show(output: Output, ladders: Iterable["Ladder"], as_json: bool, subject: str) -> int:
    """Print ladders; the exit code that they mean."""
    ladders = list(ladders)
    for ladder in ladders:
        _show_one(output, ladder)
    passed = all(ladder.passed for ladder in ladders)
    count = sum(rung.status == "passed" for ladder in ladders for rung in ladder.rungs)
    output.line(f"{'Equal' if passed else 'NOT equal'}: {subject}, {count} rungs passed.")
    if as_json:
        output.json({"subject": subject, "passed": passed, "ladders": [_plain(each) for each in ladders]})
    return DONE if passed else NO


def _show_one(output: Output, ladder: "Ladder") -> None:
    rows = []
    for rung in ladder.rungs:
        error = "" if rung.error is None else "bit-equal" if rung.bit_equal else f"{rung.error:.2g}"
        rows.append((rung.name, _MARKS[rung.status], error, rung.message))
    title = f"{ladder.name}, {ladder.dtype}, recorded by {ladder.framework}"
    output.table(title, rows, header=("rung", "", "error", ""))


def _plain(ladder: "Ladder") -> dict[str, Any]:
    facts = asdict(ladder)
    for rung in facts["rungs"]:
        error = rung["error"]
        rung["error"] = None if error is None or not np.isfinite(error) else float(error)
        rung["bit_equal"] = bool(rung["bit_equal"])
    return {**facts, "passed": ladder.passed, "rungs": list(facts["rungs"])}


def check_out(out: str) -> Path:
    """Raises BadInput before anything is computed."""
    path = Path(out)
    if path.suffix.lower() != ".npz" or path.is_dir() or not path.parent.is_dir():
        raise BadInput(f"--out {out}: expected a name that ends in .npz, in a folder that exists.")
    return path
