"""A report as one self-contained HTML page, light and dark, with the errors of trajectories drawn."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from jaxgd.parity.case import Outcome
from jaxgd.parity.report import Report, Row, number

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d0d7de; --bad: #b42318;
  --a: #0969da; --b: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d;
  --bad: #ff7b72; --a: #58a6ff; --b: #d29922; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { border-bottom: 1px solid var(--line);
  padding: .2rem .7rem; text-align: right; } th:first-child, td:first-child { text-align: left; }
.bad { color: var(--bad); font-weight: 600; }
figure { display: inline-block; margin: .5rem; vertical-align: top; }
figcaption { font-size: .85rem; width: 0; min-width: 100%; overflow-wrap: anywhere; }
svg { border: 1px solid var(--line); } .wide { overflow-x: auto; }
"""
_HEADER = ("", "cases", "failed", "float64 error", "float32 error", "bit-equal", "plain", "known")
_WIDTH, _HEIGHT, _MARGIN = 260, 150, 28
_COLORS = {"jaxgd": "var(--a)", "TensorFlow": "var(--b)", "jaxgd from Keras": "var(--a)"}


def render(report: Report) -> str:
    """The page."""
    about = "; ".join(f"{name}: {value}" for name, value in report.about.items())
    verdict = "All cases pass" if report.passed else "Not equal"
    body = [
        f"<h1>Parity with TensorFlow</h1><p>{verdict}: {report.count} cases, {report.failed} failed, in "
        f"{report.seconds:.0f} s.</p><p>{escape(about)}</p>",
        _failures(report.outcomes),
        f"<h2>By family</h2>{_table(report.families)}",
        "<h2>Errors over 1,000 steps</h2><p>Distance from float64 in float32 (jaxgd "
        f'<span style="color:var(--a)">&#9632;</span>, Keras <span style="color:var(--b)">&#9632;</span>), '
        f"and of jaxgd from Keras in float64; both axes logarithmic.</p>{_pictures(report.outcomes)}",
        *(f"<h2>{escape(row.name)}</h2>{_table(report.subjects(row.name))}" for row in report.families),
        _planted(report),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width"><title>Parity with TensorFlow</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _failures(outcomes: Sequence[Outcome]) -> str:
    items = "".join(
        f"<li><code>{escape(o.case.id)}</code>: {escape(o.message)}</li>" for o in outcomes if not o.passed
    )
    return f'<h2 class="bad">Failed</h2><ul>{items}</ul>' if items else ""


def _table(rows: Sequence[Row]) -> str:
    return _html_table(
        _HEADER,
        [
            (
                row.name,
                row.cases,
                row.failed,
                number(row.float64),
                number(row.float32),
                row.bit_equal,
                number(row.plain),
                row.known,
            )
            for row in rows
        ],
    )


def _html_table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in header)
    lines = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _planted(report: Report) -> str:
    if not report.planted:
        return ""
    rows = [(each.name, each.change, "caught" if each.caught else "NOT CAUGHT") for each in report.planted]
    return f"<h2>Planted bugs</h2>{_html_table(('bug', 'what it changes', ''), rows)}"


def _pictures(outcomes: Sequence[Outcome]) -> str:
    return "".join(
        f"<figure>{picture(o.curve)}<figcaption>{escape(_title(o))}</figcaption></figure>"
        for o in outcomes
        if o.curve
    )


def _title(outcome: Outcome) -> str:
    options = ", ".join(f"{name}={value}" for name, value in outcome.case.options)
    return f"{outcome.case.subject}({options}) {outcome.case.dtype}"


def picture(curves: Mapping[str, Sequence[float]]) -> str:
    """Errors over checkpoints as an inline SVG, the error's axis logarithmic from 1e-18 to 1."""
    lines = []
    for name, values in curves.items():
        points = " ".join(f"{_x(i, len(values)):.1f},{_y(value):.1f}" for i, value in enumerate(values))
        lines.append(f'<polyline fill="none" stroke-width="2" stroke="{_COLORS[name]}" points="{points}"/>')
    marks = "".join(_mark(exponent) for exponent in (-16, -12, -8, -4))
    size = f'width="{_WIDTH}" height="{_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{marks}{"".join(lines)}</svg>'


def _mark(exponent: int) -> str:
    """A horizontal line with its power of ten."""
    y = _y(10.0**exponent)
    line = f'<line x1="{_MARGIN}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
    return f'{line}<text x="2" y="{y + 4:.1f}" font-size="10" fill="currentColor">1e{exponent}</text>'


def _x(index: int, count: int) -> float:
    return _MARGIN + (_WIDTH - _MARGIN - 6) * index / max(count - 1, 1)


def _y(error: float) -> float:
    exponent = math.log10(min(max(error, 1e-18), 1.0))
    return 8 + (_HEIGHT - 16) * -exponent / 18
