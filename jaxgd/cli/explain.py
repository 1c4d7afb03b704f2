"""`jaxgd explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxgd.cli import completing
from jaxgd.cli.errors import BadInput, bad_input
from jaxgd.cli.options import output_options, whole_numbers
from jaxgd.runs.settings import DTYPES

if TYPE_CHECKING:
    from jaxgd.cli.console import Output
    from jaxgd.explain import Subject


@click.command("explain", short_help="One training step laid open, number by number.")
@click.argument("source", metavar="[RUN_OR_MODEL]", shell_complete=completing.path, required=False)
@click.argument("data", required=False, shell_complete=completing.data)
@click.option("--out", metavar="FILE.html", help="Also write one page that shows a whole run.")
@click.option(
    "--row",
    "rows",
    type=click.IntRange(1),
    multiple=True,
    metavar="N",
    help="A row of the batch, counted from 1; may be repeated.  [default: the first 32]",
)
@click.option("--target", metavar="COLUMN", help="Column to predict; for a .keras file only.")
@click.option("--task", metavar="TASK", help="regression, binary or multiclass; for a .keras file only.")
@click.option(
    "--sizes",
    default="5,10,1",
    show_default=True,
    callback=whole_numbers,
    metavar="WIDTHS",
    help="Of the example: features, hidden layers, outputs.",
)
@click.option("--activation", default="relu", show_default=True, help="Of the example's hidden layers.")
@click.option("--loss", help="[default: the model's, or mean_squared_error]")
@click.option("--optimizer", help="Any name of Keras.  [default: the model's, or sgd]")
@click.option("--learning-rate", type=float, metavar="RATE", help="[default: the model's, or 0.5]")
@click.option(
    "--steps", type=click.IntRange(1), default=40, show_default=True, help="Of the run that the page shows."
)
@click.option(
    "--along",
    multiple=True,
    metavar="WEIGHT",
    help="Twice: the weights over which the page draws a surface, such as 'dense/kernel[0,3]'.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the example and of dropout."
)
@click.option(
    "--dtype", type=click.Choice(DTYPES), default="float32", show_default=True, help="Of the example."
)
@output_options
def command(
    source: str | None,
    data: str | None,
    out: str | None,
    quiet: bool,
    color: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """One training step laid open: forward values, loss, chain-rule factors, deltas, gradients, update.

    The gradients are computed by hand, by jax.grad and by finite differences, side by side. Without a model
    it is the 5-10-1 network of the GradientTape lesson; RUN_OR_MODEL is a run folder, whose rows are known,
    or a .keras file with DATA.

    \b
    Examples:
      jaxgd explain
      jaxgd explain --out step.html
      jaxgd explain model.keras houses.csv --row 3
    """
    from jaxgd.cli.console import Output

    output = Output(quiet, color)
    with bad_input():
        _check(source, data, out, options)
        from jaxgd.cli.explaining import open_subject, precision

        with precision(source, options["dtype"]):
            subject = open_subject(source, data, options)
            facts = _explain(output, subject)
            if out is not None:
                facts["page"] = _write(output, subject, out, options)
    if out is None:
        output.line(f"Next: jaxgd explain{f' {source}' if source else ''} --out step.html")
    if as_json:
        output.json(facts)


def _check(source: str | None, data: str | None, out: str | None, options: dict[str, Any]) -> None:
    """Raises BadInput for what can be known before anything is computed."""
    if out is not None:
        path = Path(out)
        if path.suffix.lower() not in (".html", ".htm") or path.is_dir() or not path.parent.is_dir():
            raise BadInput(f"--out {out}: expected a name that ends in .html, in a folder that exists.")
    if len(options["along"]) not in (0, 2):
        raise BadInput(f"--along: expected two weights, got {len(options['along'])}. Give it twice.")
    if data is None and (options["target"] or options["task"]):
        raise BadInput("--target and --task: they are for a .keras file with DATA.")


def _explain(output: "Output", subject: "Subject") -> dict[str, Any]:
    from jaxgd.explain import compare, take_steps
    from jaxgd.explain.part import choose_part
    from jaxgd.explain.subject import optimizer_text
    from jaxgd.explain.tables import sheets, shown
    from jaxgd.runs.writing import finite

    (step,) = take_steps(subject)
    part = choose_part(subject, step)
    comparisons = compare(subject)
    output.line(f"{subject.title}; {optimizer_text(subject.optimizer)}")
    for note in part.notes:
        output.line(note)
    output.line()
    for sheet in sheets(subject, step, part, comparisons, row=0):
        output.table(sheet.title, sheet.rows, sheet.header)
    output.line(f"Loss {shown(step.trace.loss)} -> {shown(step.new_loss)} after one update")
    return {
        "title": subject.title,
        "loss": finite(float(step.trace.loss)),
        "new_loss": finite(step.new_loss),
        "ulps_of_jax_grad": finite(max(each.ulps_of_autodiff for each in comparisons)),
        "ulps_of_differences": finite(max(each.ulps_of_differences for each in comparisons)),
        "notes": list(part.notes),
        "page": None,
    }


def _write(output: "Output", subject: "Subject", out: str, options: dict[str, Any]) -> str:
    from jaxgd._atomic import write_text
    from jaxgd.explain import explain_page

    page = explain_page(subject, options["steps"], options["along"])
    write_text(Path(out), page)
    output.line(f"Page: {out} ({len(page) / 1e3:,.0f} kB); open it in a browser")
    return out
