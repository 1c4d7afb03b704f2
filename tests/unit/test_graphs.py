"""Graphs: what they compute, what they refuse, and that training treats them as it treats a stack."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import layers
from jaxgd.graphs import graph


def two_towers(**options):
    """Two inputs through one shared layer, a nested model of two outputs, two heads."""
    inner = graph({"z": 4}, {"a": (layers.dense(3, "tanh"), "z"), "b": (layers.dense(2), "a")}, ["a", "b"])
    return graph(
        {"left": 3, "right": 3},
        {
            "code": (layers.dense(4, "relu"), "left"),
            "drop": (layers.dropout(0.5), "code"),
            "code_right": ("code", "right"),
            "drop_right": ("drop", "code_right"),
            "sum": (layers.add(), ["drop", "drop_right"]),
            "inner": (inner, "sum"),
            "joined": (layers.concatenate(), ["inner/a", "inner/b", "code"]),
            "price": (layers.dense(1), "joined"),
            "kind": (layers.dense(3, "softmax"), "joined"),
        },
        ["price", "kind"],
        **options,
    )


def rows(rng, count=21):
    x = {name: rng.normal(size=(count, 3)).astype("float32") for name in ("left", "right")}
    y = {"price": rng.normal(size=(count, 1)).astype("float32"), "kind": rng.integers(0, 3, count)}
    return x, y


LOSS = {"price": "mean_squared_error", "kind": "sparse_categorical_crossentropy"}


def test_a_graph_computes_what_its_nodes_say():
    model = graph(
        {"a": 2, "b": 2},
        {"w": (layers.dense(1, use_bias=False), "a"), "v": ("w", "b"), "y": (layers.subtract(), ["w", "v"])},
        "y",
    )
    params = {"w": {"kernel": jnp.array([[2.0], [3.0]])}}
    y = model.apply(params, {"a": jnp.array([[1.0, 1.0]]), "b": jnp.array([[0.0, 1.0]])})
    assert y.tolist() == [[2.0]]


def test_a_shared_layer_gets_the_gradients_of_all_its_uses():
    model = graph(
        {"a": 1, "b": 1}, {"w": (layers.dense(1), "a"), "v": ("w", "b"), "y": (layers.add(), ["w", "v"])}, "y"
    )
    params = model.init(0)
    grads = jax.grad(lambda p: model.apply(p, [jnp.array([[2.0]]), jnp.array([[5.0]])]).sum())(params)
    assert list(params) == ["w"]
    assert grads["w"]["kernel"].tolist() == [[7.0]]
    assert grads["w"]["bias"].tolist() == [2.0]


def test_a_nested_models_parameters_are_its_own():
    encoder = jaxgd.mlp([3, 4, 2], output_activation="relu")
    stack = jaxgd.sequential([layers.nested(encoder, name="encoder"), layers.dense(1)], 3)
    params, x = stack.init(0), jnp.ones((2, 3))
    assert jax.tree.structure(params["encoder"]) == jax.tree.structure(encoder.init(0))
    code = encoder.apply(params["encoder"], x)
    last = params["dense"]
    np.testing.assert_allclose(stack.apply(params, x), code @ last["kernel"] + last["bias"], rtol=1e-6)


def test_a_description_prints_as_the_code_that_makes_it():
    model = two_towers()
    names = {**vars(layers), "graph": graph, "sequential": jaxgd.sequential}
    again = eval(repr(model), names)
    assert again == model
    assert hash(again) == hash(model)


def test_the_summary_says_where_inputs_come_from():
    text = two_towers().summary()
    assert "Connected to" in text
    assert "code; code_right" in text
    assert "inner/a, inner/b, code" in text
    assert "(None, 3), (None, 2)" in text
    assert "Total params: 79" in text


def test_inputs_may_be_a_list_or_a_dict_and_outputs_have_the_form_of_the_description(rng):
    x, _ = rows(rng)
    model = two_towers()
    params = model.init(0)
    by_name, listed = model.apply(params, x), model.apply(params, [x["left"], x["right"]])
    assert isinstance(by_name, list)
    assert all(map(np.array_equal, by_name, listed))
    named = graph({"x": 2}, {"d": (layers.dense(1), "x")}, {"out": "d"})
    assert list(named.apply(named.init(0), jnp.ones((1, 2)))) == ["out"]


def test_jit_and_vmap_change_nothing(rng):
    x, _ = rows(rng)
    model = two_towers()
    params = model.init(0)
    plain = model.apply(params, x)
    for one, other in zip(plain, jax.jit(model.apply)(params, x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    batched = jax.vmap(lambda p: model.apply(p, x))(many)
    np.testing.assert_allclose(batched[0][0], plain[0], rtol=1e-5)


def test_shared_dropout_draws_anew_at_each_use():
    model = graph(
        {"x": 50},
        {"a": (layers.dropout(0.5), "x"), "b": ("a", "x"), "y": (layers.subtract(), ["a", "b"])},
        "y",
    )
    for key in (model.key(0), jax.random.key(0)):
        y, _ = model.forward({}, jnp.ones((4, 50)), training=True, key=key)
        assert float(jnp.abs(y).max()) > 0


def test_a_shared_batch_normalization_moves_its_statistics_at_each_use():
    model = graph(
        {"x": 1, "z": 1},
        {"n": (layers.batch_normalization(0.5), "x"), "m": ("n", "z"), "y": (layers.add(), ["n", "m"])},
        "y",
    )
    x = [jnp.array([[2.0], [4.0]]), jnp.array([[8.0], [8.0]])]
    _, params = model.forward(model.init(0), x, training=True)
    assert params["n"]["moving_mean"].tolist() == [0.5 * (0.5 * 3.0) + 0.5 * 8.0]


def test_the_total_loss_and_the_columns_of_several_outputs(rng):
    x, y = rows(rng)
    model = two_towers()
    params = model.init(1)
    values = jaxgd.evaluate(
        model, params, x, y, loss=LOSS, loss_weights={"price": 0.5, "kind": 2.0},
        metrics={"price": ["mae"], "kind": "accuracy"},
    )  # fmt: skip
    assert set(values) == {"loss", "price_loss", "kind_loss", "price_mae", "kind_accuracy"}
    price, kind = jaxgd.predict(model, params, x)
    squares = float(np.mean((price - y["price"]) ** 2))
    likelihood = float(-np.log(kind[np.arange(len(kind)), y["kind"]]).mean())
    assert values["price_loss"] == pytest.approx(squares, rel=1e-5)
    assert values["loss"] == pytest.approx(0.5 * squares + 2.0 * likelihood, rel=1e-5)


def test_a_short_batch_counts_only_its_rows(rng):
    x, y = rows(rng)
    model = two_towers()
    params = model.init(1)
    weights = {"price": rng.uniform(size=21), "kind": None}
    whole, parts = (
        jaxgd.evaluate(
            model, params, x, y, loss=LOSS, metrics={"kind": ["accuracy"]},
            weighted_metrics={"price": ["mae"]}, sample_weight=weights, batch_size=size,
        )
        for size in (21, 8)
    )  # fmt: skip
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert parts[name] == pytest.approx(value, rel=1e-5), name


def test_fit_learns_and_a_new_rate_does_not_compile_again(rng):
    x, y = rows(rng)
    model = two_towers()
    settings = {"loss": LOSS, "epochs": 3, "batch_size": 8, "validation_split": 0.2}
    first = jaxgd.fit(model, x, y, optimizer=jaxgd.optimizers.adam(0.01), **settings)
    assert first.history["loss"][-1] < first.history["loss"][0]
    assert {"val_loss", "val_price_loss", "val_kind_loss"} <= set(first.history)
    again = jaxgd.fit(model, x, y, optimizer=jaxgd.optimizers.adam(0.02), **settings)
    assert (first.compilations, again.compilations) == (1, 0)


def test_class_weights_are_those_of_an_output(rng):
    x, y = rows(rng)
    model = two_towers()
    settings = {"loss": LOSS, "epochs": 1, "batch_size": 21, "shuffle": False}
    weights = np.where(y["kind"] == 1, 3.0, 1.0)
    by_class = jaxgd.fit(model, x, y, class_weight={"kind": {1: 3.0}}, **settings)
    by_row = jaxgd.fit(model, x, y, sample_weight={"kind": weights}, **settings)
    assert by_class.history["loss"].tolist() == by_row.history["loss"].tolist()


def test_an_output_may_have_no_loss_and_no_target(rng):
    x, y = rows(rng)
    model = two_towers()
    result = jaxgd.fit(model, x, {"price": y["price"]}, loss={"price": "mse"}, epochs=2, batch_size=8)
    assert list(result.history) == ["loss"]
    fixed = model.init(0)["kind"]["kernel"]
    assert np.array_equal(result.params["kind"]["kernel"], fixed)


def test_frozen_models_stay(rng):
    x, _ = rows(rng)
    encoder = jaxgd.sequential([layers.dense(4), layers.batch_normalization()], 3)
    model = jaxgd.sequential([layers.nested(encoder, trainable=False), layers.dense(1)], 3)
    result = jaxgd.fit(model, x["left"], np.zeros((21, 1)), epochs=2, params=model.init(0))
    before = model.init(0)["sequential"]
    assert all(map(np.array_equal, jax.tree.leaves(result.params["sequential"]), jax.tree.leaves(before)))


def test_adapt_reaches_into_models(rng):
    x = rng.normal(3.0, 2.0, size=(50, 2)).astype("float32")
    inner = jaxgd.sequential([layers.normalization()], 2)
    model = graph({"x": 2}, {"inner": (inner, "x"), "y": (layers.dense(1), "inner")}, "y")
    params = model.adapt(model.init(0), x)
    np.testing.assert_allclose(params["inner"]["normalization"]["mean"], x.mean(axis=0), rtol=1e-5)


def test_a_divergence_names_the_layer(rng):
    x, y = rows(rng)
    result = jaxgd.fit(two_towers(), x, y, loss=LOSS, optimizer=jaxgd.optimizers.sgd(1e9), epochs=3)
    assert result.divergence is not None
    assert result.divergence.layer in (*two_towers().names, "loss")


WRONG_GRAPHS = {
    "a name that is not there": ({"x": 2}, {"d": (layers.dense(1), "y")}, "d", "unknown input of nodes"),
    "a later node": (
        {"x": 2},
        {"a": (layers.dense(1), "b"), "b": (layers.dense(1), "x")},
        "a",
        "unknown input",
    ),
    "a node that leads nowhere": (
        {"x": 2},
        {"a": (layers.dense(1), "x"), "b": (layers.dense(1), "x")},
        "a",
        "'b' leads to no output",
    ),
    "shapes that do not merge": (
        {"x": 2, "z": 3},
        {"a": (layers.add(), ["x", "z"])},
        "a",
        r"nodes\['a'\]: add: expected inputs of one shape",
    ),
    "a list for a layer of one input": (
        {"x": 2, "z": 2},
        {"a": (layers.dense(1), ["x", "z"])},
        "a",
        "merge them",
    ),
    "an input as an output": ({"x": 2}, {"a": (layers.dense(1), "x")}, ["a", "x"], "cannot be an output"),
    "a name twice": ({"x": 2}, {"x": (layers.dense(1), "x")}, "x", "every name stands for one thing"),
    "a shared layer on another shape": (
        {"x": 2, "z": 3},
        {"a": (layers.dense(1), "x"), "b": ("a", "z"), "y": (layers.add(), ["a", "b"])},
        "y",
        "one set of parameters",
    ),
    "an axis of the batch": (
        {"x": 2},
        {"a": (layers.concatenate(), ["x", "x"])},
        "b",
        "unknown input of outputs",
    ),
    "three inputs to subtract": ({"x": 2}, {"a": (layers.subtract(), ["x"] * 3)}, "a", "2 inputs"),
    "not a layer": ({"x": 2}, {"a": (7, "x")}, "a", "expected a model"),
}


@pytest.mark.parametrize("case", WRONG_GRAPHS)
def test_a_graph_that_does_not_fit_is_refused(case):
    inputs, nodes, outputs, message = WRONG_GRAPHS[case]
    with pytest.raises((ValueError, TypeError), match=message):
        graph(inputs, nodes, outputs)


def test_data_that_does_not_fit_is_refused(rng):
    x, y = rows(rng)
    model = two_towers()
    for wrong_x, message in (
        ({"left": x["left"]}, r"expected the inputs \['left', 'right'\]"),
        (x["left"], "got one array"),
        ([x["left"], x["right"][:5]], r"x\['right'\]: 5"),
        ({**x, "right": x["right"][:, :2]}, r"x\['right'\]: expected shape \[rows, 3\]"),
    ):
        with pytest.raises(ValueError, match=message):
            jaxgd.fit(model, wrong_x, y, loss=LOSS)
    for settings, message in (
        ({"loss": {"cost": "mse"}}, "unknown output in loss 'cost'"),
        ({"loss": ["mse"]}, "expected a dict by their names or a list of 2"),
        ({"loss": {"price": None}}, "expected one for at least one of the outputs"),
        ({"loss": LOSS, "metrics": ["mae"]}, "metrics: the model has the outputs"),
        ({"loss": LOSS, "loss_weights": {"price": float("nan")}}, "loss_weights"),
    ):
        with pytest.raises(ValueError, match=message):
            jaxgd.fit(model, x, y, **settings)
    with pytest.raises(ValueError, match=r"output 'price': y_true: expected an equal shape"):
        jaxgd.fit(model, x, {**y, "price": np.zeros((21, 2))}, loss=LOSS)
    with pytest.raises(ValueError, match=r"y\['kind'\]: expected targets"):
        jaxgd.fit(model, x, {"price": y["price"]}, loss=LOSS)


def test_a_stack_refuses_layers_of_several_inputs():
    with pytest.raises(ValueError, match=r"use jaxgd\.graph"):
        jaxgd.sequential([layers.add()], 2)


def test_a_nested_model_of_another_dtype_is_refused():
    with pytest.raises(ValueError, match="give both the same"):
        jaxgd.sequential([jaxgd.mlp([2, 1], dtype="mixed_bfloat16"), layers.dense(1)], 2)


def test_batches_of_an_evaluation_are_of_rows_not_of_inputs(rng):
    model = graph({"a": 3, "b": 3}, {"sum": (layers.add(), ["a", "b"]), "y": (layers.dense(1), "sum")}, "y")
    sizes = []

    def loss(y_true, y_pred):
        sizes.append(y_pred.shape[0])
        return jnp.square(y_true - y_pred).mean(axis=-1)

    x = {name: rng.normal(size=(21, 3)).astype("float32") for name in "ab"}
    jaxgd.evaluate(model, model.init(0), x, np.zeros((21, 1), "float32"), loss=loss, batch_size=8)
    assert max(sizes) == 8
