"""Backpropagation by hand against `jax.grad`, and both against finite differences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import activations, layers

ROWS, FEATURES, CLASSES = 7, 5, 4
LOSSES = (
    "mean_squared_error",
    "mean_absolute_error",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "huber",
    "log_cosh",
    "poisson",
    "kl_divergence",
)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def data(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, CLASSES)), rng.integers(0, CLASSES, ROWS)


def targets_for(loss, values, labels):
    """Targets that the loss takes."""
    if loss == "sparse_categorical_crossentropy":
        return labels
    if loss == "categorical_crossentropy":
        return np.eye(CLASSES)[labels]
    return (values > 0).astype(float) if loss == "binary_crossentropy" else values


def by_autodiff(model, params, x, y, loss, **batch):
    key = batch.pop("key", None)
    objective = jaxgd.make_objective(model, loss, training=batch.pop("training", False))
    present = {name: value for name, value in batch.items() if value is not None}
    return jax.value_and_grad(lambda p: objective(p, {"x": x, "y": y, **present}, key)[0])(params)


def assert_equal_gradients(trace, loss, grads, tolerance=1e-14):
    assert jax.tree.structure(trace.gradients) == jax.tree.structure(grads)
    np.testing.assert_allclose(trace.loss, loss, rtol=tolerance)
    for got, expected in zip(jax.tree.leaves(trace.gradients), jax.tree.leaves(grads), strict=True):
        scale = max(1.0, float(jnp.abs(expected).max()))
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)
    assert any(bool(jnp.abs(leaf).max() > 0) for leaf in jax.tree.leaves(grads))


def two_layer(hidden, output, dtype="float64"):
    units = 8 if repr(hidden) == "glu" else 4
    return jaxgd.sequential(
        [layers.dense(units, hidden), layers.dense(CLASSES, output)], FEATURES, dtype=dtype
    )


@pytest.mark.parametrize("name", activations.names())
def test_every_activation_with_mean_squared_error(name):
    x, values, _ = data()
    options = {"threshold": {"threshold": 0.1, "default_value": -0.2}}.get(name, {})
    model = two_layer(activations.get(name, **options), None)
    params = model.init(3)
    loss, grads = by_autodiff(model, params, x, values, "mean_squared_error")
    assert_equal_gradients(jaxgd.backprop.trace(model, params, x, values), loss, grads)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", ["sigmoid", "softmax", "softplus"])
def test_losses_behind_outputs_with_and_without_logits(loss, output):
    x, values, labels = data()
    y = targets_for(loss, values, labels)
    if loss in ("poisson", "kl_divergence"):
        y = np.abs(y)
    model = two_layer("tanh", output)
    params = model.init(1)
    expected, grads = by_autodiff(model, params, x, y, loss)
    assert_equal_gradients(jaxgd.backprop.trace(model, params, x, y, loss), expected, grads)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_layer_regularizer_mask_and_weight_at_once(training, masked, weighted):
    model = jaxgd.sequential(
        [
            layers.normalization((0.1,) * FEATURES, (2.0,) * FEATURES),
            layers.dense(
                6, "tanh", kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l1"
            ),
            layers.batch_normalization(),
            layers.gaussian_noise(0.1),
            layers.dropout(0.3),
            layers.layer_normalization(),
            layers.dense(5, "gelu", use_bias=False, kernel_regularizer=jaxgd.regularizers.l1_l2(0.1, 0.2)),
            layers.activation("softplus"),
            layers.rescaling(0.5, offset=0.1),
            layers.flatten(),
            layers.dense(CLASSES, "softmax", activity_regularizer="l2"),
            layers.dropout(0.0),
        ],
        FEATURES,
        dtype="float64",
    )
    x, _, labels = data()
    params, key = model.init(5), model.key(5)
    row_mask = jnp.arange(ROWS) < 5 if masked else None
    weight = jnp.linspace(0.0, 2.0, ROWS) if weighted else None
    settings = {"training": training, "key": key, "row_mask": row_mask, "sample_weight": weight}
    loss, grads = by_autodiff(model, params, x, labels, "sparse_categorical_crossentropy", **settings)
    trace = jaxgd.backprop.trace(model, params, x, labels, "sparse_categorical_crossentropy", **settings)
    assert_equal_gradients(trace, loss, grads, 1e-13 if training else 1e-14)
    assert not np.any(trace.gradients["batch_normalization"]["moving_mean"])


def test_logits_pass_the_saturation_that_probabilities_do_not():
    model = jaxgd.mlp([1, 1], output_activation="sigmoid", dtype="float64")
    params = {"dense": {"kernel": jnp.array([[1.0]]), "bias": jnp.array([0.0])}}
    trace = jaxgd.backprop.trace(model, params, [[60.0]], [[0.0]], "binary_crossentropy")
    assert float(trace.loss) == pytest.approx(60.0, rel=1e-12)
    assert float(trace["dense"].gradients["bias"][0]) == pytest.approx(1.0, rel=1e-12)
    assert trace["dense"].upstream is None


def test_a_small_network_worked_out_by_hand():
    model = jaxgd.mlp([1, 1, 1], activation="relu", dtype="float64")
    params = {
        "dense": {"kernel": jnp.array([[2.0]]), "bias": jnp.array([1.0])},
        "dense_1": {"kernel": jnp.array([[3.0]]), "bias": jnp.array([-1.0])},
    }
    trace = jaxgd.backprop.trace(model, params, [[1.0]], [[4.0]])  # z1 = 3, a1 = 3, z2 = 8, loss = 16
    first, second = trace["dense"], trace["dense_1"]
    assert [float(v.squeeze()) for v in (first.z, first.a, second.z, trace.loss)] == [3.0, 3.0, 8.0, 16.0]
    assert float(second.delta[0, 0]) == 8.0  # 2 (a2 - y)
    assert float(second.gradients["kernel"][0, 0]) == 24.0  # a1 delta2
    assert float(first.delta[0, 0]) == 24.0  # delta2 w2 relu'(z1)
    assert float(first.gradients["kernel"][0, 0]) == 24.0
    assert float(first.downstream[0, 0]) == 48.0


def test_finite_differences_approach_the_gradient_with_the_square_of_the_step():
    x, values, _ = data()
    model = two_layer("tanh", "sigmoid")
    params = model.init(2)
    exact = jaxgd.backprop.trace(model, params, x, values).gradients["dense"]["kernel"][0, 0]

    def loss_at(shift):
        kernel = params["dense"]["kernel"].at[0, 0].add(shift)
        moved = {**params, "dense": {**params["dense"], "kernel": kernel}}
        return float(jaxgd.losses.mean_squared_error(values, model.apply(moved, x)))

    steps = [1e-1, 5e-2, 2.5e-2, 1.25e-2]
    errors = [abs((loss_at(h) - loss_at(-h)) / (2 * h) - float(exact)) for h in steps]
    orders = [np.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]
    assert errors[-1] < errors[0]
    np.testing.assert_allclose(orders, 2.0, atol=0.05)


def test_logits_do_not_pass_a_flatten_that_changes_nothing():
    model = jaxgd.sequential([layers.dense(3, "softmax"), layers.flatten()], FEATURES, dtype="float64")
    x, _, labels = data()
    params = jax.tree.map(lambda leaf: 30 * leaf, model.init(0))
    loss, grads = by_autodiff(model, params, x, labels % 3, "sparse_categorical_crossentropy")
    trace = jaxgd.backprop.trace(model, params, x, labels % 3, "sparse_categorical_crossentropy")
    assert_equal_gradients(trace, loss, grads)
