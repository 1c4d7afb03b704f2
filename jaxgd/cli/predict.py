"""`jaxgd predict`."""

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from jaxgd.cli import completing
from jaxgd.cli.errors import BadInput, bad_input
from jaxgd.cli.options import output_options

if TYPE_CHECKING:
    from jaxgd.cli.sources import BareModel
    from jaxgd.runs import Run

_ENDINGS = (".csv", ".parquet")


@click.command("predict", short_help="Predictions of a run or a .keras model for new rows.")
@click.argument("source", metavar="RUN_OR_MODEL", shell_complete=completing.path)
@click.argument("data", shell_complete=completing.data)
@click.option(
    "--out", default="-", show_default=True, metavar="FILE", help="A .csv or .parquet file; - prints CSV."
)
@output_options
def command(source: str, data: str, out: str, quiet: bool, color: bool, as_json: bool) -> None:
    """Predictions of RUN_OR_MODEL for the rows of DATA, as they are in the file; the target may be missing.

    A regression gives a value a row. Classes give the name of the likeliest and the probability of each.

    \b
    Examples:
      jaxgd predict runs/digits-1 digits
      jaxgd predict runs/houses-1 new_houses.csv --out prices.csv
    """
    from jaxgd.cli.console import Output

    output = Output(quiet, color)
    with bad_input():
        _check_out(out, data)
        columns, unknown = _predictions(source, data)
        _write(columns, out)
    rows = len(next(iter(columns.values())))
    for name, count in unknown.items():
        click.echo(
            f"Warning: column {name!r}: {count} cells hold a category that training never saw.", err=True
        )
    if out != "-":
        output.line(f"{rows:,} predictions: {out}")
    if as_json:
        output.json({"out": out, "rows": rows, "columns": list(columns), "unknown_categories": unknown})


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


def _predictions(source: str, data: str) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    from jaxgd.cli.sources import BareModel, open_source
    from jaxgd.data import read

    opened = open_source(source)
    table = read(data)
    if isinstance(opened, BareModel):
        return _of_model(opened, table), {}
    return _of_run(opened, table), opened.encoding.count_unknown(table)


def _of_run(run: "Run", table: Any) -> dict[str, np.ndarray]:
    from jaxgd import predict
    from jaxgd.runs.training import precision_of

    encoding = run.encoding
    with precision_of(run.settings.dtype):
        outputs = predict(*run.trained, encoding.encode(table, run.settings.array_dtype))
    columns = {"prediction": encoding.decode(outputs)}
    if encoding.task == "multiclass":
        columns |= {f"probability_{name}": outputs[:, k] for k, name in enumerate(encoding.classes)}
    if encoding.task == "binary":
        columns[f"probability_{encoding.classes[1]}"] = outputs[:, 0]
    return columns


def _of_model(opened: "BareModel", table: Any) -> dict[str, np.ndarray]:
    outputs = opened.predict(table)
    return {f"output_{place}": outputs[:, place] for place in range(outputs.shape[1])}


def _write(columns: dict[str, np.ndarray], out: str) -> None:
    import polars as pl

    from jaxgd._atomic import write_bytes

    frame = pl.DataFrame({name: pl.Series(name, values.tolist()) for name, values in columns.items()})
    stream = io.BytesIO()
    if out.lower().endswith(".parquet"):
        frame.write_parquet(stream)
    else:
        frame.write_csv(stream)
    if out == "-":
        sys.stdout.write(stream.getvalue().decode())
    else:
        write_bytes(Path(out), stream.getvalue())
