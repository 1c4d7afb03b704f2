"""`jaxgd parity`: the catalogue, or one of its sub-commands, or the ladder for a .keras file."""

import importlib
from typing import Any

import click

from jaxgd._checks import unknown_name
from jaxgd.cli.errors import BadInput

SUB_COMMANDS = {
    "catalogue": ("parity", "The whole catalogue, live against TensorFlow; the default."),
    "model": ("parity_model", "The ladder for a .keras file of yours: jaxgd parity MODEL.keras is enough."),
    "record": ("parity_record", "Write down what TensorFlow computes, as a trace."),
    "verify": ("parity_verify", "Hold jaxgd against traces; needs no TensorFlow."),
    "diagnose": ("parity_diagnose", "Find the update rule behind a trace."),
}


class ParityCommand(click.Command):
    """Hands over to the sub-command that the first word asks for."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] in (["--help"], ["-h"]):
            return super().make_context(info_name, args, parent, **extra)
        name, rest = route(args)
        module = importlib.import_module(f"jaxgd.cli.{SUB_COMMANDS[name][0]}")
        return module.command.make_context(f"{info_name} {name}", rest, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in SUB_COMMANDS.items()])


def route(args: list[str]) -> tuple[str, list[str]]:
    """The sub-command and what is left for it.

    Raises:
      BadInput: a first word that is neither a sub-command nor a .keras file.

    >>> route(["model.keras", "--steps", "5"]), route(["--smoke"])
    (('model', ['model.keras', '--steps', '5']), ('catalogue', ['--smoke']))
    """
    if not args or args[0].startswith("-"):
        return "catalogue", args
    if args[0] in SUB_COMMANDS:
        return args[0], args[1:]
    if args[0].lower().endswith(".keras"):
        return "model", args
    raise BadInput(str(unknown_name("parity command or .keras file", args[0], SUB_COMMANDS)))


@click.command("parity", cls=ParityCommand, short_help="jaxgd held against TensorFlow, live or recorded.")
def command() -> None:
    """Prove that jaxgd computes what TensorFlow's Keras computes. Exit code 1 if it does not.

    \b
    Examples:
      jaxgd parity                              the catalogue; --smoke for less than a minute
      jaxgd parity model.keras                  your own model, rung by rung
      jaxgd parity record model.keras --out run.trace.npz
      jaxgd parity verify run.trace.npz
    """
