"""report.html of one run: what it recorded, and what was measured of it afterwards."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.reports import charts, quality
from jaxgd.reports.markup import cards, facts, figure, figures, grid, guarded, notice, quiet, text
from jaxgd.reports.measuring import Measured
from jaxgd.reports.panels import Panel, layer_panels, panels
from jaxgd.reports.probing import BATCH
from jaxgd.reports.reading import Recorded
from jaxgd.reports.shell import document

_SHARES = (5, 25, 50, 75, 95)
_RULES = (
    (
        "batches",
        "every row counts once an epoch; a short last batch is padded, and its padding counts nothing",
    ),
    ("order of rows", "a pure function of seed and epoch"),
    ("program", "one compiled program for the whole run; learning rate, seed and epochs are its inputs"),
    ("again", "equal versions on an equal kind of device give equal numbers, bit for bit"),
)


def report_page(recorded: Recorded, measured: Measured | str) -> str:
    """The report of a run.

    Args:
      recorded: what its folder says.
      measured: what was measured of it; or why it could not be.

    Returns: HTML that loads nothing from elsewhere, with a note in place of everything that is missing.
    """
    config = recorded.config
    shown = panels(recorded.history, recorded.epochs)
    of_layers = layer_panels(recorded.layers, recorded.layer_epochs)
    title = run_title(recorded)
    body = "".join(
        (
            f"<h1>{text(title)}</h1>",
            *map(notice, recorded.problems),
            guarded("", _subtitle, config) if config["results"] else "",
            *map(notice, _warnings(config["results"])),
            guarded(*_results(config)),
            guarded("Curves", charts.curves, shown),
            guarded("Layers while it ran", _layers_over_epochs, of_layers, len(shown)),
            *measured_sections(config, measured),
            guarded("Learning rate", _learning_rate, config, measured),
            guarded("Network", _list, config["inferred"].get("layers", [])),
            '<div class="columns">',
            guarded("What was inferred", facts, _inferred(config)),
            guarded("Settings", facts, config["settings"].items()),
            guarded("Data", facts, config["data"].items()),
            guarded("Timings", _timings, config["results"]) if config["results"] else "",
            guarded("Numerics contract", _numerics, config) if config["environment"] else "",
            guarded("Environment", facts, config["environment"].items()),
            "</div>",
            guarded("Reproduce", _reproduce, config),
        )
    )
    return document(title, body, data={"panels": charts.curve_data([*shown, *of_layers])}, **assets())


def assets() -> dict[str, list[str]]:
    """Style and program of every report."""
    folder = files("jaxgd.reports").joinpath("assets")
    style, program = (
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "curves.js")
    )
    return {"styles": [style], "scripts": [program]}


def run_title(recorded: Recorded) -> str:
    """What the run predicts from what; its folder where that is not known."""
    target, source = recorded.config["inferred"].get("target"), recorded.config["data"].get("source")
    return f"{target} from {Path(source).name}" if target and source else f"Run {recorded.folder}"


def _subtitle(config: dict[str, Any]) -> str:
    results, inferred = config["results"], config["inferred"]
    seconds = sum(results["seconds"].values())
    return quiet(
        f"{inferred['task']}, {inferred['training_rows']:,} rows to train on, "
        f"{inferred['held_out_rows']:,} held out, {results['epochs']} epochs in {seconds:.1f} s"
    )


def _warnings(results: dict[str, Any]) -> list[str]:
    """How the run ended, if not as it was meant to."""
    found, restored = results.get("divergence"), results.get("restored") or []
    said = [f"Diverged at {_place(each)}. It went on from before, with half the rate." for each in restored]
    if isinstance(found, dict):
        said.append(f"Diverged at {_place(found)}. The parameters are the last finite ones.")
    if results.get("interrupted"):
        said.append(f"Interrupted after {results.get('steps')} steps; this is what was reached.")
    return said


def _place(found: dict[str, Any]) -> str:
    where = f"epoch {found.get('epoch')}, step {found.get('step')}"
    return f"{where}: {found.get('layer')} went first ({found.get('quantity')})"


def _results(config: dict[str, Any]) -> tuple[Any, ...]:
    results = config["results"]
    of = str(results.get("metrics_of", "held-out")).capitalize()
    if not results:
        return "Results", notice, "config.json says no results."
    epochs = f"after epoch {results.get('kept_epoch')} of {results.get('epochs')}"
    return f"{of} rows, {epochs}", _cards, results


def _cards(results: dict[str, Any]) -> str:
    shown = cards([("loss", results["evaluated_loss"]), *results["metrics"].items()])
    if results["metrics_of"] != "held-out":
        shown += quiet("No rows were held out: these numbers are of the rows that were trained on.")
    return shown


def measured_sections(config: dict[str, Any], measured: Measured | str) -> Iterable[str]:
    """Confusion matrix or residuals, calibration, layers; or why they are not shown."""
    if isinstance(measured, str):
        return [guarded("Predictions, gradients, dead units", notice, f"Not shown: {measured}")]
    inferred = config["inferred"]
    of = f"{len(measured.y):,} {measured.of} rows"
    if inferred.get("task") == "regression":
        first = [guarded(f"Residuals and calibration of the {of}", _residuals, measured)]
    else:
        first = [
            guarded(f"Confusion matrix of the {of}", _confusion, inferred, measured),
            guarded(f"Calibration of the {of}", _calibration, measured),
        ]
    return [*first, guarded("Layers at the end", _layers, measured)]


def _confusion(inferred: dict[str, Any], measured: Measured) -> str:
    classes = [str(name) for name in inferred["classes"]]
    labels = measured.y.reshape(-1).astype(int)
    predicted = quality.predicted_labels(measured.predictions)
    return charts.confusion_table(quality.confusion(labels, predicted, len(classes)), classes)


def _calibration(measured: Measured) -> str:
    finite = np.isfinite(measured.predictions).all(axis=1)
    if not finite.any():
        return notice("Not shown: no prediction is finite.")
    bins = quality.class_calibration(measured.y.reshape(-1).astype(int)[finite], measured.predictions[finite])
    picture = charts.calibration_figure(
        quality.joined(bins), "probability promised", "share that came true", (0.0, 1.0)
    )
    caption = (
        f"Expected calibration error {quality.expected_error(bins):.4g}; on the dashed line promises hold"
    )
    rows = [(f"{each.promised:.4f}", f"{each.found:.4f}", f"{each.rows:,}") for each in bins]
    return figures((figure(caption, picture), grid(("promised", "came true", "rows"), rows)))


def _residuals(measured: Measured) -> str:
    values, predictions = measured.y.reshape(-1).astype(float), measured.predictions.reshape(-1)
    shown = [
        figure(
            "Target against prediction; on the dashed line they are the same",
            charts.scatter(values, predictions),
        ),
        figure("Residuals: target minus prediction", charts.histogram(values - predictions)),
    ]
    finite = np.isfinite(predictions)
    if not finite.any():
        return figures(shown)
    bins = quality.value_calibration(values[finite], predictions[finite])
    picture = charts.calibration_figure(bins, "mean prediction", "mean target", None)
    shown.append(figure("Calibration: equally many rows in each mark, by prediction", picture))
    residuals = values[finite] - predictions[finite]
    rows = [(f"{share} %", float(np.percentile(residuals, share))) for share in _SHARES]
    return figures(shown) + grid(("of the rows", "residual at most"), rows)


def _layers_over_epochs(of_layers: list[Panel], first: int) -> str:
    if not of_layers:
        return ""
    remark = (
        f"Of one further step on up to {BATCH:,} training rows after each epoch, which was not kept; "
        "epoch 0 is the start."
    )
    return charts.curves(of_layers, first) + quiet(remark)


def _layers(measured: Measured) -> str:
    if not measured.layers:
        return notice("Not shown: model.keras holds no optimizer state for a stack of layers.")
    rows = [
        (
            each.name,
            each.gradient,
            each.update,
            each.parameters,
            each.update / each.parameters if each.parameters else None,
            "-"
            if each.dead is None
            else f"{each.dead} of {each.units} ({100 * each.dead / each.units:.0f} %)",
        )
        for each in measured.layers
    ]
    header = ("layer", "gradient norm", "update norm", "parameter norm", "update / parameters", "dead units")
    remark = (
        f"Of one further step on {measured.batch:,} training rows, which was not kept. A dead unit gives 0 "
        "for all of them; only relu has such a side. jaxgd train --watch records these after each epoch."
    )
    return grid(header, rows) + quiet(remark)


def _learning_rate(config: dict[str, Any], measured: Measured | str) -> str:
    inferred = config["inferred"]
    rows = [("optimizer", inferred["optimizer"]), ("at the start", inferred["learning_rate"])]
    if isinstance(measured, Measured) and measured.learning_rate is not None:
        rows.append(("at the end", measured.learning_rate))
    return facts(rows)


def _timings(results: dict[str, Any]) -> str:
    rows = [(f"{name} (s)", value) for name, value in results["seconds"].items()]
    extra = ("steps", "steps_per_second", "compilations")
    return facts([*rows, *((name, results.get(name)) for name in extra)])


def _numerics(config: dict[str, Any]) -> str:
    environment, settings = config["environment"], config["settings"]
    rows = [
        ("parameters", environment["dtype"]),
        ("matrix products", f"precision {environment['precision']}"),
        ("device", f"{environment.get('backend')}, jax {environment.get('jax')}"),
        ("seed", f"{settings.get('seed')}: the numbers that Keras draws after set_random_seed"),
        *_RULES,
    ]
    return facts(rows)


def _inferred(config: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in config["inferred"].items() if name != "layers"]


def _reproduce(config: dict[str, Any]) -> str:
    fingerprint = text(config["data"]["fingerprint"])
    return (
        f"<pre>{text(config['command'])}</pre>"
        f'<p class="quiet">The data must have the fingerprint <code>{fingerprint}</code>. '
        "The same versions on the same kind of device give the same numbers; the folder must be another.</p>"
    )


def _list(items: Iterable[Any]) -> str:
    rows = "".join(f"<li><code>{text(item)}</code></li>" for item in items)
    return f"<ol>{rows}</ol>" if rows else ""
