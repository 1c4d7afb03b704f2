"""The page that holds several runs side by side."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jaxgd.reports import charts
from jaxgd.reports.markup import grid, guarded, notice, quiet, text
from jaxgd.reports.measuring import Measured
from jaxgd.reports.page import assets
from jaxgd.reports.panels import Panel, compared
from jaxgd.reports.reading import Recorded
from jaxgd.reports.shell import document

MAX_CURVES = 6
MAX_LAYERS = 4
_NOT_COMPARED = ("layers", "classes")
_LONGEST = 40


def comparison_page(runs: Sequence[tuple[Recorded, Measured | str]]) -> str:
    """A report of several runs: results, what differs, curves over each other, layers at the end.

    Args:
      runs: what each folder says, and what was measured of it or why nothing could be.

    Returns: HTML that loads nothing from elsewhere.
    """
    names = run_names([recorded for recorded, _ in runs])
    named = list(zip(names, runs, strict=True))
    shown = compared_panels([recorded for recorded, _ in runs])
    layers = compared_layers([recorded for recorded, _ in runs])
    problems = [f"{name}: {problem}" for name, (recorded, _) in named for problem in recorded.problems]
    body = "".join(
        (
            f"<h1>{len(runs)} runs compared</h1>",
            *map(notice, problems),
            guarded("Results", _results, named),
            guarded("What differs", _differences, named),
            guarded("Curves", _curves, shown, len(runs)),
            guarded("Layers over the epochs", _layer_curves, layers, len(shown), named),
            guarded("Layers at the end", _layers, named),
            guarded("Reproduce", _commands, named),
        )
    )
    title = f"Comparison of {', '.join(names)}"
    return document(title[:200], body, data={"panels": charts.curve_data([*shown, *layers])}, **assets())


def run_names(runs: Sequence[Recorded]) -> list[str]:
    """A short name for each run: its folder's, or its path where two share it."""
    short = [recorded.folder.resolve().name for recorded in runs]
    return [
        name if short.count(name) == 1 else str(recorded.folder)
        for name, recorded in zip(short, runs, strict=True)
    ]


def compared_panels(runs: Sequence[Recorded]) -> list[Panel]:
    """The curves of the first runs over each other."""
    first = list(zip(run_names(runs), runs, strict=True))[:MAX_CURVES]
    return compared([(name, recorded.history, recorded.epochs) for name, recorded in first])


def compared_layers(runs: Sequence[Recorded]) -> list[Panel]:
    """Norms and dead units of each layer over the epochs, the first runs that were watched over each other.

    Of many layers some are drawn, evenly.
    """
    first = list(zip(run_names(runs), runs, strict=True))[:MAX_CURVES]
    found = compared([(name, recorded.layers, recorded.layer_epochs) for name, recorded in first])
    of_layers = [panel for panel in found if ": " in panel.title]
    names = list(dict.fromkeys(panel.title.partition(": ")[2] for panel in of_layers))
    places = np.unique(np.linspace(0, max(len(names) - 1, 0), MAX_LAYERS).astype(int))
    kept = [names[place] for place in places if names]
    of_layers = [panel for panel in of_layers if panel.title.partition(": ")[2] in kept]
    quantities = list(dict.fromkeys(panel.title.partition(": ")[0] for panel in of_layers))
    return sorted(of_layers, key=lambda panel: quantities.index(panel.title.partition(": ")[0]))


def _layer_curves(shown: list[Panel], first: int, named: list[tuple[str, Any]]) -> str:
    """The curves of layers, and which runs have none."""
    bare = [name for name, (recorded, _) in named if not recorded.layers]
    said = f"Not recorded by {', '.join(bare)}. jaxgd train --watch measures each layer after every epoch."
    return charts.curves(shown, first) + (quiet(said) if bare else "")


def _results(named: list[tuple[str, Any]]) -> str:
    results = [(name, recorded.config["results"]) for name, (recorded, _) in named]
    metrics = dict.fromkeys(metric for _, each in results for metric in each.get("metrics", {}))
    header = ("run", "rows of", "loss", *metrics, "epochs kept", "seconds", "ended")
    rows = [
        (
            name,
            each.get("metrics_of"),
            each.get("evaluated_loss"),
            *(each.get("metrics", {}).get(metric) for metric in metrics),
            each.get("kept_epoch"),
            sum(each["seconds"].values()) if "seconds" in each else None,
            _ended(each),
        )
        for name, each in results
    ]
    return grid(header, rows)


def _ended(results: dict[str, Any]) -> str:
    if not results:
        return "not known"
    if results.get("divergence"):
        return f"diverged in epoch {results['divergence'].get('epoch')}"
    if results.get("interrupted"):
        return "interrupted"
    return "stopped early" if results.get("stopped_early") else "finished"


def _differences(named: list[tuple[str, Any]]) -> str:
    """Settings, inferences, data and versions that are not the same in all runs."""
    flat = [dict(_flat(recorded.config)) for _, (recorded, _) in named]
    names = dict.fromkeys(key for each in flat for key in each)
    rows = [(name.replace("_", " "), *(each.get(name) for each in flat)) for name in names]
    rows = [row for row in rows if len({str(value) for value in row[1:]}) > 1]
    if not rows:
        return quiet("Nothing: settings, data and versions are the same in all runs.")
    header = ("", *(name for name, _ in named))
    return grid(header, [tuple(map(_shortened, row)) for row in rows])


def _flat(config: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for table in ("settings", "inferred", "data", "environment"):
        for name, value in config[table].items():
            if name not in _NOT_COMPARED:
                yield f"{table}: {name}", value


def _shortened(value: Any) -> Any:
    """A value as it is, but a fingerprint or a long list only as far as it tells two runs apart."""
    words = str(value)
    return value if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"


def _curves(shown: list[Panel], runs: int) -> str:
    cut = quiet(f"Of {runs} runs the first {MAX_CURVES} are drawn.") if runs > MAX_CURVES else ""
    return charts.curves(shown) + cut


def _layers(named: list[tuple[str, Any]]) -> str:
    rows = [
        (f"{name}: {each.name}", each.gradient, each.update, each.parameters, each.dead)
        for name, (_, measured) in named
        if isinstance(measured, Measured)
        for each in measured.layers
    ]
    reasons = [f"{name}: not shown: {measured}" for name, (_, measured) in named if isinstance(measured, str)]
    header = ("layer", "gradient norm", "update norm", "parameter norm", "dead units")
    return (grid(header, rows) if rows else "") + "".join(map(notice, reasons))


def _commands(named: list[tuple[str, Any]]) -> str:
    commands = [recorded.config.get("command") or "not known" for _, (recorded, _) in named]
    return f"<pre>{text(chr(10).join(map(str, commands)))}</pre>"
