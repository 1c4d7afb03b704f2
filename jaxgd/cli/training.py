"""A run of `jaxgd train`, from its plan to what is shown at its end."""

import importlib.util
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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
from jaxgd.cli.train_job import Job, Manner

if TYPE_CHECKING:
    from jaxgd.cli.console import Output
    from jaxgd.cli.interrupting import Interrupt
    from jaxgd.reports import EventWriter
    from jaxgd.runs import Outcome, Plan, Settings
    from jaxgd.runs.plan import AnyPlan
    from jaxgd.training import FitResult


def check_manner(settings: "Settings", manner: Manner) -> None:
    """Refuse what cannot be done, before anything is.

    Raises:
      BadInput: no library that writes event files; a profile of a stream, or of several processes; a stream
        on several devices or in several processes.
      ValueError: more devices than there are.
    """
    from jaxgd.runs.plan import is_streamed
    from jaxgd.scaling.hosts import num_processes
    from jaxgd.training.spreading import check_devices

    if manner.tensorboard and importlib.util.find_spec("tensorboardX") is None:
        raise BadInput("--tensorboard: tensorboardX is not installed. Run: pip install tensorboardX")
    if manner.profile is not None and is_streamed(settings):
        raise BadInput("--profile: takes a table in memory, not files that are streamed.")
    if manner.profile is not None and num_processes() > 1:
        raise BadInput("--profile: takes a run of one process. Leave out --coordinator.")
    if is_streamed(settings) and (manner.devices not in (None, 1, "auto") or num_processes() > 1):
        raise BadInput(
            f"{settings.data}: files that are streamed train in one process on one device. Leave out "
            "--devices and --coordinator, or give one file without --window and --rows-cache."
        )
    check_devices(manner.devices)


def train(job: Job, manner: Manner, output: "Output") -> int:
    """Run a job to its end, and write and show what came of it.

    Returns: the exit code.
    """
    from jaxgd.cli.interrupting import catching_interrupt
    from jaxgd.cli.joining import is_first
    from jaxgd.cli.profiling import profiling
    from jaxgd.cli.showing import show_plan
    from jaxgd.runs.shared_plan import SharedPlan
    from jaxgd.runs.training import precision_of

    with precision_of(job.settings.dtype), ExitStack() as stack:
        plan, folder = _begun(job, stack)
        show_plan(output, plan)
        go_on = f"jaxgd train --resume {folder}"
        terminated = f"Terminated; go on with: {go_on}"
        with catching_interrupt(f"{terminated}\n") as interrupt, saved_until_now(folder, go_on):
            writer = _event_writer(manner, folder, stack)
            with profiling(manner.profile, plan), _layer_log(manner, folder, plan, writer) as watch:
                result = _trained(plan, folder, manner, output, interrupt, writer, watch)
            if _terminated(plan, interrupt, result):  # nothing more: there are seconds left
                click.echo(terminated, err=True)
                return TERMINATED
            status = NO if result.divergence is not None else INTERRUPTED if interrupt else DONE
            if not is_first() and not isinstance(plan, SharedPlan):
                return status
            outcome = _assessed(plan, result)
            if not is_first():
                return status
            with bad_input(), saved_until_now(folder, go_on):
                config = _written(job, manner, folder, outcome, writer)
    _show(manner, output, folder, config, outcome)
    return status


def _begun(job: Job, stack: ExitStack) -> "tuple[Plan, Path]":
    """The plan and the run's folder, which the first of several processes makes."""
    from jaxgd import runs
    from jaxgd.cli.joining import folder_of_first, is_first, together

    with bad_input(), warnings_as_lines():
        with together("the plan"):
            plan = runs.make_plan(job.settings, job.table)
            runs.check_savable(plan)
        with together("the run's folder"):
            folder = job.folder
            if folder is None and is_first():
                folder = stack.enter_context(runs.claim_folder(job.out, job.settings.data))
                runs.write_started(folder, plan, job.command)
        return plan, folder_of_first(folder)


def _event_writer(manner: Manner, folder: Path, stack: ExitStack) -> "EventWriter | None":
    from jaxgd.cli.joining import is_first
    from jaxgd.reports import EventWriter

    return stack.enter_context(EventWriter(folder)) if manner.tensorboard and is_first() else None


def _layer_log(
    manner: Manner, folder: Path, plan: "Plan", writer: "EventWriter | None"
) -> AbstractContextManager[Any]:
    from jaxgd.cli.joining import is_first
    from jaxgd.reports import LayerLog

    if not (manner.watch and is_first()):
        return nullcontext()
    return LayerLog(folder, plan, None if writer is None else writer.write_layers)


def _trained(
    plan: "Plan",
    folder: Path,
    manner: Manner,
    output: "Output",
    interrupt: "Interrupt",
    writer: "EventWriter | None",
    watch: Any,
) -> "FitResult":
    """Training, with what the library warns of shown as a line each, and what it refuses as a message."""
    from jaxgd.checkpoints import CheckpointError
    from jaxgd.cli.interrupting import stopping_when
    from jaxgd.runs.folder import CHECKPOINT
    from jaxgd.runs.training import train_plan
    from jaxgd.scaling import HostLostError, HostsError
    from jaxgd.training import Checkpoint
    from jaxgd.training.display import make_display

    checkpoint = Checkpoint(folder / CHECKPOINT, every=manner.checkpoint_every)
    with make_display(output.console) as display, warnings_as_lines():
        progress = stopping_when(display, lambda: bool(interrupt))
        reports_to = progress if writer is None else writer.before(progress)
        try:
            return train_plan(plan, reports_to, checkpoint, watch, manner.devices)
        except (CheckpointError, HostsError, HostLostError) as error:
            raise BadInput(str(error)) from error


def _terminated(plan: "AnyPlan", interrupt: "Interrupt", result: "FitResult") -> bool:
    """Whether this process is to end; with shares of the rows none can be assessed once one ends."""
    from jaxgd.runs.shared_plan import SharedPlan
    from jaxgd.scaling import HostLostError, hosts

    mine = bool(interrupt.terminated and result.interrupted)
    if not isinstance(plan, SharedPlan):
        return mine
    try:
        return any(hosts.from_all(mine))
    except HostLostError as error:
        raise BadInput(str(error)) from error


def _assessed(plan: "AnyPlan", result: "FitResult") -> "Outcome":
    """What came of a plan; of several processes that have shares of the rows all take part."""
    from jaxgd.runs.training import assess
    from jaxgd.scaling import HostLostError

    try:
        return assess(plan, result)
    except HostLostError as error:
        raise BadInput(str(error)) from error


def _written(
    job: Job, manner: Manner, folder: Path, outcome: "Outcome", writer: "EventWriter | None"
) -> dict[str, Any]:
    """The run folder's config.json, once all of the folder is written."""
    from jaxgd import reports, runs

    config = runs.write_run(folder, outcome, job.command)
    if writer is not None:
        writer.finish(outcome.result.history, config)
    if manner.with_report:
        reports.write_report(folder, outcome.plan)
    return config


def _show(manner: Manner, output: "Output", folder: Path, config: dict[str, Any], outcome: "Outcome") -> None:
    from jaxgd.cli.profiling import account, show_account
    from jaxgd.cli.showing import show_results

    results = {**config["results"], "seconds": _seconds(config, manner.import_seconds)}
    show_results(output, folder, {**config, "results": results}, manner.with_report)
    facts = None if manner.profile is None else account(manner.profile, outcome)
    if facts is not None:
        show_account(output, facts)
    if manner.as_json:
        summary = _summary(folder, config, manner.import_seconds)
        output.json(summary if facts is None else {**summary, "profile": facts})
    if outcome.result.divergence is not None:
        advice = "Try a lower --learning-rate, --global-clipnorm 1, or --on-divergence restore."
        click.echo(f"Diverged: {outcome.divergence} {advice}", err=True)


def _summary(folder: Path, config: dict[str, Any], import_seconds: float) -> dict[str, Any]:
    names = ("epochs", "steps", "loss", "val_loss", "metrics", "seconds", "steps_per_second", "compilations")
    kept = {name: config["results"][name] for name in names}
    extra = ("metrics_of", "kept_epoch", "stopped_early", "interrupted", "divergence", "restored")
    return {
        "run": str(folder),
        **kept,
        "seconds": _seconds(config, import_seconds),
        **{name: config["results"][name] for name in extra},
    }


def _seconds(config: dict[str, Any], import_seconds: float) -> dict[str, float]:
    """From the start of the command on."""
    return {"import": round(import_seconds, 4), **config["results"]["seconds"]}
