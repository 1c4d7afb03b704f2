"""The page of `jaxgd explain` in a browser: every control, and every number against `backprop.trace`."""

import jax
import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

import jaxgd
from jaxgd.explain import example, explain_page, take_steps
from jaxgd.explain.paths import run_rivals
from jaxgd.explain.subject import make_subject
from jaxgd.explain.surface import planes

STEPS = 12
LAYERS = ("dense", "dense_1")
MOMENTS = [
    "1/7 The row",
    "2/7 Forward: dense",
    "3/7 Forward: dense_1",
    "4/7 The loss",
    "5/7 Backward: dense_1",
    "6/7 Backward: dense",
    "7/7 Update",
]
EVIL = "<script>window.bad = 1</script>"


@pytest.fixture(scope="module")
def subject():
    return example()


@pytest.fixture(scope="module")
def path(subject, tmp_path_factory):
    place = tmp_path_factory.mktemp("pages") / "explain.html"
    place.write_text(explain_page(subject, STEPS))
    return place


@pytest.fixture(scope="module")
def taken(subject):
    return take_steps(subject, STEPS)


@pytest.fixture(scope="module")
def runs(subject):
    return run_rivals(subject, STEPS)


def moment(page):
    return page.text("#moment b")


def numbers(page):
    """{name: value} of the panel."""
    return page.js(
        "return Object.fromEntries([...document.querySelectorAll('#details .value')]"
        ".map((each) => [each.dataset.name, Number(each.dataset.value)]))"
    )


def read(text):
    """A number as the page writes it."""
    return float(text.replace("−", "-"))


def choose_unit(page, stage, unit):
    page.js("document.querySelector(arguments[0]).focus()", f'[data-unit="{stage},{unit}"]')


def test_the_page_is_one_file_under_a_megabyte(page, path):
    page.open(path)
    assert path.stat().st_size < 1_000_000
    assert page.driver.title == "Backpropagation: 5-10-1 network, 32 rows"
    assert moment(page) == MOMENTS[0]


@pytest.mark.parametrize(("step", "row"), [(0, 0), (7, 4), (STEPS - 1, 31)])
def test_every_number_of_a_unit_is_the_traces(page, path, taken, step, row):
    page.open(path)
    page.slide("#step", step)
    page.slide("#row", row)
    page.css("#update").click()
    trace, before, after = taken[step].trace, taken[step].before, taken[step].after
    x = np.asarray(trace["dense"].x)[row]
    for unit in range(5):
        choose_unit(page, 0, unit)
        assert numbers(page)["x"] == x[unit]
    for stage, name in enumerate(LAYERS, start=1):
        layer = trace[name]
        for unit in range(np.shape(layer.a)[1]):
            choose_unit(page, stage, unit)
            shown = numbers(page)
            assert shown["z"] == np.asarray(layer.z)[row, unit]
            assert shown["a"] == np.asarray(layer.a)[row, unit]
            assert shown["dL/da"] == np.asarray(layer.upstream)[row, unit]
            assert shown["δ"] == np.asarray(layer.delta)[row, unit]
            assert shown["dL/da"] * shown["f′(z)"] == pytest.approx(shown["δ"], rel=1e-6, abs=1e-12)
            assert shown["dL/db"] == np.asarray(layer.gradients["bias"])[unit]
            assert shown["new b"] == after[name]["bias"][unit]
            assert shown["new b"] == pytest.approx(
                before[name]["bias"][unit] - 0.5 * shown["dL/db"], rel=1e-5, abs=1e-7
            )


def test_every_number_of_a_connection_is_the_traces(page, path, taken):
    step = 3
    page.open(path)
    page.slide("#step", step)
    page.css("#update").click()
    layer = taken[step].trace["dense"]
    for j in range(10):
        choose_unit(page, 1, j)
        for i in range(5):
            page.js(f"document.querySelectorAll('#details table button')[{i}].click()")
            shown = numbers(page)
            assert shown["w"] == taken[step].before["dense"]["kernel"][i, j]
            assert shown["dL/dw"] == np.asarray(layer.gradients["kernel"])[i, j]
            assert shown["new w"] == taken[step].after["dense"]["kernel"][i, j]
            assert shown["w·x"] == pytest.approx(shown["w"] * float(layer.x[0, i]), rel=1e-6)
            page.js("document.querySelector('#details button').click()")
            assert page.text("#details h3") == f"dense[{j}]"


def test_the_gradients_on_the_page_are_those_of_jax_grad(page, path, subject):
    page.open(path)
    page.css("#backward").click()
    params = jax.tree.map(jax.numpy.asarray, subject.params)
    grads = jax.grad(lambda p: subject.objective(p, subject.batch)[0])(params)
    largest = float(abs(grads["dense"]["bias"]).max())
    for unit in range(10):
        choose_unit(page, 1, unit)
        expected = float(grads["dense"]["bias"][unit])
        assert numbers(page)["dL/db"] == pytest.approx(expected, abs=2e-6 * largest)


def test_what_is_written_into_the_graph_is_the_value(page, path, taken):
    page.open(path)
    page.css("#backward").click()
    layer = taken[0].trace["dense"]
    for unit in range(10):
        drawn = f'[data-unit="1,{unit}"]'
        assert read(page.text(f"{drawn} .number")) == pytest.approx(float(layer.a[0, unit]), rel=6e-3)
        assert read(page.text(f"{drawn} .delta").split()[1]) == pytest.approx(
            float(layer.delta[0, unit]), rel=6e-3
        )
    assert read(page.text("#loss-unit .number")) == pytest.approx(float(taken[0].trace.loss), rel=6e-3)


def test_formulas_have_the_values_put_in(page, path, taken):
    page.open(path)
    page.css("#forward").click()
    choose_unit(page, 1, 0)
    layer, before = taken[0].trace["dense"], taken[0].before["dense"]
    formula = page.text("#details .formula")
    for i in range(5):
        x, w = (f"{float(each):.3g}" for each in (layer.x[0, i], before["kernel"][i, 0]))
        assert f"{x}·{w}" in formula.replace("(", "").replace(")", "").replace("−", "-")


def test_buttons_and_arrow_keys_walk_the_same_way(page, path):
    page.open(path)
    assert not page.css("#back").is_enabled()
    by_button = [moment(page)]
    for _ in range(6):
        page.css("#next").click()
        by_button.append(moment(page))
    assert by_button == MOMENTS
    page.open(path)
    by_key = [moment(page)]
    for _ in range(6):
        page.press(Keys.ARROW_RIGHT)
        by_key.append(moment(page))
    assert by_key == MOMENTS
    page.press(Keys.ARROW_RIGHT)
    assert (moment(page), page.text("#step-number")) == (MOMENTS[0], f"2 of {STEPS}")
    page.css("#back").click()
    assert (moment(page), page.text("#step-number")) == (MOMENTS[6], f"1 of {STEPS}")
    page.press(Keys.ARROW_LEFT)
    assert moment(page) == MOMENTS[5]


def test_the_panel_goes_along_to_the_unit_that_was_looked_at_last(page, path):
    page.open(path)
    choose_unit(page, 1, 7)
    seen = []
    for _ in range(6):
        page.press(Keys.ARROW_RIGHT)
        seen.append(page.text("#details h3"))
    assert seen == ["dense[7]", "dense_1[0]", "dense_1[0]", "dense_1[0]", "dense[7]", "dense[7]"]


def test_the_last_moment_of_the_last_step_is_the_end(page, path):
    page.open(path)
    page.slide("#step", STEPS - 1)
    page.css("#update").click()
    assert not page.css("#next").is_enabled()
    page.press(Keys.ARROW_RIGHT)
    assert moment(page) == MOMENTS[6]


@pytest.mark.parametrize(("button", "expected"), [("forward", 3), ("backward", 5), ("update", 6)])
def test_each_phase_has_a_button(page, path, button, expected):
    page.open(path)
    page.css(f"#{button}").click()
    assert moment(page) == MOMENTS[expected]
    assert [each.get_attribute("id") for each in page.all("[aria-current]")] == [button]


def test_what_was_not_computed_yet_is_not_shown(page, path):
    page.open(path)
    page.css("#next").click()
    choose_unit(page, 2, 0)
    assert "Not computed yet" in page.text("#details")
    assert page.text('[data-unit="2,0"] .number') == ""
    assert page.text('[data-unit="1,0"] .delta') == ""
    assert "not computed yet" in page.css('[data-unit="2,0"]').get_attribute("aria-label")


def test_lines_show_weights_then_gradients_then_changes(page, path, taken):
    page.open(path)
    seen = []
    for button in ("forward", "backward", "update"):
        page.css(f"#{button}").click()
        title = page.text('[data-edge="0,2,0"] title')
        seen.append(read(title.split(": ")[1]))
    step = taken[0]
    old, new = (float(tree["dense"]["kernel"][2, 0]) for tree in (step.before, step.after))
    expected = [old, float(step.trace.gradients["dense"]["kernel"][2, 0]), new - old]
    assert seen == pytest.approx(expected, rel=6e-3)


def test_hovering_over_a_unit_and_a_line_shows_its_formula(page, path):
    page.open(path)
    page.css("#forward").click()
    page.hover('[data-unit="1,7"]', 0.5, 0.5)
    assert page.text("#details h3") == "dense[7]"
    page.js("document.querySelector('[data-edge=\"1,7,0\"]').dispatchEvent(new PointerEvent('pointerenter'))")
    assert page.text("#details h3") == "dense[7] → dense_1[0]"


def test_the_keyboard_reaches_every_unit(page, path):
    page.open(path)
    page.css("#forward").click()
    page.js("document.querySelector('#step').focus()")
    reached = []
    for _ in range(17):
        page.press(Keys.TAB)
        reached.append(page.js("return document.activeElement.getAttribute('aria-label')"))
    assert reached[0].startswith("x0, 0.851")
    assert reached[5].startswith("dense[0], 0.64")
    assert reached[16].startswith("loss 0.318")
    assert all(reached)
    outline = page.js(
        "return getComputedStyle(document.querySelector('.unit:focus-visible rect')).strokeWidth"
    )
    assert outline == "3.5px"


def test_the_slider_goes_over_the_steps_of_the_run(page, path, taken):
    page.open(path)
    page.css("#forward").click()
    page.js("document.querySelector('#step').focus()")
    for step in range(1, STEPS):
        page.press(Keys.ARROW_RIGHT)
        loss = page.text("#moment").split("Loss ")[1].rstrip(".")
        assert read(loss) == pytest.approx(float(taken[step].trace.loss), rel=1e-6)
        assert page.text("#step-number") == f"{step + 1} of {STEPS}"
    assert page.css("#step").get_attribute("aria-valuetext").startswith(f"step {STEPS}, loss ")
    assert moment(page) == MOMENTS[3]


def test_the_loss_curve_reads_the_losses_of_each_optimizer(page, path, runs):
    page.open(path)
    page.js("document.querySelector('#curve').focus()")
    page.press(*[Keys.ARROW_RIGHT] * 5)
    said = page.text("#curve-reading")
    assert said.startswith("After 5 updates: ")
    for name, run in runs.items():
        shown = read(said.split(f"{name} ")[1].split(",")[0])
        assert shown == pytest.approx(float(run.losses[5]), rel=1e-6)
    page.hover("#curve", 0.999, 0.5)
    assert page.text("#curve-reading").startswith(f"After {STEPS} updates")
    assert len(page.all("#curve path.path")) == 3


def test_an_optimizer_can_be_hidden(page, path):
    page.open(path)
    page.css("[data-path='Adam']").click()
    assert len(page.all("#curve path.path")) == 2
    assert len(page.all("#surface-paths path.path")) == 2
    assert "Adam" not in page.text("#curve-reading")
    page.css("[data-path='Adam']").click()
    assert len(page.all("#curve path.path")) == 3


def test_each_plane_is_drawn_with_its_losses_and_paths(page, path, subject, runs):
    page.open(path)
    pictures = set()
    for place, plane in enumerate(planes(subject, runs)):
        page.slide("#plane", place)
        page.hover("#surface-paths", 0.5, 0.4)
        said = page.text("#surface-reading")
        u, v = (read(part) for part in said.split("(")[1].split(")")[0].split(", "))
        i, j = abs(plane.u - u).argmin(), abs(plane.v - v).argmin()
        assert read(said.split("loss is ")[1].rstrip(".")) == pytest.approx(plane.losses[j, i], rel=1e-6)
        assert plane.axes[0] in page.text("#surface-paths")
        assert len(page.all("#surface-paths path.path")) == 3
        pictures.add(page.js("return document.querySelector('#surface').toDataURL()"))
    assert len(pictures) == 3


def test_the_path_on_the_surface_moves_with_the_step(page, path, runs, subject):
    page.open(path)
    page.slide("#step", STEPS - 1)
    (first, *_) = planes(subject, runs)
    said = page.text("#surface-reading")
    u, v = (read(part) for part in said.split("momentum at (")[1].split(")")[0].split(", "))
    assert (u, v) == pytest.approx(tuple(first.paths["momentum"][STEPS - 1]), rel=6e-3)


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_light_and_dark(page, path, dark):
    page.open(path, dark=dark)
    page.css("#update").click()
    paper = page.js("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(20, 24, 31)") == dark
    for selector in (
        "p, h1, h2, h3, th, td, label, button:not(:disabled)",
        "#network .number",
        "svg .caption",
    ):
        assert min(page.contrasts(selector)) >= 4.5, selector


def test_the_theme_is_changed_by_a_button(page, path):
    page.open(path)
    papers = []
    for _ in range(3):
        papers.append(page.js("return getComputedStyle(document.body).backgroundColor"))
        page.css("#theme").click()
    assert papers == ["rgb(255, 255, 255)", "rgb(255, 255, 255)", "rgb(20, 24, 31)"]
    assert page.text("#theme") == "Theme: automatic"


@pytest.mark.parametrize("width", [320, 360, 768])
def test_a_phone_shows_it_without_scrolling_sideways(page, path, width):
    page.open(path, width=width)
    page.css("#update").click()
    assert page.overflow() <= 0
    small = page.js(
        "return [...document.querySelectorAll('svg text')].map((each) => each.getBoundingClientRect().height)"
        ".filter((height) => height > 0 && height < 9)"
    )
    assert small == []


def test_controls_have_names(page, path):
    page.open(path)
    for element in page.all("button, input, select, [role=img], [tabindex]"):
        assert element.accessible_name, element.get_attribute("outerHTML")


@pytest.fixture(scope="module")
def other():
    """A wide network of other layers, whose names are markup."""
    model = jaxgd.sequential(
        [
            jaxgd.layers.normalization((0.1, 0.2), (1.0, 2.0)),
            jaxgd.layers.dense(40, "tanh", kernel_regularizer="l2"),
            jaxgd.layers.dropout(0.3),
            jaxgd.layers.dense(3, "softmax"),
        ],
        2,
    )
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    settings = {"loss": "sparse_categorical_crossentropy", "optimizer": "rmsprop", "features": (EVIL, "b")}
    return make_subject(EVIL, model, model.init(0), x, np.arange(50) % 3, **settings)


@pytest.fixture(scope="module")
def other_path(other, tmp_path_factory):
    place = tmp_path_factory.mktemp("pages") / "other.html"
    place.write_text(explain_page(other, 5))
    return place


def test_a_network_too_large_says_so_and_shows_what_fits(page, other, other_path):
    page.open(other_path)
    page.css("#update").click()
    said = page.text("#notes")
    assert "at most 16 are shown (the largest has 40)" in said
    assert "Of 50 rows the first 32" in said
    assert len(page.all(".unit")) == 2 + 2 + 16 + 16 + 3 + 1
    choose_unit(page, 4, 1)
    (step,) = take_steps(other)
    shown, formula = numbers(page), page.text("#details")
    assert shown["δ"] == np.asarray(step.trace["dense_1"].delta)[0, 1]
    assert "(24 more inputs)" in formula
    assert "(a − y) / 50" in formula
    assert "RMSprop's change" in formula
    assert len(page.all("#curve path.path")) == 4


def test_markup_in_names_is_text(page, other_path):
    page.open(other_path)
    assert page.js("return window.bad") is None
    assert EVIL in page.text("#subject")
    choose_unit(page, 0, 0)
    assert EVIL in page.text("#details")


def test_a_run_that_diverges_is_shown_as_far_as_it_goes(page, tmp_path):
    diverging = example(rows=4, activation="linear", optimizer=jaxgd.optimizers.sgd(1e30))
    place = tmp_path / "diverged.html"
    place.write_text(explain_page(diverging, 6))
    page.open(place)
    page.slide("#step", 5)
    page.css("#update").click()
    assert moment(page) == MOMENTS[6]
    assert "NaN" in page.text("#moment") + page.text("#details") + page.text("#curve-reading")


@pytest.fixture(scope="module")
def graph():
    """Two inputs, a shared layer, a merge and two outputs."""
    layers = jaxgd.layers
    model = jaxgd.graph(
        {"left": 2, "right": 2},
        {
            "code": (layers.dense(3, "tanh"), "left"),
            "code_again": ("code", "right"),
            "both": (layers.concatenate(), ["code", "code_again"]),
            "sum": (layers.add(), ["code", "code_again"]),
            "price": (layers.dense(1), "sum"),
            "kind": (layers.dense(2, "softmax"), "both"),
        },
        ["price", "kind"],
    )
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(4, 2)) for _ in range(2)]
    y = [rng.normal(size=(4, 1)), rng.integers(0, 2, 4)]
    losses = ["mean_squared_error", "sparse_categorical_crossentropy"]
    return make_subject(
        "a graph", model, model.init(0), x, y, loss=losses, optimizer=jaxgd.optimizers.sgd(0.1)
    )


@pytest.fixture(scope="module")
def graph_path(graph, tmp_path_factory):
    place = tmp_path_factory.mktemp("pages") / "graph.html"
    place.write_text(explain_page(graph, 3))
    return place


def test_every_number_of_a_graph_is_the_traces(page, graph, graph_path):
    page.open(graph_path)
    page.css("#update").click()
    page.slide("#row", 2)
    step = take_steps(graph, 3)[0]
    for stage, layer in enumerate(step.trace.layers, start=2):
        for unit in range(np.shape(layer.a)[1]):
            choose_unit(page, stage, unit)
            shown = numbers(page)
            assert page.text("#details h3") == f"{layer.node}[{unit}]"
            assert shown["a"] == np.asarray(layer.a)[2, unit]
            if layer.upstream is not None:
                assert shown["dL/da"] == np.asarray(layer.upstream)[2, unit]
            if layer.delta is not None:
                assert shown["δ"] == np.asarray(layer.delta)[2, unit]
                assert shown["new b"] == step.after[layer.name]["bias"][unit]
    choose_unit(page, 0, 1)
    slope = np.asarray(step.trace["code"].downstream)[2, 1]
    assert numbers(page)["dL/dx"] == pytest.approx(slope, rel=1e-6)
    choose_unit(page, 1, 0)
    assert page.text("#details h3") == "right0"


def test_a_graph_is_walked_in_its_order_and_fits_a_phone(page, graph_path):
    page.open(graph_path, width=360)
    seen = [moment(page)]
    while page.css("#next").is_enabled() and not seen[-1].endswith("Update"):
        page.css("#next").click()
        seen.append(moment(page))
    names = [each.split(" ", 1)[1] for each in seen]
    forward = [name.removeprefix("Forward: ") for name in names if name.startswith("Forward: ")]
    backward = [name.removeprefix("Backward: ") for name in names if name.startswith("Backward: ")]
    assert set(forward) == {"code", "code_again", "both", "sum", "price", "kind"}
    assert backward == forward[::-1]
    assert page.overflow() <= 0
    # a merge has a line from each unit it takes, a shared layer its own lines at each call
    assert len(page.all("path.edge.plain")) == 6 + 6 + 1 + 2
    assert len(page.all("[data-edge^='0,']")) == len(page.all("[data-edge^='1,']")) == 6
