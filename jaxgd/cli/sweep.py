"""`jaxgd sweep`."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from jaxgd.cli import train
from jaxgd.cli.errors import DONE, INTERRUPTED, NO, TERMINATED, bad_input
from jaxgd.cli.options import output_options
from jaxgd.runs.settings import Settings

if TYPE_CHECKING:
    from jaxgd.cli.console import Output
    from jaxgd.cli.sweep_job import Job
    from jaxgd.sweeps import SweepTable

_SETTINGS = set(Settings().to_dict()) - {
    "on_divergence",
    "max_halvings",
    "window",
    "on_bad_file",
    "rows_cache",
}
_HOW = ("lanes", "devices", "memory_budget", "plan", "checkpoint_every")
_WITH_RESUME = {"resume", *_HOW, "explain_plan", "quiet", "color", "as_json"}


@click.command(
    "sweep",
    short_help="Train many models on a table: grids, seeds, folds.",
    params=[option for option in train.command.params if option.name in _SETTINGS],
)
@click.option(
    "--grid",
    multiple=True,
    metavar="NAME=VALUES",
    help="An axis; may be repeated. VALUES: 0.1,0.01 or 1e-4..1e-1:log:5; widths 64,128/64,none.",
)
@click.option("--seeds", type=int, default=1, show_default=True, metavar="N", help="N seeds from --seed on.")
@click.option("--folds", type=int, metavar="K", help="A cross-validation instead of one held-out share.")
@click.option("--samples", type=int, metavar="N", help="N combinations at random instead of all.")
@click.option("--halving", metavar="FACTOR:EPOCHS", help="Successive halving, such as 3:2.")
@click.option("--monitor", metavar="COLUMN", help="What is compared.  [default: val_loss]")
@click.option("--refit", is_flag=True, help="Train the best settings on all rows, nothing held out.")
@click.option("--plan", default="auto", show_default=True, help="auto, sequential, map, vmap or vmap:WIDTH.")
@click.option("--explain-plan", is_flag=True, help="Show what the planner weighed, and why it chose.")
@click.option("--devices", type=int, metavar="N", help="Devices that take members, a lane each in turn.")
@click.option("--lanes", type=int, metavar="N", help="Members side by side.  [default: one a core]")
@click.option("--memory-budget", type=float, metavar="MIB", help="[default: half of the machine's memory]")
@click.option(
    "--checkpoint-every",
    type=float,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How often the members under way are saved.",
)
@click.option("--out", metavar="FOLDER", help="The sweep's folder.  [default: sweeps/DATA-N]")
@click.option("--resume", metavar="FOLDER", help="Go on with the sweep in FOLDER, whatever ended it.")
@output_options
def command(
    quiet: bool, color: bool, as_json: bool, explain_plan: bool, resume: str | None, **given: Any
) -> int:
    """Train many models on DATA, compare them, and write the best as a run folder.

    Every combination of the axes is trained with every seed, on the same held-out rows. Axes are the options
    of `jaxgd train`: hidden, activation, dropout, loss, optimizer, learning_rate, weight_decay, clipnorm,
    global_clipnorm, epochs, batch_size, patience.

    The folder holds sweep.csv (all members, the best first), sweep.png and best/, which is what `jaxgd train`
    makes of the best settings. A sweep that was interrupted, terminated or killed goes on with --resume, its
    members where they stood, and ends with the same numbers, bit for bit.

    \b
    Examples:
      jaxgd sweep --grid learning_rate=1e-4..1e-1:log:5 --seeds 4 --epochs 10
      jaxgd sweep houses.csv --grid hidden=32,64/32 --grid dropout=0,0.2 --folds 5
      jaxgd sweep --resume sweeps/houses-1
    """
    from jaxgd.cli.console import Output
    from jaxgd.cli.sweep_job import begin, read_job

    output = Output(quiet, color)
    with bad_input():
        job = begin(given, _SETTINGS, _HOW) if resume is None else read_job(Path(resume), _refusing(given))
    return _sweep(job, explain_plan, output, as_json)


def _refusing(given: dict[str, Any]) -> dict[str, Any]:
    """What may be given with --resume. Raises ValueError for an option that the sweep has already."""
    context = click.get_current_context()
    named = {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in _WITH_RESUME
    }
    if named:
        raise ValueError(
            f"--resume: the sweep's own settings are used; {min(named)} cannot be given with it."
        )
    return {name: given[name] for name in _HOW}


def _sweep(job: "Job", explain_plan: bool, output: "Output", as_json: bool) -> int:
    from jaxgd.cli.errors import saved_until_now, warnings_as_lines
    from jaxgd.cli.interrupting import catching_interrupt
    from jaxgd.cli.sweep_job import JOURNAL, campaign_of, claimed, finish
    from jaxgd.cli.sweep_showing import Display, show_plan, show_table
    from jaxgd.runs.training import precision_of
    from jaxgd.sweeps.standing import held

    with precision_of(job.settings.dtype), ExitStack() as stack:
        with bad_input(), warnings_as_lines():
            folder = stack.enter_context(claimed(job))
            campaign = campaign_of(job, folder)
            if job.folder is None:
                stack.enter_context(held(folder / JOURNAL))
        if explain_plan:
            show_plan(output, campaign.reasons)
        go_on = f"jaxgd sweep --resume {folder}"
        terminated = f"Terminated; go on with: {go_on}"
        with catching_interrupt(f"{terminated}\n") as interrupt:
            with saved_until_now(folder, go_on), Display(output.console) as display:
                table = campaign.run(lambda report: display(report) or not interrupt)
            with bad_input(), saved_until_now(folder, go_on), warnings_as_lines():
                best = None if interrupt.terminated else finish(job, folder, table, lambda: interrupt)
        if interrupt.terminated:  # nothing more: there are seconds left
            click.echo(terminated, err=True)
            return TERMINATED
    show_table(output, folder, table, best, bool(interrupt))
    if as_json:
        output.json(_summary(folder, table, best, bool(interrupt)))
    if interrupt:
        return INTERRUPTED
    return DONE if any(member.value(table.monitor) is not None for member in table) else NO


def _summary(folder: Path, table: "SweepTable", best: Path | None, interrupted: bool) -> dict[str, Any]:
    from jaxgd.sweeps.table import shown

    first = next(iter(table))
    value = first.value(table.monitor)
    settings = {axis: shown(setting) for axis, setting in first.settings.items()}
    statuses = [member.status for member in table]
    return {
        "sweep": str(folder),
        "run": None if best is None else str(best),
        "members": len(table),
        **{
            status.replace(" ", "_"): statuses.count(status)
            for status in ("done", "diverged", "dropped", "not run")
        },
        "monitor": table.monitor,
        "best": None
        if value is None
        else {**settings, "seed": first.seed, "fold": first.fold, table.monitor: value},
        "seconds": {name: round(value, 4) for name, value in table.seconds.items()},
        "compilations": table.compilations,
        "interrupted": interrupted,
    }
