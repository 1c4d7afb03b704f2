"""The page and the pictures of a run."""

import re

import numpy as np
import pytest

from jaxgd.reports import curves_png, report_page
from jaxgd.reports.panels import Curve, Panel, panels
from jaxgd.reports.svg import panel_svg

EVIL = "<script>alert('x')</script>&\""


def config(**results):
    return {
        "version": 1,
        "command": f"jaxgd train {EVIL}",
        "settings": {"data": EVIL, "exclude": [EVIL]},
        "inferred": {
            "target": EVIL,
            "task": "multiclass",
            "classes": [EVIL] * 500,
            "training_rows": 10,
            "held_out_rows": 2,
            "layers": ["dense(3)"],
        },
        "data": {"source": EVIL, "fingerprint": "abc"},
        "encoding": {},
        "environment": {"jaxgd": "0", EVIL: EVIL},
        "results": {
            "epochs": 2,
            "kept_epoch": 2,
            "steps": 4,
            "interrupted": False,
            "divergence": None,
            "metrics_of": "held-out",
            "metrics": {"accuracy": 0.5},
            "evaluated_loss": None,
            "seconds": {"run": 1.0},
            **results,
        },
    }


HISTORY = {
    "loss": np.array([2.0, 1.0]),
    "val_loss": np.array([2.0, np.nan]),
    "accuracy": np.array([0.5, 0.6]),
}


def test_text_from_data_is_escaped_everywhere():
    page = report_page(config(), {**HISTORY, EVIL: np.ones(2)})
    assert "<script" not in page
    assert "alert(&#x27;x&#x27;)" in page
    assert len(page.encode()) < 1_000_000


def test_a_page_loads_nothing_from_elsewhere():
    page = report_page(config(), HISTORY)
    assert not re.findall(r"(?:src|href)\s*=|https?:|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page
    assert page.count("<svg") == 2


def test_a_page_says_how_the_run_ended():
    found = {"epoch": 3, "step": 7, "layer": "dense_1", "quantity": "output", "rows": [1]}
    assert "epoch 3, step 7: dense_1" in report_page(config(divergence=found), HISTORY)
    assert "Interrupted after 4 steps" in report_page(config(interrupted=True), HISTORY)


def test_a_page_without_epochs_has_no_curves():
    assert "<svg" not in report_page(config(), {})


@pytest.mark.parametrize(
    "values",
    [[1.0], [0.0, 0.0], [np.nan, np.nan], [1e-30, 1e30], [-5.0, 5.0], [1.0, np.inf, 2.0], [1e12, 1e12 + 1]],
)
def test_any_numbers_make_a_picture(values):
    history = {"loss": np.array(values)}
    (panel,) = panels(history)
    drawn = panel_svg(panel)
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert curves_png(history, "a $b title").startswith(b"\x89PNG")


def test_a_curve_is_drawn_where_its_values_are():
    drawn = panel_svg(Panel("loss", (Curve("training", np.array([0.0, 10.0, 5.0])),), False))
    points = re.search(r'points="([^"]*)"', drawn)[1].split()
    (x0, y0), (x1, y1), (x2, y2) = ([float(part) for part in point.split(",")] for point in points)
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 < y2 < y0  # upwards is less
    assert y2 == pytest.approx((y0 + y1) / 2, abs=0.1)


def test_only_what_spans_much_is_logarithmic():
    assert panels({"loss": np.array([100.0, 1.0])})[0].logarithmic
    assert not panels({"loss": np.array([2.0, 1.0])})[0].logarithmic
    assert not panels({"loss": np.array([100.0, 0.0])})[0].logarithmic


def test_no_epochs_are_a_picture_too():
    assert curves_png({}, "title").startswith(b"\x89PNG")
