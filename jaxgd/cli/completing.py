"""What the shell completes; nothing heavy is imported for it."""

from importlib.resources import files

import click
from click.shell_completion import CompletionItem, get_completion_class

EMBEDDED = ("breast-cancer", "diabetes", "digits", "iris", "wine")
SHELLS = ("bash", "zsh", "fish")
_FILE = CompletionItem("", type="file")


def data(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """An embedded set's name, or a file."""
    names = [CompletionItem(name) for name in EMBEDDED if incomplete and name.startswith(incomplete)]
    return names or [_FILE]


def path(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A file or a folder."""
    return [_FILE]


def optimizer(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """An optimizer's name: each has a file of its own."""
    inside = files("jaxgd.optimizers").iterdir()
    names = sorted(each.name.removesuffix(".py") for each in inside if each.name.endswith(".py"))
    rules = [name for name in names if not name.startswith("_") and name not in ("multi", "loss_scale")]
    return [name for name in rules if name.startswith(incomplete)]


def script(shell: str) -> str:
    """What a shell is to evaluate so that it completes `jaxgd`."""
    from jaxgd.cli.app import app

    found = get_completion_class(shell)
    if found is None:
        raise click.BadParameter(f"expected one of {', '.join(SHELLS)}, got {shell!r}.")
    return found(app, {}, "jaxgd", "_JAXGD_COMPLETE").source()
