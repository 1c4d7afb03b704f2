"""`jaxgd parity verify`."""

import click

from jaxgd.cli.options import output_options


@click.command("verify", short_help="Hold jaxgd against traces; needs no TensorFlow.")
@click.argument("traces", metavar="TRACE...", nargs=-1, required=True)
@output_options
def command(traces: tuple[str, ...], quiet: bool, color: bool, as_json: bool) -> int:
    """Replay each TRACE in jaxgd, on this machine's own device, and compare it rung by rung.

    \b
    Example:
      jaxgd parity verify tests/parity/traces/*.npz
    """
    from jaxgd.cli.console import Output
    from jaxgd.cli.parity_showing import cannot_compare, show
    from jaxgd.parity import verify

    output = Output(quiet, color)
    with cannot_compare():
        ladders = [verify(trace) for trace in traces]
    return show(output, ladders, as_json, ", ".join(traces))
