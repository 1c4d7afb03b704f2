"""`jaxgd predict`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from jaxgd.cli import completing
from jaxgd.cli.errors import BadInput, bad_input, leaving_on_sigterm, warnings_as_lines
from jaxgd.cli.options import on_bad_file_option, output_options
from jaxgd.cli.pieces import write_pieces

if TYPE_CHECKING:
    from jaxgd.runs import Run

_ENDINGS = (".csv", ".parquet")


@click.command("predict", short_help="Predictions of a run or a .keras model for new rows.")
@click.argument("source", metavar="RUN_OR_MODEL", shell_complete=completing.path)
@click.argument("data", shell_complete=completing.data)
@click.option(
    "--out", default="-", show_default=True, metavar="FILE", help="A .csv or .parquet file; - prints CSV."
)
@on_bad_file_option
@output_options
def command(
    source: str, data: str, out: str, on_bad_file: str, quiet: bool, color: bool, as_json: bool
) -> None:
    """Predictions of RUN_OR_MODEL for the rows of DATA, as they are in the file; the target may be missing.

    A regression gives a value a row. Classes give the name of the likeliest and the probability of each.
    A model with several inputs takes their features side by side; its outputs are columns by their names.
    A folder, or a pattern in quotes, of Parquet, CSV, TSV or NPY files is streamed: read, predicted and
    written some rows at a time. The file has its name when all of it is written.

    \b
    Examples:
      jaxgd predict runs/digits-1 digits
      jaxgd predict runs/houses-1 new_houses.csv --out prices.csv
      jaxgd predict runs/houses-1 "new/*.parquet" --out prices.parquet
    """
    from jaxgd.cli.console import Output

    output = Output(quiet, color)
    with bad_input(), warnings_as_lines(), leaving_on_sigterm():
        _check_out(out, data)
        pieces, unknown_of = _predictions(source, data, on_bad_file)
        rows, names = write_pieces(pieces, out)
    unknown = unknown_of()
    for name, count in unknown.items():
        click.echo(
            f"Warning: column {name!r}: {count} cells hold a category that training never saw.", err=True
        )
    if out != "-":
        output.line(f"{rows:,} predictions: {out}")
    if as_json:
        output.json({"out": out, "rows": rows, "columns": names, "unknown_categories": unknown})


def _check_out(out: str, data: str) -> None:
    """Raises BadInput before anything is computed."""
    path = Path(out)
    if out == "-":
        return
    if path.suffix.lower() not in _ENDINGS:
        raise BadInput(f"--out {out}: expected an ending of {', '.join(_ENDINGS)}, or -.")
    if path.is_dir() or not path.parent.is_dir():
        raise BadInput(f"--out {out}: expected a file in a folder that exists.")
    if path.exists() and Path(data).exists() and path.samefile(data):
        raise BadInput(f"--out {out}: is the file to read.")


def _predictions(
    source: str, data: str, on_bad_file: str
) -> tuple[Iterator[dict[str, np.ndarray]], Callable[[], dict[str, int]]]:
    """The columns of the predictions piece by piece, and behind them how many categories were unknown."""
    from jaxgd.cli.sources import BareModel, open_source
    from jaxgd.data import read
    from jaxgd.data.streams import is_many

    opened = open_source(source)
    if is_many(data):
        return _of_stream(opened, data, on_bad_file)
    table = read(data)
    if isinstance(opened, BareModel):
        return iter([opened.predict(table)]), dict
    return iter([_of_run(opened, table)]), lambda: opened.encoding.count_unknown(table)


def _of_stream(
    opened: Any, data: str, on_bad_file: str
) -> tuple[Iterator[Any], Callable[[], dict[str, int]]]:
    from jaxgd import predict
    from jaxgd.cli.sources import BareModel
    from jaxgd.runs.streams import rows_like
    from jaxgd.runs.training import precision_of

    if isinstance(opened, BareModel):
        return (_of_model(outputs) for outputs in opened.predict_stream(data, on_bad_file)), dict
    rows = rows_like(opened, data, on_bad_file, with_target=False)

    def pieces() -> Iterator[dict[str, np.ndarray]]:
        with precision_of(opened.settings.dtype):
            model, params = opened.trained
            for outputs in predict(model, params, rows):
                yield _columns(opened.encoding, outputs)

    return pieces(), rows.count_unknown


def _of_run(run: "Run", table: Any) -> dict[str, np.ndarray]:
    from jaxgd import predict
    from jaxgd.runs.training import precision_of

    with precision_of(run.settings.dtype):
        outputs = predict(*run.trained, run.encoding.encode(table, run.settings.array_dtype))
    return _columns(run.encoding, outputs)


def _columns(encoding: Any, outputs: np.ndarray) -> dict[str, np.ndarray]:
    columns = {"prediction": encoding.decode(outputs)}
    if encoding.task == "multiclass":
        columns |= {f"probability_{name}": outputs[:, k] for k, name in enumerate(encoding.classes)}
    if encoding.task == "binary":
        columns[f"probability_{encoding.classes[1]}"] = outputs[:, 0]
    return columns


def _of_model(outputs: np.ndarray) -> dict[str, np.ndarray]:
    return {f"output_{place}": outputs[:, place] for place in range(outputs.shape[1])}
