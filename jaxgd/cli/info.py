"""`jaxgd info`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxgd.cli import completing
from jaxgd.cli.errors import BadInput, bad_input
from jaxgd.cli.options import output_options

if TYPE_CHECKING:
    from jaxgd.cli.console import Output


@click.command("info", short_help="What a run, a model, a table or this installation is.")
@click.argument("subject", metavar="[RUN|MODEL|DATA]", shell_complete=completing.data, required=False)
@output_options
def command(subject: str | None, quiet: bool, color: bool, as_json: bool) -> None:
    """What a run folder, a file of Keras or a table holds; without an argument: versions, devices, precision.

    \b
    Examples:
      jaxgd info
      jaxgd info runs/digits-1
      jaxgd info houses.csv
    """
    from jaxgd.cli.console import Output

    output = Output(quiet, color)
    with bad_input():
        if subject is None:
            facts = _installation(output)
        elif Path(subject).is_dir():
            facts = _run(output, subject)
        elif subject.lower().endswith((".keras", ".h5", ".hdf5", ".safetensors")):
            facts = _model(output, subject)
        else:
            facts = _table(output, subject)
    if as_json:
        output.json(facts)


def _installation(output: "Output") -> dict[str, Any]:
    from jaxgd._environment import environment, flags

    versions, settings = environment(), flags()
    devices = versions.pop("devices")
    output.table("Versions", [(name, value or "not installed") for name, value in versions.items()])
    output.table("Devices", [(device,) for device in devices])
    output.table("Precision and flags", settings.items())
    return {"versions": versions, "devices": devices, "flags": settings}


def _run(output: "Output", subject: str) -> dict[str, Any]:
    from jaxgd.cli.console import number
    from jaxgd.cli.showing import show_metrics
    from jaxgd.runs import open_run

    config = open_run(subject).config
    skipped = ("layers", "metrics", "classes")
    facts = [
        (name, number(value) if isinstance(value, float) else value)
        for name, value in config["inferred"].items()
        if name not in skipped
    ]
    output.table(
        f"Run {subject}", [("data", config["data"]["source"]), ("command", config["command"]), *facts]
    )
    output.table("Network", [(layer,) for layer in config["inferred"]["layers"]])
    show_metrics(output, f"Results of the {config['results']['metrics_of']} rows", config["results"])
    return config


def _model(output: "Output", subject: str) -> dict[str, Any]:
    from jaxgd import keras_files

    try:
        facts = keras_files.facts(subject)
    except keras_files.KerasFileError as error:
        raise BadInput(f"{subject}: {error}") from error
    output.line(facts["description"])
    return {"model": subject, **facts}


def _table(output: "Output", subject: str) -> dict[str, Any]:
    from jaxgd.data import read

    table = read(subject)
    columns = table.describe()
    output.table(
        f"{table.source}: {table.num_rows:,} rows, {len(columns)} columns",
        [(each.name, each.kind, each.distinct, each.missing, each.example) for each in columns],
        header=("column", "kind", "distinct", "missing", "first value"),
    )
    output.line(f"Next: jaxgd train {subject}")
    listed = [
        {"name": each.name, "kind": each.kind, "distinct": each.distinct, "missing": each.missing}
        for each in columns
    ]
    return {
        "source": table.source,
        "rows": table.num_rows,
        "fingerprint": table.fingerprint,
        "columns": listed,
    }
