"""`jaxgd parity MODEL.keras`."""

from typing import Any

import click

from jaxgd.cli.errors import bad_input
from jaxgd.cli.options import output_options
from jaxgd.cli.parity_showing import cannot_compare, need_tensorflow, read_rows, run_options, show


@click.command("model", short_help="The ladder for a .keras file of yours.")
@click.argument("model", metavar="MODEL.keras")
@run_options
@output_options
def command(
    model: str,
    data: str | None,
    target: str | None,
    loss: str | None,
    quiet: bool,
    color: bool,
    as_json: bool,
    **run: Any,
) -> int:
    """Train MODEL.keras in TensorFlow and in jaxgd, and compare them rung by rung.

    Weights, forward pass, loss, gradients, one update with all slots, all updates, a run of its own, the
    history of fit, evaluate and predict; in float32, and in float64. The file is not changed.

    \b
    Example:
      jaxgd parity model.keras --data rows.csv --steps 50
    """
    from jaxgd.cli.console import Output

    output = Output(quiet, color)
    with bad_input():
        need_tensorflow()
        rows = read_rows(model, data, target, loss)
    from jaxgd.parity.your_model import compare_file

    with cannot_compare():
        ladders = compare_file(model, rows, loss=loss, **run)
    return show(output, ladders, as_json, model)
