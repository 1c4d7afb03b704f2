"""`jaxgd train`."""

from pathlib import Path
from typing import Any

import click

from jaxgd._checks import check_real
from jaxgd.cli import completing
from jaxgd.cli.errors import bad_input, warnings_as_lines
from jaxgd.cli.options import on_bad_file_option, output_options, whole_numbers
from jaxgd.runs.settings import DTYPES, MISSING, TASKS, Settings

_DEFAULTS = Settings()


def _count_or_auto(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    """`4` as 4, `auto` as itself."""
    if value is None or value == "auto":
        return value
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"expected a number of at least 1, or auto, got {value!r}.")
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
@click.option(
    "--rows-cache",
    metavar="FOLDER|off",
    help="Stream DATA, and keep its rows there, for other runs too.  [default: text is kept parsed while the "
    "run lasts, in the cache folder, if that has room]",
)
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
    from jaxgd.cli.train_job import Manner, begin, resumed
    from jaxgd.cli.training import check_manner, train

    manner = Manner(
        checkpoint_every, not no_report, tensorboard, watch, profile, devices, as_json, import_seconds=seconds
    )
    with leaving_together(), bad_input(), warnings_as_lines(), together("jaxgd train"):
        check_real("checkpoint_every", checkpoint_every, 0.0)
        job = begin(options, out) if resume is None else resumed(Path(resume), out, options)
        check_manner(job.settings, manner)
    with leaving_together():
        return train(job, manner, output)
