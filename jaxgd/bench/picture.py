"""The results as a picture: the time a step of every peer, one panel a workload."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_OWN, _OTHER = "#0b6e4f", "#b0b7bf"


def draw(results: Mapping[str, Any], path: Path) -> bool:
    """Write a picture, SVG or PNG as the path says; False where there is nothing to draw."""
    panels = {
        name: [row for row in facts["rows"] if "us_per_step" in row]
        for name, facts in results["workloads"].items()
    }
    panels = {name: rows for name, rows in panels.items() if rows}
    grown = {axis: facts for axis, facts in results["growth"].items() if "sizes" in facts}
    if not panels and not grown:
        return False
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    heights = [len(rows) + 2 for rows in panels.values()] + [10 for _ in grown]
    figure, axes = pyplot.subplots(
        len(heights), 1, figsize=(9, 0.22 * sum(heights) + 1), height_ratios=heights, squeeze=False
    )
    places = iter(axes[:, 0])
    for name, rows in panels.items():
        _panel(next(places), name, rows)
    for axis, facts in grown.items():
        _growth(next(places), axis, facts)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
    return True


def _panel(axes: Any, name: str, rows: list[Mapping[str, Any]]) -> None:
    labels = [row["peer"] for row in rows]
    values = [row["us_per_step"]["median"] for row in rows]
    colors = [_OWN if label.startswith("jaxgd") else _OTHER for label in labels]
    bars = axes.barh(range(len(rows)), values, color=colors)
    axes.bar_label(
        bars, [f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in values], padding=3, size=7
    )
    axes.set_yticks(range(len(rows)), labels, size=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.tick_params(axis="x", which="both", labelsize=7)
    axes.set_title(f"{name}: microseconds a step, logarithmic", size=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _growth(axes: Any, axis: str, facts: Mapping[str, Any]) -> None:
    axes.loglog(facts["sizes"], facts["seconds"], "o-", color=_OWN)
    axes.set_title(f"seconds over {axis}: exponent {facts['exponent']:.2f}", size=9, loc="left")
    axes.tick_params(which="both", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
