"""What `train` shows: what was inferred before, what came of it after."""

from pathlib import Path
from typing import Any

from jaxgd.cli.console import Output, number
from jaxgd.runs.plan import AnyPlan
from jaxgd.runs.writing import inferred

_MANY = 12


def show_plan(output: Output, plan: AnyPlan) -> None:
    """A table of what the data decided."""
    facts = inferred(plan)
    classes = facts["classes"]
    rows = [
        ("data", f"{plan.facts.source}: {plan.facts.rows:,} rows"),
        ("numbers", _columns(plan, "number", facts["numbers"])),
        ("categories", _columns(plan, "category", facts["categories"])),
        ("features", f"{facts['features']:,}"),
        ("target", facts["target"]),
        ("task", facts["task"] + (f": {shortened(classes)}" if classes else "")),
        ("loss", facts["loss"]),
        ("output layer", f"{plan.encoding.num_outputs} units, {facts['output_activation']}"),
        ("network", " -> ".join(facts["layers"])),
        ("optimizer", f"{facts['optimizer']}, learning rate {number(facts['learning_rate'])}"),
        ("rows", f"{facts['training_rows']:,} to train on, {facts['held_out_rows']:,} held out"),
    ]
    if plan.facts.left_out:
        rows.append(("left out", f"{len(plan.facts.left_out):,} files that cannot be read"))
    if facts["rows_dropped"]:
        rows.append(("dropped", f"{facts['rows_dropped']:,} rows with missing cells"))
    output.table("What was inferred", rows)


def _columns(plan: AnyPlan, kind: str, count: int) -> str:
    """How many columns are of a kind, and which."""
    names = [column.name for column in plan.encoding.columns if column.kind == kind]
    return f"{count}: {shortened(names)}" if 0 < len(names) <= _MANY else shortened(names) or f"{count}"


def show_results(output: Output, folder: Path, config: dict[str, Any], with_report: bool) -> None:
    """A table of the numbers at the end, and what can be done next."""
    results = config["results"]
    show_metrics(output, f"Results of the {results['metrics_of']} rows", results)
    if config["settings"]["patience"] is not None:
        output.line("The held-out rows also chose the epoch, so these numbers are somewhat too good.")
    if results["interrupted"]:
        output.line(
            f"Interrupted after {results['steps']:,} steps; what was reached is saved. "
            f"Go on with: jaxgd train --resume {folder}"
        )
    output.line(f"Run folder: {folder}")
    if with_report:
        output.line(f"Report:     {folder / 'report.html'}")
    output.line(f"Next:       jaxgd predict {folder} NEW_ROWS.csv")


def show_metrics(output: Output, title: str, results: dict[str, Any]) -> None:
    """Loss, metrics, epochs and speed."""
    seconds = results["seconds"]
    epochs = f"{results['kept_epoch']} of {results['epochs']}"
    rows = [
        ("loss", number(results["evaluated_loss"])),
        *((name, number(value)) for name, value in results["metrics"].items()),
        ("epochs kept", epochs + (" (stopped early)" if results["stopped_early"] else "")),
        ("steps", f"{results['steps']:,} at {results['steps_per_second']:,.0f} a second"),
        ("seconds", ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())),
    ]
    output.table(title, rows)


def shortened(names: list[str]) -> str:
    """A list of names, cut where it gets long."""
    listed = ", ".join(names[:_MANY])
    return f"{listed}, ... ({len(names)})" if len(names) > _MANY else listed
