"""Models: names, shapes, parameters, statistics, constraints, what survives to the logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import layers


def test_names_shapes_and_parameters():
    model = jaxgd.sequential(
        [layers.dense(4), layers.batch_normalization(), layers.dense(3, name="own"), layers.dense(2)], 5
    )
    assert model.names == ("dense", "batch_normalization", "own", "dense_1")
    assert model.shapes == ((5,), (4,), (4,), (3,), (2,))
    params = model.init(0)
    assert {name: {k: v.shape for k, v in leaves.items()} for name, leaves in params.items()} == {
        "dense": {"kernel": (5, 4), "bias": (4,)},
        "batch_normalization": {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_variance": (4,)},
        "own": {"kernel": (4, 3), "bias": (3,)},
        "dense_1": {"kernel": (3, 2), "bias": (2,)},
    }


def test_trainable_leaves_out_statistics_and_frozen_layers():
    model = jaxgd.sequential([layers.dense(2, trainable=False), layers.batch_normalization()], 3)
    assert model.trainable(model.init(0)) == {
        "dense": {"kernel": False, "bias": False},
        "batch_normalization": {"gamma": True, "beta": True, "moving_mean": False, "moving_variance": False},
    }


def test_forward_changes_no_argument():
    model = jaxgd.sequential([layers.batch_normalization()], 2)
    params = model.init(0)
    _, moved = model.forward(params, jnp.array([[1.0, 2.0], [3.0, 4.0]]), training=True)
    assert float(params["batch_normalization"]["moving_mean"][0]) == 0.0
    np.testing.assert_allclose(moved["batch_normalization"]["moving_mean"], [0.02, 0.03], rtol=1e-5)


@pytest.mark.parametrize(
    ("after", "training", "survive"),
    [
        (None, True, True),
        (layers.dropout(0.5), False, True),
        (layers.dropout(0.5), True, False),
        (layers.dropout(0.0), True, True),
        (layers.gaussian_noise(0.5), False, True),
        (layers.activation("linear"), True, True),
        (layers.flatten(), True, False),
        (layers.rescaling(1.0), True, False),
        (layers.batch_normalization(), False, False),
    ],
)
def test_logits_survive_only_identities(after, training, survive):
    stack = [layers.dense(1, "sigmoid"), *([] if after is None else [after])]
    model = jaxgd.sequential(stack, 2)
    result = model.run(model.init(0), jnp.ones((3, 2)), training=training, key=jax.random.key(0))
    assert (result.logits is not None) == survive


def test_penalty_and_constraints():
    layer = layers.dense(
        1, kernel_regularizer=jaxgd.regularizers.get("l2", l2=0.5), kernel_constraint="non_neg"
    )
    model = jaxgd.sequential([layer], 2)
    params = {"dense": {"kernel": jnp.array([[2.0], [-1.0]]), "bias": jnp.array([-3.0])}}
    assert float(model.penalty(params)) == 2.5
    constrained = model.constrain(params)["dense"]
    np.testing.assert_array_equal(constrained["kernel"], [[2.0], [0.0]])
    np.testing.assert_array_equal(constrained["bias"], [-3.0])
    assert model.has_constraints


def test_activity_is_divided_by_the_rows_that_count():
    model = jaxgd.sequential([layers.dense(1, activity_regularizer=jaxgd.regularizers.get("l1", l1=1.0))], 1)
    params = {"dense": {"kernel": jnp.array([[1.0]]), "bias": jnp.array([0.0])}}
    x = jnp.array([[1.0], [3.0], [100.0]])
    assert float(model.run(params, x[:2]).activity) == 2.0
    assert float(model.run(params, x, row_mask=jnp.array([True, True, False])).activity) == 2.0


def test_init_from_a_key_differs_by_layer_and_by_key():
    model = jaxgd.mlp([3, 3, 3, 3])
    kernels = [model.init(jax.random.key(seed))[name]["kernel"] for seed in (0, 1) for name in model.names]
    assert len({np.asarray(kernel).tobytes() for kernel in kernels}) == 6
