"""The command `jaxgd`: finds commands by name, and turns every way to end into an exit code."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import jaxgd
from jaxgd._checks import unknown_name
from jaxgd.cli.commands import COMMANDS
from jaxgd.cli.errors import INTERRUPTED, TERMINATED, BadInput
from jaxgd.cli.next_step import with_next_step

FIRST_STEPS = """\
jaxgd {version}: multilayer perceptrons in JAX, in exactly Keras's meaning.

Try first:
  jaxgd train                 train on an embedded real data set (digits)
  jaxgd train my.csv          train on your own table; the last column is the target
  jaxgd info my.csv           see what is in a table
  jaxgd explain               one training step, number by number
  jaxgd --help                all commands
"""


class App(click.Group):
    """A group whose commands are imported when they are called; `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        return entry and importlib.import_module(f"jaxgd.cli.{entry.module}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            raise BadInput(str(unknown_name("command", args[0], COMMANDS)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # pyright: ignore[reportIncompatibleMethodOverride]
        extra["standalone_mode"] = False
        code = self._exit_code(list(sys.argv[1:] if args is None else args), prog_name or "jaxgd", extra)
        if code == TERMINATED:  # nothing is taken down in good order: there are seconds left
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)

    def _exit_code(self, args: list[str], prog_name: str, extra: dict[str, Any]) -> int:
        try:
            returned = super().main(args, prog_name, obj=tuple(args), **extra)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted. Run it again, or see what is there with: jaxgd info", err=True)
            return INTERRUPTED
        except click.ClickException as error:
            click.echo(f"Error: {_message(error, args)}", err=True)
            return error.exit_code
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        return returned if isinstance(returned, int) else 0


def _message(error: click.ClickException, args: Sequence[str]) -> str:
    """One message, with the next thing to do."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    return with_next_step(error.format_message(), args, None if context is None else context.command_path)


def _show_completion(context: click.Context, parameter: click.Parameter, shell: str | None) -> None:
    if shell is not None:
        from jaxgd.cli.completing import script

        click.echo(script(shell), nl=False)
        context.exit()


@click.group(
    "jaxgd", cls=App, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(jaxgd.__version__, prog_name="jaxgd")
@click.option(
    "--completion",
    type=click.Choice(("bash", "zsh", "fish")),
    is_eager=True,
    expose_value=False,
    callback=_show_completion,
    help='What makes a shell complete. In its start-up file: eval "$(jaxgd --completion bash)"',
)
@click.pass_context
def app(ctx: click.Context) -> None:
    """Multilayer perceptrons trained by gradient descent in JAX, in exactly Keras's meaning.

    \b
    Example:
      jaxgd train digits --epochs 20
    """
    if ctx.invoked_subcommand is None:
        click.echo(FIRST_STEPS.format(version=jaxgd.__version__), nl=False)
