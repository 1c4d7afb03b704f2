"""`jaxgd train` in several processes: how they begin, and how they end when one of them cannot go on."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import click

from jaxgd.cli.errors import BadInput

AUTO = "auto"


def join(coordinator: str | None, num_processes: int | None, process_id: int | None, timeout: float) -> None:
    """Join the other processes, if a coordinator is named.

    Raises:
      ValueError: they did not come together, or a number stands without a coordinator.
    """
    if coordinator is None:
        if num_processes is not None or process_id is not None:
            raise ValueError("--num-processes and --process-id: expected together with --coordinator.")
        return
    from jaxgd.scaling import hosts

    hosts.connect(None if coordinator == AUTO else coordinator, num_processes, process_id, timeout)


def is_first() -> bool:
    """Whether this process writes and shows what is written and shown once."""
    from jaxgd.scaling import hosts

    return hosts.is_first()


def together(what: str) -> AbstractContextManager[None]:
    """`hosts.together`; nothing where a process is alone."""
    from jaxgd.scaling import hosts

    return hosts.together(what) if hosts.num_processes() > 1 else nullcontext()


def folder_of_first(folder: Path | None) -> Path:
    """The folder that the first process has taken."""
    from jaxgd.scaling import hosts

    if hosts.num_processes() == 1 and folder is not None:
        return folder
    return Path(hosts.meet("the run's folder", None if folder is None else str(folder))[0])


@contextmanager
def leaving_together() -> Iterator[None]:
    """Around what may fail in several processes: an error is shown, and the process ends without waiting."""
    from jaxgd.scaling import hosts

    try:
        yield
    except BadInput as error:
        if hosts.num_processes() == 1:
            raise
        click.echo(f"Error: {error.format_message()}", err=True)
        hosts.leave(error.exit_code)
