"""A graph's backward pass by hand equals `jax.grad` of the training objective."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import backprop, layers
from jaxgd.training import make_objective
from jaxgd.training.bundle import Bundle

RELATIVE = 1e-13
"""In float64; both sides add the same products in another order."""

MERGES = {
    "add": layers.add(),
    "subtract": layers.subtract(),
    "multiply": layers.multiply(),
    "average": layers.average(),
    "maximum": layers.maximum(),
    "minimum": layers.minimum(),
    "concatenate": layers.concatenate(),
    "dot": layers.dot(-1),
}


def siamese(merge):
    """Two inputs, a shared layer, a skipping connection, a merge, two outputs."""
    return jaxgd.graph(
        {"left": 3, "right": 3},
        {
            "code": (layers.dense(4, "tanh", kernel_regularizer="l2"), "left"),
            "code_again": ("code", "right"),
            "both": (merge, ["code", "code_again"]),
            "mixed": (layers.dense(4, "relu", activity_regularizer="l1"), "both"),
            "sum": (layers.add(), ["mixed", "code"]),
            "price": (layers.dense(1, "softplus"), "sum"),
            "kind": (layers.dense(3, "softmax"), "both"),
        },
        ["price", "kind"],
        dtype="float64",
    )


def agrees(model, x, y, loss, weights=None):
    params = model.init(0)
    objective = make_objective(model, loss, loss_weights=weights, targets=y)
    batch = {"x": Bundle(x) if isinstance(x, list) else x, "y": y}
    expected = jax.grad(lambda p: objective(p, batch)[0])(params)
    value = objective(params, batch)[0]
    y = list(y.arrays) if isinstance(y, Bundle) else y
    found = backprop.trace(model, params, x, y, loss, loss_weights=weights, training=True)
    assert float(found.loss) == pytest.approx(float(value), rel=RELATIVE)
    assert max(float(abs(leaf).max()) for leaf in jax.tree.leaves(expected)) > 0
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(found.gradients), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=RELATIVE * max(float(abs(one).max()), 1e-3))
    return found


@pytest.fixture
def data(rng):
    x = [jnp.asarray(rng.normal(size=(6, 3))) for _ in range(2)]
    return x, Bundle([jnp.asarray(rng.normal(size=(6, 1))), jnp.asarray(rng.integers(0, 3, 6))])


def rows(rng):
    """Two inputs, and targets of two outputs."""
    x = [jnp.asarray(rng.normal(size=(6, 3))) for _ in range(2)]
    return x, Bundle([jnp.asarray(rng.normal(size=(6, 1))), jnp.asarray(rng.integers(0, 3, 6))])


LOSSES = ["mean_squared_error", "sparse_categorical_crossentropy"]


@pytest.mark.parametrize("merge", MERGES)
def test_every_merge(x64, rng, merge):
    x, y = rows(rng)
    found = agrees(siamese(MERGES[merge]), x, y, LOSSES, [2.0, 0.5])
    assert [each.node for each in found.layers][:3] == ["code", "code_again", "both"]
    assert found["both"].inputs == ("code", "code_again")
    assert found["kind"].upstream is None  # the cross-entropy goes to the logits


def test_an_output_without_a_loss_sends_nothing_back(x64, rng):
    x, y = rows(rng)
    found = agrees(siamese(layers.add()), x, y, ["mean_squared_error", None])
    assert not np.asarray(found.gradients["kind"]["kernel"]).any()


def test_ties_and_broadcast_inputs(x64):
    model = jaxgd.graph(
        {"x": 2},
        {
            "one": (layers.dense(1), "x"),
            "wide": (layers.dense(3), "x"),
            "product": (layers.multiply(), ["one", "wide"]),
            "most": (layers.maximum(), ["product", "product", "wide"]),
            "y": (layers.dense(1), "most"),
        },
        "y",
        dtype="float64",
    )
    agrees(model, jnp.ones((4, 2)), jnp.ones((4, 1)), "mean_squared_error")


def test_models_as_layers_and_dropout_behind_logits(x64, rng):
    encoder = jaxgd.sequential(
        [layers.dense(4, "relu", kernel_regularizer="l2"), layers.batch_normalization(), layers.dense(2)],
        input_size=3,
        dtype="float64",
    )
    model = jaxgd.graph(
        {"x": 3},
        {
            "encoder": (encoder, "x"),
            "again": ("encoder", "x"),
            "both": (layers.concatenate(), ["encoder", "again"]),
            "odds": (layers.dense(1, "sigmoid"), "both"),
            "kept": (layers.dropout(0.0), "odds"),
        },
        "kept",
        dtype="float64",
    )
    y = jnp.asarray(rng.integers(0, 2, (5, 1)), jnp.float64)
    found = agrees(model, jnp.asarray(rng.normal(size=(5, 3))), y, "binary_crossentropy")
    assert found["odds"].upstream is None


@pytest.mark.parametrize("of_keras", [True, False])
def test_a_stack_with_a_model_inside(x64, rng, of_keras):
    inner = [layers.dense(4, "tanh", kernel_regularizer="l2"), layers.dropout(0.3), layers.dense(2, "relu")]
    stack = [jaxgd.sequential(inner, 3, dtype="float64"), layers.dropout(0.2), layers.dense(1, "sigmoid")]
    model = jaxgd.sequential([*stack[:2], layers.batch_normalization(), stack[2]], 3, dtype="float64")
    x, y = rng.normal(size=(5, 3)), np.array([[0.0], [1.0], [1.0], [0.0], [1.0]])
    params, key = model.init(0), model.key(3) if of_keras else jax.random.key(3)
    objective = make_objective(model, "binary_crossentropy")
    (value, _), expected = jax.value_and_grad(objective, has_aux=True)(params, {"x": x, "y": y}, key)
    found = backprop.trace(model, params, x, y, "binary_crossentropy", training=True, key=key)
    assert float(found.loss) == pytest.approx(float(value), rel=RELATIVE)
    assert jax.tree.structure(expected) == jax.tree.structure(found.gradients)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(found.gradients), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=RELATIVE)
    assert [layer.name for layer in found.layers] == list(model.names)


def test_a_planted_error_is_seen(x64, rng, monkeypatch):
    monkeypatch.setattr(layers.Multiply, "slopes", lambda self, x, upstream: [upstream] * len(x))
    x, y = rows(rng)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        agrees(siamese(layers.multiply()), x, y, LOSSES)
