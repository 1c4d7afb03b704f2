"""`jaxgd parity diagnose`."""

from typing import TYPE_CHECKING

import click

from jaxgd.cli.errors import DONE, NO, bad_input
from jaxgd.cli.options import output_options

if TYPE_CHECKING:
    from jaxgd.cli.console import Output
    from jaxgd.parity.diagnosing import Diagnosis, Finding


@click.command("diagnose", short_help="Find the update rule behind a trace.")
@click.argument("trace", metavar="TRACE")
@output_options
def command(trace: str, quiet: bool, color: bool, as_json: bool) -> int:
    """Find the optimizer and its settings that made TRACE, from its parameters and gradients alone.

    TRACE is a trace, or any NPZ file with arrays params/NAME [steps + 1, ...] and grads/NAME [steps, ...],
    from any framework, recorded from the optimizer's first step on. Exit code 1 if no known rule fits.

    \b
    Example:
      jaxgd parity diagnose run.npz
    """
    from jaxgd.cli.console import Output
    from jaxgd.parity.diagnosing import diagnose, read_run

    output = Output(quiet, color)
    with bad_input():
        run = read_run(trace)
    diagnosis = diagnose(run)
    _show(output, trace, diagnosis)
    if as_json:
        output.json({"trace": trace, "steps": run.steps, **diagnosis.to_json()})
    return DONE if diagnosis.best else NO


def _show(output: "Output", trace: str, diagnosis: "Diagnosis") -> None:
    found = diagnosis.best
    if found is None:
        output.line(f"{trace}: none fits.")
        if diagnosis.nearest:
            nearest = diagnosis.nearest
            reason = "" if nearest.schedule else ", whose free rates follow no known schedule"
            output.line(
                f"Nearest: {nearest.title}{reason}; {nearest.relative:.1e} of the changes unexplained."
            )
        return
    output.table(f"{trace}: {found.title}", _rows(found))
    if diagnosis.precision:
        output.line(f"Up to {diagnosis.precision:g} of a change was put down to constants in float32.")
    others = [(other.title, other.schedule, f"{other.residual:.2f}") for other in diagnosis.findings[1:]]
    if others:
        output.table("This run cannot tell it from", others, ("rule", "schedule", "residual"))


def _rows(found: "Finding") -> list[tuple[str, object]]:
    numbers = [(name, str(number)) for name, number in found.numbers.items()]
    residual = f"{found.residual:.2f} of rounding, {found.relative:.1e} of the changes"
    return [("schedule", found.schedule), *numbers, ("unexplained", residual)]
