"""The pages of `jaxgd report` in a browser: hover, keyboard, themes, phones, and names that are markup."""

import numpy as np
import pytest
from browser_page import Page
from click.testing import CliRunner
from selenium.webdriver.common.keys import Keys

from jaxgd.cli.app import app
from jaxgd.reports.reading import read_columns
from jaxgd.runs.history_file import read_history, write_history

EVIL = "<script>window.bad=1</script><img src=x onerror=window.bad=2>"


def jaxgd(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of a table whose columns and classes are markup, and one of a regression."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    table = folder / "evil.csv"
    sizes = rng.normal(size=120)
    rows = "".join(f"{size:.4f},{rng.normal():.4f},{EVIL if size > 0 else '&amp;'}\n" for size in sizes)
    table.write_text(f"{EVIL},b,<b>target</b>\n{rows}")
    small = ("--hidden", "8", "--no-report", "--quiet")
    jaxgd("train", table, "--out", folder / "evil", "--epochs", "5", "--watch", *small)
    jaxgd("train", "diabetes", "--out", folder / "<i>r", "--epochs", "3", *small)
    return folder


@pytest.fixture(scope="module")
def evil(runs):
    out = runs / "evil.html"
    jaxgd("report", runs / "evil", "--out", out)
    return out


@pytest.fixture(scope="module")
def regression(runs):
    out = runs / "regression.html"
    jaxgd("report", runs / "<i>r", "--out", out)
    return out


@pytest.fixture(scope="module")
def comparison(runs):
    out = runs / "comparison.html"
    jaxgd("report", runs / "evil", runs / "<i>r", "--out", out)
    return out


def read(text):
    return float(text.replace("−", "-"))


def test_names_that_are_markup_are_text(page, evil):
    page.open(evil)
    assert page.js("return window.bad") is None
    assert page.all("img, b > script, main script") == []
    assert f"<b>target</b> from {evil.with_suffix('.csv').name}" in page.text("h1")
    assert EVIL in page.text(".confusion")


def test_even_unescaped_markup_would_not_run(chromium, evil, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(evil.read_text().replace("<main>", f"<main>{EVIL}"))
    page = Page(chromium).open(broken)
    assert page.js("return window.bad") is None
    assert page.all("main script")
    refused = page.complaints()
    assert len(refused) >= 2
    assert all("Content Security Policy" in each for each in refused)


def test_the_pointer_reads_the_curves(page, runs, evil):
    page.open(evil)
    history = read_history(runs / "evil" / "history.csv")
    assert page.text(".reading") == ""
    page.hover("figure svg", 0.5 * (58 + 408) / 420, 0.5)
    said = page.text(".reading")
    assert said.startswith("Epoch 3: ")
    assert read(said.split("training ")[1].split(",")[0]) == pytest.approx(history["loss"][2], rel=1e-5)
    assert read(said.split("held-out ")[1]) == pytest.approx(history["val_loss"][2], rel=1e-5)


def test_the_keyboard_reads_the_curves(page, runs, evil):
    page.open(evil)
    history = read_history(runs / "evil" / "history.csv")
    page.js("document.querySelector('figure svg').focus()")
    for epoch in range(1, 6):
        page.press(Keys.ARROW_RIGHT)
        said = page.text(".reading")
        assert said.startswith(f"Epoch {epoch}: ")
        assert read(said.split("training ")[1].split(",")[0]) == pytest.approx(
            history["loss"][epoch - 1], rel=1e-5
        )
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert page.text(".reading").startswith("Epoch 4: ")


def test_what_was_watched_is_read_like_the_curves(page, runs, evil):
    page.open(evil)
    columns, epochs = read_columns(runs / "evil" / "layers.csv", [])
    place = page.js(
        "return [...document.querySelectorAll('figure')].findIndex((each) => each.querySelector('.reading')"
        " && each.textContent.startsWith('gradient norm'))"
    )
    page.js(f"document.querySelectorAll('figure')[{place}].querySelector('svg').focus()")
    for epoch in epochs[:2]:
        page.press(Keys.ARROW_RIGHT)
        said = page.js(
            f"return document.querySelectorAll('figure')[{place}].querySelector('.reading').textContent"
        )
        assert said.startswith(f"Epoch {epoch}: dense ")
        value = read(said.split("dense ")[1].split(",")[0])
        assert value == pytest.approx(columns["gradient norm: dense"][epoch], rel=1e-5)


def test_the_confusion_matrix_counts_every_held_out_row(page, evil):
    page.open(evil)
    cells = [int(cell.text) for cell in page.all(".confusion tbody td")]
    assert len(cells) == 4
    assert sum(cells) == 24


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("which", ["evil", "regression", "comparison"])
def test_text_can_be_read_in_light_and_dark(page, request, which, dark):
    page.open(request.getfixturevalue(which), dark=dark)
    assert min(page.contrasts("p:not(.reading), h1, h2, th, td, figcaption, pre, button")) >= 4.5


@pytest.mark.parametrize("which", ["evil", "regression", "comparison"])
def test_a_phone_shows_it_without_scrolling_sideways(page, request, which):
    page.open(request.getfixturevalue(which), width=360)
    assert page.overflow() <= 0


def test_pictures_have_names(page, regression):
    page.open(regression)
    for picture in page.all("svg[role=img]"):
        assert picture.get_attribute("aria-label")
    assert len(page.all("svg[role=img]")) == 6


def test_a_comparison_reads_every_run(page, comparison):
    page.open(comparison)
    page.js("document.querySelector('figure svg').focus()")
    page.press(Keys.ARROW_RIGHT)
    said = page.text(".reading")
    assert "evil " in said
    assert "<i>r " in said
    page.press(*[Keys.ARROW_RIGHT] * 3)
    assert page.text(".reading").startswith("Epoch 4: evil ")
    assert "<i>r" not in page.text(".reading")


def test_a_history_of_nan_is_read_as_such(page, runs, tmp_path):
    folder = tmp_path / "nan"
    folder.mkdir()
    write_history(folder / "history.csv", {"loss": np.array([1.0, np.nan, np.inf, 2.0])})
    jaxgd("report", folder)
    page.open(folder / "report.html")
    assert "config.json is missing" in page.text("main")
    page.js("document.querySelector('figure svg').focus()")
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.text(".reading") == "Epoch 2: training not finite"


def test_a_sweep_is_shown(page, tmp_path):
    fixed = "seed,fold,status,epochs,best_epoch,stopped_early,diverged_at"
    lines = [f"rank,member,learning_rate,act,{fixed},val_loss"]
    lines += [f"{k},{k},{10.0**-k},{EVIL if k % 2 else 'tanh'},0,,done,5,,False,,0.{k}" for k in range(1, 9)]
    (tmp_path / "sweep.csv").write_text("\n".join(lines))
    jaxgd("report", tmp_path)
    page.open(tmp_path / "report.html", width=360)
    assert page.js("return window.bad") is None
    assert page.overflow() <= 0
    assert len(page.all("circle.dot")) == 16
    assert page.all("circle.dot title")[0].get_attribute("textContent") == "learning_rate 0.1: 0.1"


def test_the_theme_is_changed_by_a_button(page, evil):
    page.open(evil)
    for expected in ("Theme: light", "Theme: dark", "Theme: automatic"):
        page.css("#theme").click()
        assert page.text("#theme") == expected
