"""`jaxgd parity record`."""

from typing import Any

import click

from jaxgd.cli.errors import bad_input
from jaxgd.cli.options import output_options
from jaxgd.cli.parity_showing import cannot_compare, check_out, need_tensorflow, read_rows, run_options


@click.command("record", short_help="Write down what TensorFlow computes, as a trace.")
@click.argument("model", metavar="MODEL.keras")
@click.option("--out", required=True, metavar="TRACE.npz", help="The file to write.")
@click.option(
    "--dtype",
    type=click.Choice(("float32", "float64")),
    default="float32",
    show_default=True,
    help="Of the run.",
)
@run_options
@output_options
def command(
    model: str,
    out: str,
    data: str | None,
    target: str | None,
    loss: str | None,
    quiet: bool,
    color: bool,
    as_json: bool,
    **run: Any,
) -> None:
    """Train MODEL.keras in TensorFlow and write every number into one file, for `jaxgd parity verify`.

    \b
    Example:
      jaxgd parity record model.keras --data rows.csv --out model.trace.npz
    """
    from jaxgd.cli.console import Output

    output = Output(quiet, color)
    with bad_input():
        path = check_out(out)
        need_tensorflow()
        rows = read_rows(model, data, target, loss)
    from jaxgd.parity.trace import write_trace
    from jaxgd.parity.your_model import record_file

    with cannot_compare():
        recording = record_file(model, rows, loss=loss, **run)
        write_trace(path, recording)
    facts = {"out": out, "steps": recording.steps, "dtype": recording.dtype, "bytes": path.stat().st_size}
    output.line(f"{recording.steps} steps in {recording.dtype}, {facts['bytes']:,} bytes: {out}")
    if as_json:
        output.json(facts)
