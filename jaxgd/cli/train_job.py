"""What `jaxgd train` was asked to do: settings and data of a run, and the manner in which it runs."""

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click

from jaxgd.runs.settings import Settings

_COMMANDLINE = click.core.ParameterSource.COMMANDLINE
_OF_MODEL = (
    "hidden", "activation", "dropout", "loss", "optimizer", "weight_decay", "clipnorm", "global_clipnorm",
    "dtype",
)  # fmt: skip
_SHOWN = {"no_report", "tensorboard", "watch", "quiet", "color", "as_json"}
_WHERE = {"devices", "coordinator", "num_processes", "process_id", "join_timeout"}
_WITH_RESUME = {"resume", "data", "epochs", "checkpoint_every", *_SHOWN, *_WHERE}


class Job(NamedTuple):
    """What to run and where: `folder` is None for a new one."""

    settings: Settings
    out: str | None
    folder: Path | None = None
    table: Any = None
    command: str = ""


class Manner(NamedTuple):
    """How to run it, and what to show: no number of the run depends on these."""

    checkpoint_every: float
    with_report: bool
    tensorboard: bool
    watch: bool
    profile: str | None
    devices: int | str | None
    as_json: bool
    import_seconds: float


def begin(options: dict[str, Any], out: str | None) -> Job:
    """A new run. Raises ValueError for settings that do not fit."""
    settings = Settings(**options)
    settings.check()
    if settings.from_model is not None:
        settings = _of_model(settings, settings.from_model)
    return Job(settings, out, command=shlex.join(["jaxgd", *click.get_current_context().obj]))


def _of_model(settings: Settings, path: str) -> Settings:
    """The settings of a run that goes on from a file. Raises ValueError for an option that it decides."""
    from jaxgd import keras_files

    refused = [name for name in _given() if name in _OF_MODEL]
    if refused:
        raise ValueError(f"--from: the model in {path} has its own {refused[0]}; leave the option out.")
    try:
        return replace(settings, dtype=keras_files.dtype_of(path), from_model=os.path.abspath(path))
    except keras_files.KerasFileError as error:
        raise ValueError(f"{path}: {error}") from error


def _given() -> list[str]:
    """The options that stand on the command line."""
    context = click.get_current_context()
    return [name for name in context.params if context.get_parameter_source(name) is _COMMANDLINE]


def resumed(folder: Path, out: str | None, options: dict[str, Any]) -> Job:
    """The run that was begun in a folder. Raises ValueError for an option that may not differ, RunError."""
    from jaxgd.runs import read_started

    given = _given()
    refused = sorted(set(given) - _WITH_RESUME)
    if refused:
        raise ValueError(f"--resume: the run's own settings are used, {refused[0]} cannot be given with it.")
    started = read_started(folder)
    table = started.table(options["data"] if "data" in given else None)
    settings = replace(
        started.settings, **{name: options[name] for name in ("epochs", "data") if name in given}
    )
    settings.check()
    return Job(settings, out, folder, table, started.command)
