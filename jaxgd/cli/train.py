"""`jaxgd train`."""

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxgd.cli.errors import DONE, INTERRUPTED, NO, bad_input
from jaxgd.cli.options import output_options, whole_numbers
from jaxgd.runs.settings import DTYPES, MISSING, TASKS, Settings

if TYPE_CHECKING:
    from jaxgd.cli.console import Output
    from jaxgd.runs import Outcome, Plan

_DEFAULTS = Settings()


@click.command("train", short_help="Train a model on a table and write a run folder.")
@click.argument("data", default=_DEFAULTS.data)
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
@click.option("--optimizer", default=_DEFAULTS.optimizer, show_default=True, help="Any name of Keras.")
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
@click.option("--dtype", default=_DEFAULTS.dtype, show_default=True, help=f"{', '.join(DTYPES)}.")
@click.option("--out", metavar="FOLDER", help="The run folder.  [default: runs/DATA-N]")
@click.option("--no-report", is_flag=True, help="Write neither curves.png nor report.html.")
@output_options
def command(out: str | None, no_report: bool, quiet: bool, color: bool, as_json: bool, **options: Any) -> int:
    """Train a model on DATA and write a run folder.

    DATA is a CSV, TSV, Parquet, NPZ or NPY file, or an embedded set: digits, breast-cancer, wine, iris,
    diabetes. Numbers are standardised and text becomes categories inside the run, which later takes raw
    rows. A regression's output is scaled to the target's own units inside the model.

    \b
    Examples:
      jaxgd train
      jaxgd train houses.csv --target price --epochs 200 --patience 20
    """
    from jaxgd.cli.console import Output

    output = Output(quiet, color)
    with bad_input():
        settings = Settings(**options)
        settings.check()
    return _train(settings, out, not no_report, output, as_json)


def _train(settings: Settings, out: str | None, with_report: bool, output: "Output", as_json: bool) -> int:
    from jaxgd import reports, runs
    from jaxgd.cli.interrupting import catching_interrupt
    from jaxgd.cli.showing import show_plan, show_results
    from jaxgd.runs.training import precision_of

    with precision_of(settings.dtype), ExitStack() as stack:
        with bad_input():
            plan = runs.make_plan(settings)
            runs.check_savable(plan)
            folder = stack.enter_context(runs.claim_folder(out, settings.data))
        show_plan(output, plan)
        with catching_interrupt() as interrupt:
            outcome = _execute(plan, output, interrupt)
            with bad_input():
                config = runs.write_run(folder, outcome, _command_line())
                if with_report:
                    reports.write_report(folder)
    show_results(output, folder, config, with_report)
    if as_json:
        output.json(_summary(folder, config))
    if outcome.result.divergence is not None:
        click.echo(f"Diverged: {outcome.result.divergence}", err=True)
        return NO
    return INTERRUPTED if interrupt else DONE


def _execute(plan: "Plan", output: "Output", interrupt: Any) -> "Outcome":
    from jaxgd.cli.display import make_display, stopping_when
    from jaxgd.runs import execute

    with make_display(output.console) as display:
        return execute(plan, stopping_when(display, lambda: bool(interrupt)))


def _command_line() -> str:
    return shlex.join(["jaxgd", *click.get_current_context().obj])


def _summary(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    names = ("epochs", "steps", "loss", "val_loss", "metrics", "seconds", "steps_per_second", "compilations")
    kept = {name: config["results"][name] for name in names}
    extra = ("metrics_of", "kept_epoch", "stopped_early", "interrupted", "divergence")
    return {"run": str(folder), **kept, **{name: config["results"][name] for name in extra}}
