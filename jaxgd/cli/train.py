"""`jaxgd train`."""

import importlib.util
import os
import shlex
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from jaxgd._checks import check_real
from jaxgd.cli import completing
from jaxgd.cli.errors import (
    DONE,
    INTERRUPTED,
    NO,
    TERMINATED,
    BadInput,
    bad_input,
    saved_until_now,
    warnings_as_lines,
)
from jaxgd.cli.options import on_bad_file_option, output_options, whole_numbers
from jaxgd.runs.settings import DTYPES, MISSING, TASKS, Settings

if TYPE_CHECKING:
    from jaxgd.cli.console import Output
    from jaxgd.runs import Plan
    from jaxgd.training import FitResult

_DEFAULTS = Settings()
_COMMANDLINE = click.core.ParameterSource.COMMANDLINE
_OF_MODEL = (
    "hidden", "activation", "dropout", "loss", "optimizer", "weight_decay", "clipnorm", "global_clipnorm",
    "dtype",
)  # fmt: skip
_SHOWN = {"no_report", "tensorboard", "watch", "quiet", "color", "as_json"}
_WHERE = {"devices", "coordinator", "num_processes", "process_id", "join_timeout"}
_WITH_RESUME = {"resume", "data", "epochs", "checkpoint_every", *_SHOWN, *_WHERE}


def _count_or_auto(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    """`4` as 4, `auto` as itself."""
    if value is None or value == "auto":
        return value
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"expected a number of devices, or auto, got {value!r}.")
    return int(value)


@click.command("train", short_help="Train a model on a table and write a run folder.")
@click.argument("data", default=_DEFAULTS.data, shell_complete=completing.data)
@click.option(
    "--target", metavar="COLUMN", help="Column to predict.  [default: target, label, class, y; else the last]"
)
@click.option("--task", metavar="TASK", help=f"{', '.join(TASKS)}.  [default: what the target suggests]")
@click.option(
    "--missing",
    default=_DEFAULTS.missing,
    show_default=True,
    metavar="WAY",
    help=f"Missing cells: {', '.join(MISSING)}.",
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    metavar="COLUMN",
    help="A column of numbers that are categories; may be repeated.",
)
@click.option("--exclude", multiple=True, metavar="COLUMN", help="A column to leave out; may be repeated.")
@click.option(
    "--hidden",
    default=",".join(map(str, _DEFAULTS.hidden)),
    show_default=True,
    callback=whole_numbers,
    metavar="WIDTHS",
    help="Widths of the hidden layers; none for no hidden layer.",
)
@click.option("--activation", default=_DEFAULTS.activation, show_default=True, help="Of the hidden layers.")
@click.option(
    "--dropout",
    type=float,
    default=_DEFAULTS.dropout,
    show_default=True,
    metavar="RATE",
    help="Behind each hidden layer.",
)
@click.option("--loss", help="[default: the task's cross-entropy, or mean_squared_error]")
@click.option(
    "--optimizer",
    default=_DEFAULTS.optimizer,
    show_default=True,
    shell_complete=completing.optimizer,
    help="Any name of Keras.",
)
@click.option(
    "--learning-rate",
    type=float,
    metavar="RATE",
    help="[default: the optimizer's; sgd on a regression divides it by the target's variance]",
)
@click.option("--weight-decay", type=float, metavar="RATE", help="Decoupled from the gradient, as Keras's.")
@click.option("--clipnorm", type=float, metavar="NORM", help="Bound of each gradient's norm.")
@click.option("--global-clipnorm", type=float, metavar="NORM", help="Bound of the norm of all gradients.")
@click.option(
    "--epochs", type=int, default=_DEFAULTS.epochs, show_default=True, help="0 trains nothing and evaluates."
)
@click.option("--batch-size", type=int, default=_DEFAULTS.batch_size, show_default=True, metavar="ROWS")
@click.option(
    "--validation-split",
    type=float,
    default=_DEFAULTS.validation_split,
    show_default=True,
    metavar="SHARE",
    help="Share of the rows that is held out.",
)
@click.option(
    "--patience",
    type=int,
    metavar="EPOCHS",
    help="Stop after so many epochs without a lower held-out loss, and keep the best.",
)
@click.option(
    "--seed",
    type=int,
    default=_DEFAULTS.seed,
    show_default=True,
    help="Of split, parameters, order and dropout.",
)
@click.option("--split-seed", type=int, metavar="SEED", help="Of the split alone.  [default: the seed]")
@click.option("--dtype", default=_DEFAULTS.dtype, show_default=True, help=f"{', '.join(DTYPES)}.")
@click.option(
    "--on-divergence",
    default=_DEFAULTS.on_divergence,
    show_default=True,
    metavar="WAY",
    help="stop; or restore: back to the best epoch, and on with half the learning rate.",
)
@click.option(
    "--max-halvings",
    type=int,
    default=_DEFAULTS.max_halvings,
    show_default=True,
    metavar="TIMES",
    help="How often restore may halve it.",
)
@click.option(
    "--from",
    "from_model",
    metavar="MODEL",
    help="A .keras or .h5 file to go on from: network, weights, loss, optimizer with its state.",
)
@click.option(
    "--window",
    type=int,
    metavar="ROWS",
    help="Stream DATA from its files, so many rows in memory at a time.  [default for folders: 64 MiB]",
)
@on_bad_file_option
@click.option("--out", metavar="FOLDER", help="The run folder.  [default: runs/DATA-N]")
@click.option(
    "--checkpoint-every",
    type=float,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How often the run is saved while it goes on.",
)
@click.option(
    "--resume",
    metavar="FOLDER",
    help="Go on with the run in FOLDER, whatever ended it; only --epochs, and where DATA is, may differ.",
)
@click.option(
    "--devices",
    callback=_count_or_auto,
    metavar="N|auto",
    help="Devices that share each batch; auto: as many as are forecast to gain.  [default: 1]",
)
@click.option(
    "--coordinator",
    metavar="HOST:PORT",
    help="Train with other processes; process 0 listens there. auto: as SLURM, a JobSet or a TPU pod says.",
)
@click.option("--num-processes", type=int, metavar="N", help="With --coordinator: how many there are.")
@click.option("--process-id", type=int, metavar="I", help="With --coordinator: which one this is, from 0.")
@click.option(
    "--join-timeout",
    type=float,
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="With --coordinator: how long to wait for the others.",
)
@click.option("--no-report", is_flag=True, help="Write neither curves.png nor report.html.")
@click.option("--tensorboard", is_flag=True, help="Also write event files, into FOLDER/tensorboard.")
@click.option(
    "--watch",
    is_flag=True,
    help="Also measure each layer after each epoch, for the report: norms of gradient and update, dead "
    "units, learning rate.",
)
@click.option("--profile", metavar="FOLDER", help="Trace the run into FOLDER, and print where the time went.")
@output_options
def command(
    out: str | None,
    resume: str | None,
    checkpoint_every: float,
    no_report: bool,
    tensorboard: bool,
    watch: bool,
    profile: str | None,
    devices: int | str | None,
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    join_timeout: float,
    quiet: bool,
    color: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Train a model on DATA and write a run folder.

    DATA is a CSV, TSV, Parquet, NPZ or NPY file, or an embedded set: digits, breast-cancer, wine, iris,
    diabetes. Numbers are standardised and text becomes categories inside the run, which later takes raw
    rows. A regression's output is scaled to the target's own units inside the model.

    DATA may be larger than memory: a folder, or a pattern in quotes, of Parquet, CSV, TSV or NPY files with
    equal columns is streamed, one window of rows after the other, in an order that seed and epoch decide.

    With --from a model that Keras or jaxgd saved goes on: the table's features must be the model's, in order.

    A run that was killed, interrupted or terminated goes on with --resume, and ends with the same numbers,
    bit for bit, as if nothing had happened.

    \b
    Examples:
      jaxgd train
      jaxgd train houses.csv --target price --epochs 200 --patience 20
      jaxgd train "parts/*.parquet" --target price --batch-size 1024
      jaxgd train --resume runs/houses-1
      jaxgd train houses.csv --from model.keras --epochs 20
      jaxgd train houses.csv --devices auto
      jaxgd train houses.csv --coordinator 10.0.0.1:1234 --num-processes 2 --process-id 0
    """
    from jaxgd.cli.console import Output
    from jaxgd.cli.joining import is_first, join, leaving_together, together
    from jaxgd.cli.loading import load_training

    with bad_input():
        join(coordinator, num_processes, process_id, join_timeout)
    output = Output(quiet or not is_first(), color)
    seconds = load_training()
    with leaving_together(), bad_input(), together("jaxgd train"):
        check_real("checkpoint_every", checkpoint_every, 0.0)
        job = (
            _begin(options, out)
            if resume is None
            else _resume(Path(resume), out, options["epochs"], options["data"])
        )
        job = job._replace(tensorboard=tensorboard and _can_write_events())
        job = job._replace(profile=profile, import_seconds=seconds, watch=watch, devices=devices)
    with leaving_together():
        return _train(job, checkpoint_every, not no_report, output, as_json)


class _Job(NamedTuple):
    """What to run and where: `folder` is None for a new one."""

    settings: Settings
    out: str | None
    folder: Path | None = None
    table: Any = None
    command: str = ""
    tensorboard: bool = False
    watch: bool = False
    profile: str | None = None
    import_seconds: float = 0.0
    devices: int | str | None = None


def _can_write_events() -> bool:
    """True. Raises BadInput without the library that writes event files."""
    if importlib.util.find_spec("tensorboardX") is None:
        raise BadInput("--tensorboard: tensorboardX is not installed. Run: pip install tensorboardX")
    return True


def _begin(options: dict[str, Any], out: str | None) -> _Job:
    settings = Settings(**options)
    settings.check()
    if settings.from_model is not None:
        settings = _of_model(settings, settings.from_model)
    return _Job(settings, out, command=_command_line())


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


def _resume(folder: Path, out: str | None, epochs: int, data: str) -> _Job:
    from jaxgd.runs import read_started

    given = _given()
    refused = sorted(set(given) - _WITH_RESUME)
    if refused:
        raise ValueError(f"--resume: the run's own settings are used, {refused[0]} cannot be given with it.")
    started = read_started(folder)
    settings = replace(started.settings, epochs=epochs) if "epochs" in given else started.settings
    settings.check()
    table = started.table(data if "data" in given else None)
    if "data" in given:
        settings = replace(settings, data=data)
    return _Job(settings, out, folder, table, started.command)


def _train(job: _Job, every: float, with_report: bool, output: "Output", as_json: bool) -> int:
    from jaxgd import reports, runs
    from jaxgd.cli.interrupting import catching_interrupt
    from jaxgd.cli.joining import folder_of_first, is_first, together
    from jaxgd.cli.profiling import account, profiling, show_account
    from jaxgd.cli.showing import show_plan, show_results
    from jaxgd.runs.training import assess, precision_of

    settings = job.settings
    with precision_of(settings.dtype), ExitStack() as stack:
        with bad_input(), warnings_as_lines():
            with together("the plan"):
                plan = runs.make_plan(settings, job.table)
                _check_profile(job)
                runs.check_savable(plan)
            with together("the run's folder"):
                folder = job.folder
                if folder is None and is_first():
                    folder = stack.enter_context(runs.claim_folder(job.out, settings.data))
                    runs.write_started(folder, plan, job.command)
            folder = folder_of_first(folder)
        show_plan(output, plan)
        go_on = f"jaxgd train --resume {folder}"
        terminated = f"Terminated; go on with: {go_on}"
        with catching_interrupt(f"{terminated}\n") as interrupt, saved_until_now(folder, go_on):
            writer = (
                stack.enter_context(reports.EventWriter(folder)) if job.tensorboard and is_first() else None
            )
            log = _layer_log(folder, plan, writer) if job.watch and is_first() else nullcontext()
            with profiling(job.profile, plan), log as watch:
                result = _execute(plan, folder, every, output, interrupt, writer, watch, job.devices)
            if interrupt.terminated and result.interrupted:  # nothing more: there are seconds left
                click.echo(terminated, err=True)
                return TERMINATED
            if not is_first():
                return NO if result.divergence is not None else INTERRUPTED if interrupt else DONE
            outcome = assess(plan, result)
            with bad_input(), saved_until_now(folder, go_on):
                config = runs.write_run(folder, outcome, job.command)
                if writer is not None:
                    writer.finish(outcome.result.history, config)
                if with_report:
                    reports.write_report(folder, plan)
    show_results(output, folder, config, with_report)
    facts = None if job.profile is None else account(job.profile, outcome)
    if facts is not None:
        show_account(output, facts)
    if as_json:
        summary = _summary(folder, config)
        summary["seconds"] = {"import": round(job.import_seconds, 4), **summary["seconds"]}
        output.json(summary if facts is None else {**summary, "profile": facts})
    if outcome.result.divergence is not None:
        advice = "Try a lower --learning-rate, --global-clipnorm 1, or --on-divergence restore."
        click.echo(f"Diverged: {outcome.result.divergence} {advice}", err=True)
        return NO
    return INTERRUPTED if interrupt else DONE


def _check_profile(job: _Job) -> None:
    """Raises BadInput for a trace of a run whose time goes into reading too."""
    from jaxgd.runs.plan import is_streamed

    if job.profile is not None and is_streamed(job.settings):
        raise BadInput("--profile: takes a table in memory, not files that are streamed.")


def _layer_log(folder: Path, plan: "Plan", writer: Any) -> Any:
    from jaxgd import reports

    return reports.LayerLog(folder, plan, None if writer is None else writer.write_layers)


def _execute(
    plan: "Plan",
    folder: Path,
    every: float,
    output: "Output",
    interrupt: Any,
    writer: Any,
    watch: Any,
    devices: int | str | None,
) -> "FitResult":
    """Training, with what the library warns of shown as a line each, and what it refuses as a message."""
    from jaxgd.checkpoints import CheckpointError
    from jaxgd.cli.interrupting import stopping_when
    from jaxgd.runs.folder import CHECKPOINT
    from jaxgd.runs.training import train_plan
    from jaxgd.scaling import HostLostError, HostsError
    from jaxgd.training import Checkpoint
    from jaxgd.training.display import make_display

    checkpoint = Checkpoint(folder / CHECKPOINT, every=every)
    with make_display(output.console) as display, warnings_as_lines():
        try:
            progress = stopping_when(display, lambda: bool(interrupt))
            return train_plan(
                plan, progress if writer is None else writer.before(progress), checkpoint, watch, devices
            )
        except (CheckpointError, HostsError, HostLostError) as error:
            raise BadInput(str(error)) from error


def _command_line() -> str:
    return shlex.join(["jaxgd", *click.get_current_context().obj])


def _summary(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    names = ("epochs", "steps", "loss", "val_loss", "metrics", "seconds", "steps_per_second", "compilations")
    kept = {name: config["results"][name] for name in names}
    extra = ("metrics_of", "kept_epoch", "stopped_early", "interrupted", "divergence", "restored")
    return {"run": str(folder), **kept, **{name: config["results"][name] for name in extra}}
