"""report.html: one page with everything in it. Every text that came from data is escaped."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np

from jaxgd.reports.panels import Panel, panels
from jaxgd.reports.style import STYLE
from jaxgd.reports.svg import panel_svg

_LONGEST = 600


def report_page(config: Mapping[str, Any], history: Mapping[str, np.ndarray]) -> str:
    """The report of a run.

    Args:
      config: the content of config.json.
      history: {column: [epochs]}.

    Returns: HTML that loads nothing from elsewhere.
    """
    title = f"{config['inferred']['target']} from {config['data']['source']}"
    body = "".join(
        (
            f"<h1>{_text(title)}</h1>",
            _subtitle(config),
            _notice(config["results"]),
            _cards(config["results"]),
            _curves(history),
            _section("Network", _list(config["inferred"]["layers"])),
            _section("What was inferred", _table(_inferred(config))),
            _section("Settings", _table(config["settings"].items())),
            _section("Data", _table(config["data"].items())),
            _section("Reproduce", _reproduce(config)),
            _section("Environment", _table(config["environment"].items())),
        )
    )
    head = f'<meta charset="utf-8"><title>{_text(title)}</title>'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    style = f"<style>{STYLE}</style>"
    page = f"<head>{head}{view}{style}</head><body><main>{body}</main></body>"
    return f'<!doctype html><html lang="en">{page}</html>\n'


def _text(value: Any) -> str:
    """Any value as escaped text, cut where it would fill the page."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value)) or "none"
    plain = f"{value:.6g}" if isinstance(value, float) else str(value)
    return escape(plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "…")


def _subtitle(config: Mapping[str, Any]) -> str:
    results, facts = config["results"], config["inferred"]
    seconds = sum(results["seconds"].values())
    return (
        f'<p class="quiet">{_text(facts["task"])}, {facts["training_rows"]:,} rows to train on, '
        f"{facts['held_out_rows']:,} held out, {results['epochs']} epochs in {seconds:.1f} s</p>"
    )


def _notice(results: Mapping[str, Any]) -> str:
    """What the reader should know before the numbers."""
    found = results["divergence"]
    if found is not None:
        where = (
            f"epoch {found['epoch']}, step {found['step']}: {found['layer']} went first ({found['quantity']})"
        )
        return f'<p class="notice">Diverged at {_text(where)}. The parameters are the last finite ones.</p>'
    if results["interrupted"]:
        return (
            f'<p class="notice">Interrupted after {results["steps"]:,} steps; this is what was reached.</p>'
        )
    return ""


def _cards(results: Mapping[str, Any]) -> str:
    values = {"loss": results["evaluated_loss"], **results["metrics"]}
    cards = "".join(
        f'<div class="card"><span>{_text(name)}</span><b>{_text(value)}</b></div>'
        for name, value in values.items()
    )
    kept = f"after epoch {results['kept_epoch']} of {results['epochs']}"
    return (
        f'<h2>{_text(results["metrics_of"]).capitalize()} rows, {kept}</h2><div class="cards">{cards}</div>'
    )


def _curves(history: Mapping[str, np.ndarray]) -> str:
    shown = panels(history)
    if not shown:
        return ""
    figures = "".join(
        f"<figure><figcaption>{_caption(panel)}</figcaption>{panel_svg(panel)}</figure>" for panel in shown
    )
    twins = any(len(panel.curves) > 1 for panel in shown)
    held_out = '<span class="key held-out"></span>held-out rows' if twins else ""
    legend = f'<p class="legend"><span class="key training"></span>training rows {held_out}</p>'
    return f"<h2>Curves</h2>{legend}<div class='figures'>{figures}</div>"


def _caption(panel: Panel) -> str:
    return _text(panel.title) + (" (logarithmic)" if panel.logarithmic else "")


def _inferred(config: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return ((name, value) for name, value in config["inferred"].items() if name != "layers")


def _reproduce(config: Mapping[str, Any]) -> str:
    fingerprint = config["data"]["fingerprint"]
    return (
        f"<pre>{_text(config['command'])}</pre>"
        f'<p class="quiet">The data must have the fingerprint <code>{_text(fingerprint)}</code>. '
        "The same versions on the same kind of device give the same numbers; the folder must be another.</p>"
    )


def _section(title: str, content: str) -> str:
    return f"<h2>{_text(title)}</h2>{content}"


def _list(items: Iterable[Any]) -> str:
    return "<ol>" + "".join(f"<li><code>{_text(item)}</code></li>" for item in items) + "</ol>"


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    cells = "".join(
        f"<tr><th>{_text(name.replace('_', ' '))}</th><td>{_text(value)}</td></tr>" for name, value in rows
    )
    return f"<table>{cells}</table>"
