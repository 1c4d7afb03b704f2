"""`jaxgd evaluate`."""

from typing import TYPE_CHECKING

import click

from jaxgd.cli import completing
from jaxgd.cli.errors import BadInput, bad_input, warnings_as_lines
from jaxgd.cli.options import on_bad_file_option, output_options

if TYPE_CHECKING:
    from jaxgd.runs import Run


@click.command("evaluate", short_help="Loss and metrics of a run or a .keras model.")
@click.argument("source", metavar="RUN_OR_MODEL", shell_complete=completing.path)
@click.argument("data", required=False, shell_complete=completing.data)
@click.option("--target", metavar="COLUMN", help="Column to compare with; for a .keras file only.")
@click.option("--task", metavar="TASK", help="regression, binary or multiclass; for a .keras file only.")
@on_bad_file_option
@output_options
def command(
    source: str,
    data: str | None,
    target: str | None,
    task: str | None,
    on_bad_file: str,
    quiet: bool,
    color: bool,
    as_json: bool,
) -> None:
    """Loss and metrics of RUN_OR_MODEL on all rows of DATA.

    Without DATA a run is evaluated on its own held-out rows, read again from where they were, and gives the
    numbers that train printed. A folder of Parquet, CSV, TSV or NPY files is streamed. A model with several
    inputs takes their features side by side; the targets of several outputs are the columns of their names.

    \b
    Examples:
      jaxgd evaluate runs/digits-1
      jaxgd evaluate runs/houses-1 more_houses.csv
    """
    from jaxgd.cli.console import Output, number
    from jaxgd.cli.sources import BareModel, open_source

    output = Output(quiet, color)
    with bad_input(), warnings_as_lines():
        opened = open_source(source)
        if isinstance(opened, BareModel):
            facts = _evaluate_model(opened, data, target, task, on_bad_file)
        elif target is not None or task is not None:
            raise BadInput("--target and --task: a run has its own; they are for .keras files.")
        else:
            facts = _evaluate_run(opened, data, on_bad_file)
    values = {"rows": facts["rows"], "loss": facts["loss"], **facts["metrics"]}
    shown = [(name, number(value)) for name, value in values.items()]
    output.table(f"{source} on {facts['data']}", shown)
    if as_json:
        output.json(facts)


def _evaluate_run(run: "Run", data: str | None, on_bad_file: str) -> dict:
    from jaxgd.data import read
    from jaxgd.data.streams import is_many
    from jaxgd.runs.plan import is_streamed
    from jaxgd.runs.training import precision_of

    with precision_of(run.settings.dtype):
        if is_streamed(run.settings) if data is None else is_many(data):
            return _evaluate_stream(run, data, on_bad_file)
        if data is None:
            x, y = run.held_out()
            where = f"{run.config['results']['metrics_of']} rows of {run.config['data']['source']}"
            return _facts(where, len(y), run.evaluate(x, y), 0)
        x, y, dropped = run.encode(read(data))
        return _facts(data, len(y), run.evaluate(x, y), dropped)


def _evaluate_stream(run: "Run", data: str | None, on_bad_file: str) -> dict:
    from jaxgd.runs.streams import own_rows, rows_like

    if data is None:
        rows = own_rows(run)
        where = f"{run.config['results']['metrics_of']} rows of {run.config['data']['source']}"
        return _facts(where, rows.num_rows, run.evaluate(rows, None), 0)
    rows = rows_like(run, data, on_bad_file)
    return _facts(data, rows.num_rows, run.evaluate(rows, None), rows.file_rows - rows.num_rows)


def _evaluate_model(opened, data: str | None, target: str | None, task: str | None, on_bad_file: str) -> dict:
    from jaxgd.data import read
    from jaxgd.data.streams import is_many

    if data is None:
        raise BadInput(f"{opened.path}: a model has no data of its own. Give DATA.")
    if is_many(data):
        rows, values = opened.evaluate_stream(data, target, task, on_bad_file)
        return _facts(data, rows, values, 0)
    table = read(data)
    return _facts(data, table.num_rows, opened.evaluate(table, target, task), 0)


def _facts(where: str, rows: int, values: dict[str, float], dropped: int) -> dict:
    from jaxgd.runs.writing import finite

    plain = {name: finite(value) for name, value in values.items()}
    loss = plain.pop("loss")
    return {"data": where, "rows": rows, "rows_dropped": dropped, "loss": loss, "metrics": plain}
