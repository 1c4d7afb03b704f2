"""The pages and the pictures of runs."""

import html
import json
import re

import numpy as np
import pytest

from jaxgd.reports import comparison_page, curves_picture, quality, report_page, sweep_page
from jaxgd.reports.markup import guarded, text
from jaxgd.reports.measuring import LayerFacts, Measured
from jaxgd.reports.panels import Curve, Panel, compared, panels
from jaxgd.reports.reading import Recorded, read_folder
from jaxgd.reports.shell import document
from jaxgd.reports.svg import panel_svg
from jaxgd.reports.sweep_rows import read_sweep

EVIL = "<script>alert('x')</script>&\""


def config(**results):
    return {
        "version": 1,
        "command": f"jaxgd train {EVIL}",
        "settings": {"data": EVIL, "exclude": [EVIL]},
        "inferred": {
            "target": EVIL,
            "task": "multiclass",
            "classes": [EVIL, "b", "c"],
            "training_rows": 10,
            "held_out_rows": 2,
            "layers": ["dense(3)"],
            "optimizer": "adam",
            "learning_rate": 0.001,
        },
        "data": {"source": EVIL, "fingerprint": "abc"},
        "encoding": {},
        "environment": {"jaxgd": "0", "dtype": "float32", "precision": "highest", EVIL: EVIL},
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


def recorded(tmp_path, history=HISTORY, **results):
    epochs = np.arange(1, 1 + max((len(each) for each in history.values()), default=0))
    return Recorded(tmp_path / "run", config(**results), dict(history), epochs, ())


def measured():
    predictions = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.5, 0.2]])
    layers = (LayerFacts("dense", 2.0, 0.5, 0.25, 8, 2), LayerFacts("dense_1", 0.0, 0.0, 0.0, 3, None))
    return Measured("held-out", np.array([0, 1, 2]), predictions, layers, 10, 0.0005)


def page_data(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def words(page):
    """What stands on the page, without tags."""
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_text_from_data_is_escaped_everywhere(tmp_path):
    page = report_page(recorded(tmp_path, {**HISTORY, EVIL: np.ones(2)}), measured())
    assert "<script>alert" not in page
    assert "alert(&#x27;x&#x27;)" in page
    assert page.count("<script") == 3  # the data, the theme's program, the curves' program
    assert len(page.encode()) < 1_000_000


def test_a_page_loads_nothing_from_elsewhere(tmp_path):
    page = report_page(recorded(tmp_path), measured())
    assert not re.findall(r"(?:src|href)\s*=|https?:|url\(|@import", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_only_the_pages_own_programs_may_run():
    page = document("t", "<p></p>", scripts=["let a = 1;"])
    allowed = re.search(r"script-src ([^\"]*)\"", page)[1]
    assert allowed.count("sha256-") == page.count("<script>") == 2
    assert "unsafe" not in allowed


def test_data_on_a_page_cannot_end_its_element():
    page = document("t", "", data={"name": "</script><b>", "value": float("nan")})
    assert "</script><b>" not in page
    assert page_data(page) == {"name": "</script><b>", "value": None}


def test_a_page_says_how_the_run_ended(tmp_path):
    found = {"epoch": 3, "step": 7, "layer": "dense_1", "quantity": "output", "rows": [1]}
    diverged = report_page(recorded(tmp_path, divergence=found), measured())
    assert "epoch 3, step 7: dense_1" in diverged
    assert "Interrupted after 4 steps" in report_page(recorded(tmp_path, interrupted=True), measured())
    restored = report_page(recorded(tmp_path, restored=[found, found]), measured())
    assert restored.count("went on from before, with half the rate") == 2


def test_a_page_without_epochs_has_no_curves(tmp_path):
    page = report_page(recorded(tmp_path, {}), "no model")
    assert "<svg" not in page
    assert "Not shown: no model" in page


def test_a_page_shows_what_was_measured(tmp_path):
    said = words(report_page(recorded(tmp_path), measured()))
    assert "2 of 8 (25 %)" in said
    assert "0.0005" in said
    assert "Confusion matrix of the 3 held-out rows" in said
    assert "Expected calibration error" in said


def test_predictions_that_are_not_finite_are_said(tmp_path):
    hollow = Measured("held-out", np.array([0, 1]), np.full((2, 3), np.nan), (), 2, None)
    said = words(report_page(recorded(tmp_path), hollow))
    assert "no prediction is finite" in said
    assert "holds no optimizer state for a stack of layers" in said


@pytest.mark.parametrize("lost", ["settings", "inferred", "data", "environment", "results"])
def test_a_config_without_a_table_still_makes_a_page(tmp_path, lost):
    found = recorded(tmp_path)
    found.config[lost] = {}
    page = report_page(found, measured())
    assert "<svg" in page
    assert page.count("<h2>") > 5


def test_a_section_that_cannot_be_built_says_why():
    def build():
        raise KeyError("seconds")

    assert "Not shown: &#x27;seconds&#x27; is missing" in guarded("Timings", build)


def test_a_broken_folder_says_what_is_missing_and_keeps_the_rest(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss\n1,2.0\n2,nan\n3\nfour,1.0\n")
    (tmp_path / "config.json").write_text("{not json")
    found = read_folder(tmp_path)
    assert found.history["loss"][0] == 2.0
    assert found.epochs.tolist() == [1, 2]
    page = words(report_page(found, "no model"))
    for expected in ("config.json cannot be read", "2 rows are damaged", "model.keras is missing"):
        assert expected in page


def test_a_run_that_was_not_finished_says_how_to_go_on(tmp_path):
    started = {
        "version": 2,
        "command": "jaxgd train",
        "settings": {"epochs": 7},
        "data": {},
        "environment": {},
    }
    (tmp_path / "started.json").write_text(json.dumps(started))
    said = words(report_page(read_folder(tmp_path), "no model"))
    assert f"jaxgd train --resume {tmp_path}" in said
    assert re.search(r"epochs\s+7", said)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no run there"):
        read_folder(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        read_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "values",
    [[1.0], [0.0, 0.0], [np.nan, np.nan], [1e-30, 1e30], [-5.0, 5.0], [1.0, np.inf, 2.0], [1e12, 1e12 + 1]],
)
def test_any_numbers_make_a_picture(values):
    (panel,) = panels({"loss": np.array(values)})
    drawn = panel_svg(panel)
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert curves_picture([panel], "a $b title").startswith(b"\x89PNG")
    assert b"<svg" in curves_picture([panel], "a $b title", "svg")


def test_a_curve_is_drawn_where_its_values_are():
    drawn = panel_svg(Panel("loss", (Curve("training", np.array([0.0, 10.0, 5.0])),), False))
    points = re.search(r'points="([^"]*)"', drawn)[1].split()
    (x0, y0), (x1, y1), (x2, y2) = ([float(part) for part in point.split(",")] for point in points)
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 < y2 < y0  # upwards is less
    assert y2 == pytest.approx((y0 + y1) / 2, abs=0.1)


def test_a_curve_is_broken_where_a_value_is_not_finite():
    drawn = panel_svg(Panel("loss", (Curve("training", np.array([1.0, 2.0, np.nan, 3.0])),), False))
    assert drawn.count("<polyline") == 1
    assert drawn.count("<circle") == 1


def test_epochs_that_were_thinned_lie_where_they_belong():
    (panel,) = panels({"loss": np.array([3.0, 2.0, 1.0])}, np.array([1, 10, 100]))
    points = re.search(r'points="([^"]*)"', panel_svg(panel))[1].split()
    x = [float(point.split(",")[0]) for point in points]
    assert (x[1] - x[0]) / (x[2] - x[0]) == pytest.approx(9 / 99, abs=1e-3)


def test_only_what_spans_much_is_logarithmic():
    assert panels({"loss": np.array([100.0, 1.0])})[0].logarithmic
    assert not panels({"loss": np.array([2.0, 1.0])})[0].logarithmic
    assert not panels({"loss": np.array([100.0, 0.0])})[0].logarithmic


def test_no_epochs_are_a_picture_too():
    assert curves_picture([], "title").startswith(b"\x89PNG")


def test_runs_are_compared_where_they_recorded_the_same():
    both = compared([("a", {"loss": np.ones(2)}, None), ("b", {"loss": np.ones(3), "auc": np.ones(3)}, None)])
    assert [(panel.title, [curve.label for curve in panel.curves]) for panel in both] == [
        ("loss", ["a", "b"]),
        ("auc", ["b"]),
    ]


def test_a_comparison_shows_what_differs_and_nothing_else(tmp_path):
    first, second = recorded(tmp_path / "a"), recorded(tmp_path / "b")
    second.config["settings"] = {**second.config["settings"], "data": "other"}
    page = comparison_page([(first, measured()), (second, "no data")])
    said = words(page)
    assert "settings: data" in said
    assert "settings: exclude" not in said
    assert "not shown: no data" in said
    assert "<script>alert" not in page


def test_a_sweep_is_read_and_drawn(tmp_path):
    fixed = "seed,fold,status,epochs,best_epoch,stopped_early,diverged_at"
    header = f"rank,member,learning_rate,hidden,{fixed},val_loss"
    rows = [f"{k},{k},{10.0**-k},<b>{k % 2},0,,done,5,,False,,{k / 10}" for k in range(1, 6)]
    (tmp_path / "sweep.csv").write_text(
        "\n".join([header, *rows, "6,6", '7,7,1,x,0,,diverged,1,,False,"e, s",'])
    )
    sweep = read_sweep(tmp_path)
    assert (sweep.axes, sweep.monitor, len(sweep.rows)) == (("learning_rate", "hidden"), "val_loss", 6)
    page = sweep_page(tmp_path, sweep)
    assert page.count("<svg") == 2
    assert page.count('<circle class="dot"') == 10
    assert "learning_rate (logarithmic)" in page
    assert "1 diverged" in page
    assert "1 rows are damaged" in page
    assert "<b>1" not in page


def test_a_table_that_is_no_sweep_is_refused(tmp_path):
    (tmp_path / "sweep.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="expected the columns rank, member"):
        read_sweep(tmp_path)


def test_class_calibration_by_hand():
    predictions = np.array([[0.15], [0.11], [0.95], [0.91]])
    low, high = quality.class_calibration(np.array([0, 1, 1, 1]), predictions)
    assert (low.promised, low.found, low.rows) == (pytest.approx(0.13), 0.5, 2)
    assert (high.promised, high.found, high.rows) == (pytest.approx(0.93), 1.0, 2)
    assert quality.expected_error([low, high]) == pytest.approx((0.37 * 2 + 0.07 * 2) / 4)


def test_value_calibration_by_hand():
    bins = quality.value_calibration(np.arange(20.0), np.arange(20.0) + 1)
    assert [each.rows for each in bins] == [2] * 10
    assert all(each.promised - each.found == pytest.approx(1.0) for each in bins)


def test_very_long_text_is_cut():
    assert len(text("x" * 10_000)) < 1000
