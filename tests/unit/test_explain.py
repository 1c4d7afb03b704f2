"""One step laid open: the run, the three gradients, the paths, the surface, the part that is shown."""

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd.explain import compare, example, explain_page, take_steps
from jaxgd.explain.comparing import differences_dtype
from jaxgd.explain.numbers import BYTES, encoded, kept_steps
from jaxgd.explain.part import choose_part, slope_of, value_of
from jaxgd.explain.paths import own_name, rivals, run_rivals
from jaxgd.explain.running import MAX_STEPS
from jaxgd.explain.subject import make_subject
from jaxgd.explain.surface import GRID, planes
from jaxgd.explain.tables import sheets


@pytest.fixture(scope="module")
def subject():
    return example()


def dropped(dtype="float32"):
    model = jaxgd.sequential(
        [
            jaxgd.layers.dense(12, "relu", kernel_regularizer="l2"),
            jaxgd.layers.dropout(0.4),
            jaxgd.layers.batch_normalization(),
            jaxgd.layers.dense(3, "softmax"),
        ],
        4,
        dtype=dtype,
    )
    x = np.random.default_rng(1).normal(size=(20, 4))
    loss = "sparse_categorical_crossentropy"
    return make_subject("t", model, model.init(0), x, np.arange(20) % 3, loss=loss)


def fitted(subject, epochs):
    """What `fit` makes of the same rows in one batch."""
    x, y = (np.asarray(subject.batch[name]) for name in ("x", "y"))
    settings = {"loss": subject.losses[0].loss, "optimizer": subject.optimizer, "params": subject.params}
    return jaxgd.fit(subject.model, x, y, epochs=epochs, batch_size=len(x), shuffle=False, **settings)


def test_the_run_is_that_of_fit(subject):
    result, taken = fitted(subject, 5), take_steps(subject, 5)
    losses = [float(step.trace.loss) for step in taken]
    np.testing.assert_allclose(result.history["loss"], losses, rtol=1e-6)
    for name, leaves in taken[-1].after.items():
        for leaf, value in leaves.items():
            np.testing.assert_allclose(result.params[name][leaf], value, rtol=2e-6, atol=1e-7)


def test_a_step_with_dropout_and_statistics_is_that_of_training():
    subject = dropped()
    result, taken = fitted(subject, 3), take_steps(subject, 3)
    losses = [float(step.trace.loss) for step in taken]
    np.testing.assert_allclose(result.history["loss"], losses, rtol=1e-6)
    moved, expected = (
        tree["batch_normalization"]["moving_mean"] for tree in (taken[-1].after, result.params)
    )
    np.testing.assert_allclose(expected, moved, rtol=1e-5, atol=1e-7)


def test_three_gradients_agree_to_a_few_ulps_of_float32(subject):
    for each in compare(subject):
        assert each.ulps_of_autodiff <= 4
        assert each.ulps_of_differences <= 4
        assert np.abs(each.by_hand).max() > 0


def test_a_wrong_gradient_would_be_seen(subject, monkeypatch):
    from jaxgd.explain import comparing

    def half(*arguments):
        trace = comparing_trace(*arguments)
        trace.gradients["dense"]["bias"] = trace.gradients["dense"]["bias"] * 1.00001
        return trace

    comparing_trace = comparing.trace_at
    monkeypatch.setattr(comparing, "trace_at", half)
    found = {each.name: each for each in compare(subject)}
    assert found["dense/bias"].ulps_of_autodiff > 50
    assert found["dense/bias"].ulps_of_differences > 50
    assert found["dense/kernel"].ulps_of_autodiff <= 4


def test_float64_is_as_near_as_differences_can_be():
    with jax.enable_x64(True):
        for each in compare(example(rows=8, dtype="float64")):
            assert each.by_hand.dtype == np.float64
            assert each.ulps_of_autodiff <= 8
            error = np.abs(each.by_hand.reshape(-1)[each.probed] - each.differences).max()
            assert error <= 1e-9 * np.abs(each.by_hand).max()


def test_an_ulp_is_one_of_the_dtype_that_layers_compute_in():
    (bias, *_) = compare(example(rows=4, dtype="mixed_bfloat16"))
    assert bias.by_hand.dtype == np.float32
    assert bias.ulp == 2.0 ** (np.floor(np.log2(np.abs(bias.by_hand).max())) - 7)
    assert bias.ulps_of_autodiff <= 4
    exact = compare(example(rows=4))[0]
    assert exact.ulp == np.spacing(np.abs(exact.by_hand).max())


def test_dropout_is_probed_with_the_masks_of_the_step():
    subject = dropped()
    assert differences_dtype(subject) == "float32"
    for each in compare(subject, step=2):
        scale = np.abs(each.by_hand).max()
        by_hand = each.by_hand.reshape(-1)[each.probed]
        error = np.abs(by_hand - each.differences)[~each.at_kink].max(initial=0.0)
        assert each.ulps_of_autodiff <= 32
        assert error <= 0.03 * scale


def test_numbers_that_are_not_finite_are_shown_as_such():
    model = jaxgd.mlp([2, 3, 1])
    params = jax.tree.map(lambda leaf: leaf + 1e30, model.init(0))
    subject = make_subject("huge", model, params, np.full((2, 2), 1e10), np.ones((2, 1)))
    assert all(np.isnan(each.ulps_of_autodiff) for each in compare(subject))
    (step,) = take_steps(subject)
    assert "inf" in str(sheets(subject, step, choose_part(subject, step), compare(subject), row=0))
    assert "NaN" not in explain_page(subject, 2).split('id="data">')[1].split("</script>")[0]


def test_a_kink_is_recognised():
    model = jaxgd.mlp([1, 1, 1], activation="relu")
    params = {
        "dense": {"kernel": np.ones((1, 1), np.float32), "bias": np.array([-1.0], np.float32)},
        "dense_1": {"kernel": np.ones((1, 1), np.float32), "bias": np.zeros(1, np.float32)},
    }
    subject = make_subject("at zero", model, params, [[1.0]], [[1.0]])
    found = {each.name: each for each in compare(subject)}
    assert found["dense/bias"].at_kink.all()
    assert found["dense/bias"].ulps_of_differences == 0.0
    assert not found["dense_1/bias"].at_kink.any()


def test_all_paths_start_together_and_one_is_the_subjects(subject):
    runs = run_rivals(subject, 6)
    assert list(runs) == ["SGD", "momentum", "Adam"]
    assert len({float(run.losses[0]) for run in runs.values()}) == 1
    taken = take_steps(subject, 6)
    np.testing.assert_array_equal(runs["SGD"].at(6)["dense"]["kernel"], taken[-1].after["dense"]["kernel"])
    assert all(run.losses[-1] < run.losses[0] for run in runs.values())


@pytest.mark.parametrize(
    ("optimizer", "name"),
    [
        ("sgd", "SGD"),
        (jaxgd.optimizers.sgd(0.1, momentum=0.5), "momentum"),
        (jaxgd.optimizers.adam(0.3), "Adam"),
        (jaxgd.optimizers.sgd(0.1, clipnorm=1.0), "SGD, own settings"),
        ("lion", "Lion"),
    ],
)
def test_the_subjects_optimizer_is_one_of_the_paths(optimizer, name):
    chosen = jaxgd.optimizers.get(optimizer)
    assert own_name(chosen) == name
    assert rivals(chosen)[name] is chosen


def test_a_surface_is_the_loss_at_its_places(subject):
    runs = run_rivals(subject, 4)
    for plane in planes(subject, runs, ("dense/kernel[0,3]", "dense_1/bias[0]")):
        assert plane.losses.shape == (GRID, GRID)
        assert np.isfinite(plane.losses).all()
        assert 0 < plane.kept <= 1.0 + 1e-9
    two = planes(subject, runs, ("dense/kernel[0,3]", "dense_1/bias[0]"))[1]
    params = jax.tree.map(np.array, dict(subject.params))
    params["dense"]["kernel"][0, 3], params["dense_1"]["bias"][0] = two.u[7], two.v[30]
    assert float(subject.objective(params, subject.batch)[0]) == pytest.approx(two.losses[30, 7], rel=1e-5)
    start = subject.params["dense"]["kernel"][0, 3], subject.params["dense_1"]["bias"][0]
    np.testing.assert_allclose(two.paths["SGD"][0], start, rtol=1e-6, atol=1e-7)


def test_a_weight_that_is_not_there_is_refused(subject):
    runs = run_rivals(subject, 1)
    with pytest.raises(ValueError, match=r"unknown weight 'dense/kernel\[9,9\]'.*Did you mean"):
        planes(subject, runs, ("dense/kernel[9,9]", "dense_1/bias[0]"))
    with pytest.raises(ValueError, match="expected two different ones"):
        planes(subject, runs, ("dense/bias[0]", "dense/bias[0]"))


def test_a_network_of_one_parameter_has_a_page_without_a_plane():
    model = jaxgd.sequential([jaxgd.layers.dense(1, use_bias=False)], 1)
    subject = make_subject("one", model, model.init(0), [[1.0], [2.0]], [[1.0], [0.0]])
    assert planes(subject, run_rivals(subject, 2)) == []
    assert len(explain_page(subject, 2)) < 100_000


def test_the_largest_part_of_a_deep_and_wide_network_is_chosen():
    deep = jaxgd.mlp([20, *[20] * 9, 2], activation="tanh")
    x = np.random.default_rng(0).normal(size=(40, 20))
    subject = make_subject("deep", deep, deep.init(0), x, x[:, :2])
    (step,) = take_steps(subject)
    part = choose_part(subject, step)
    assert part.layers == tuple(range(2, 10))
    assert [len(units) for units in part.units] == [16] * 8 + [2]
    assert len(part.rows) == 32
    assert len(part.notes) == 3
    strength = np.linalg.norm(np.asarray(step.trace["dense_8"].delta), axis=0)
    assert set(part.units[-2]) == set(np.argsort(-strength)[:16])
    assert 500_000 < len(explain_page(subject, 60)) < 1_000_000
    assert not choose_part(example(rows=4), take_steps(example(rows=4))[0]).notes


def test_steps_are_thinned_evenly():
    assert kept_steps(10, 1) == list(range(10))
    kept = kept_steps(1000, BYTES // 20)
    assert (kept[0], kept[-1], len(kept)) == (0, 999, 20)


def test_numbers_are_kept_bit_for_bit():
    import base64

    values = np.array([np.pi, -0.0, np.nan, 1e-40], np.float32)
    packed = encoded(values, "float32")
    back = np.frombuffer(base64.b64decode(packed["data"]), "<f4")
    assert values.tobytes() == back.tobytes()


def test_tables_show_the_trace(subject):
    (step,) = take_steps(subject)
    found = sheets(subject, step, choose_part(subject, step), compare(subject), row=2)
    assert [sheet.title.split(",")[0].split(":")[0] for sheet in found] == [
        "Forward",
        "Loss of 32 rows",
        "Backward",
        "Gradients",
        "Update by SGD(learning_rate=0.5",
        "Largest distance from the gradient by hand",
    ]
    forward = {row[0]: row[1:] for row in found[0].rows}
    assert forward["dense[3]"][0] == f"{float(step.trace['dense'].z[2, 3]) + 0.0:.6g}"
    slope = f"{float(step.trace['dense_1'].upstream[2, 0]):.6g}"
    assert found[1].rows[0][3] == f"dL/da = 2 (a - y) / 32 = {slope}"
    assert "summed over 32 rows" in found[3].title
    backward = {row[0]: row[1:] for row in found[2].rows}
    assert backward["dense_1[0]"][2] == f"{float(step.trace['dense_1'].delta[2, 0]):.6g}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x": [[1.0, 2.0]]}, "x: expected shape"),
        ({"x": [[np.nan]]}, "expected finite numbers"),
        ({"y": [[1.0], [2.0]]}, "equally many"),
        ({"params": {}}, "expected"),
        ({"loss": "mean_squred_error"}, "Did you mean"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, said):
    model = jaxgd.mlp([1, 1])
    given = {"params": model.init(0), "x": [[1.0]], "y": [[1.0]], **changes}
    with pytest.raises(ValueError, match=said):
        make_subject("t", model, given.pop("params"), given.pop("x"), given.pop("y"), **given)


def test_a_model_that_is_not_trained_is_refused():
    model = jaxgd.sequential([jaxgd.layers.dense(1, trainable=False)], 1)
    with pytest.raises(ValueError, match="there is no gradient"):
        make_subject("t", model, model.init(0), [[1.0]], [[1.0]])


def two_outputs():
    """Two inputs, a shared layer, a merge, a skipping connection, and two outputs."""
    layers = jaxgd.layers
    model = jaxgd.graph(
        {"left": 3, "right": 3},
        {
            "code": (layers.dense(4, "tanh"), "left"),
            "code_again": ("code", "right"),
            "both": (layers.concatenate(), ["code", "code_again"]),
            "mixed": (layers.dense(4, "relu"), "both"),
            "sum": (layers.add(), ["mixed", "code"]),
            "price": (layers.dense(1), "sum"),
            "kind": (layers.dense(3, "softmax"), "both"),
        },
        ["price", "kind"],
    )
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(8, 3)) for _ in range(2)]
    y = [rng.normal(size=(8, 1)), rng.integers(0, 3, 8)]
    losses = ["mean_squared_error", "sparse_categorical_crossentropy"]
    return make_subject("graph", model, model.init(0), x, y, loss=losses, loss_weights=[2.0, 1.0])


def test_a_graph_is_explained_like_a_stack():
    subject = two_outputs()
    assert all(each.ulps_of_autodiff <= 4 and each.ulps_of_differences <= 8 for each in compare(subject))
    first, second = take_steps(subject, 2)
    assert first.new_loss == pytest.approx(float(second.trace.loss), rel=1e-6)
    assert first.new_loss < float(first.trace.loss)
    part = choose_part(subject, first)
    assert part.stages[:4] == ("left", "right", "code", "code_again")
    assert (part.outside, part.sources[2]) == (2, (2, 3))
    columns = {"left": 0, "right": 0, "code": 1, "code_again": 1, "both": 2, "mixed": 3, "sum": 4, "price": 5}
    assert dict(zip(part.stages, part.columns, strict=True)) == {**columns, "kind": 3}
    found = {
        sheet.title.split(",")[0]: sheet.rows for sheet in sheets(subject, first, part, compare(subject), 1)
    }
    assert {row[0] for row in found["Loss of 8 rows"]} == {"price 0", "kind 0", "kind 1", "kind 2"}
    assert len(explain_page(subject, 3)) < 400_000


def test_the_last_layers_of_a_long_graph_are_shown():
    nodes = {"d0": (jaxgd.layers.dense(2, "tanh"), "x")}
    nodes |= {f"d{k}": (jaxgd.layers.dense(2, "tanh"), f"d{k - 1}") for k in range(1, 10)}
    nodes["y"] = (jaxgd.layers.add(), ["d9", "d0"])
    model = jaxgd.graph({"x": 2}, nodes, "y")
    subject = make_subject("long", model, model.init(0), np.ones((3, 2)), np.ones((3, 2)))
    (step,) = take_steps(subject)
    part = choose_part(subject, step)
    assert part.stages == ("d2", "d0", *(f"d{k}" for k in range(3, 10)), "y")
    assert part.notes == ("Of 11 layers the last 8 are shown; the limit is 8.",)
    np.testing.assert_array_equal(value_of(step, "d2"), step.trace["d2"].a)
    np.testing.assert_allclose(slope_of(step, "d0"), step.trace["d0"].upstream, rtol=1e-6, atol=1e-9)


def test_a_nested_model_is_one_layer_and_one_of_several_outputs_is_refused():
    inner = jaxgd.mlp([2, 3, 2], activation="tanh")
    model = jaxgd.graph({"x": 2}, {"inner": (inner, "x"), "y": (jaxgd.layers.dense(1), "inner")}, "y")
    subject = make_subject("nested", model, model.init(0), np.ones((3, 2)), np.ones((3, 1)))
    assert all(each.ulps_of_autodiff <= 4 for each in compare(subject))
    assert len(explain_page(subject, 2)) < 200_000
    outputs = {"a": (jaxgd.layers.dense(1), "x"), "b": (jaxgd.layers.dense(1), "x")}
    several = jaxgd.graph({"x": 2}, outputs, ["a", "b"])
    model = jaxgd.graph({"x": 2}, {"two": (several, "x"), "y": (jaxgd.layers.add(), ["two/a", "two/b"])}, "y")
    with pytest.raises(ValueError, match="a, b are outputs of one nested model"):
        make_subject("t", model, model.init(0), np.ones((3, 2)), np.ones((3, 1)))


def test_only_a_model_of_this_package_is_explained():
    with pytest.raises(TypeError, match="expected one of jaxgd's"):
        make_subject("t", lambda x: x, {}, [[1.0]], [[1.0]])


@pytest.mark.parametrize("steps", [0, MAX_STEPS + 1])
def test_too_few_and_too_many_steps_are_refused(subject, steps):
    with pytest.raises(ValueError, match="steps: expected"):
        explain_page(subject, steps)
