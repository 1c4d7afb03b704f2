"""Padding is exact: a network inside a larger one computes what it computes alone, and nothing leaks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import layers, optimizers
from jaxgd.sweeps import sweep
from jaxgd.sweeps.axes import changed_model
from jaxgd.sweeps.family import families
from jaxgd.sweeps.merging import merged
from jaxgd.sweeps.padding import ACTIVATIONS, OPTIMIZERS, PaddedFamily
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.objective import make_objective

FACTORIES = {
    "SGD": optimizers.sgd(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": optimizers.adam(0.01, amsgrad=True),
    "AdamW": optimizers.adamw(0.01, weight_decay=0.1),
    "Adamax": optimizers.adamax(0.01),
    "Nadam": optimizers.nadam(0.01),
    "RMSprop": optimizers.rmsprop(0.01, centered=True, momentum=0.5),
    "Adagrad": optimizers.adagrad(0.1),
    "Adadelta": optimizers.adadelta(1.0),
    "Lion": optimizers.lion(0.01),
}


def trial(model, optimizer="adam", epochs=1):
    data = {"x": np.zeros((6, 3), np.float32), "y": np.zeros(6, np.int32)}
    objective = make_objective(model, "sparse_categorical_crossentropy", targets=data["y"])
    return Trial({}, objective, optimizers.get(optimizer), epochs, 4, True, 0, None, Fold(None, data, None))


def network(*hidden, activation="tanh", **more):
    return jaxgd.mlp([3, *hidden, 2], activation, "softmax", **more)


def test_every_optimizer_that_may_be_padded_is_tried():
    assert set(FACTORIES) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", FACTORIES)
def test_an_optimizer_does_not_notice_zeros(name, rng, x64):
    """Entries without weight and gradient stay zero, and the others move as if they were alone."""
    optimizer = FACTORIES[name]
    small = {"dense": {"kernel": jnp.asarray(rng.normal(size=(3, 2)))}}
    large = jax.tree.map(lambda leaf: jnp.pad(leaf, ((0, 2), (0, 1))), small)
    of_small, of_large = optimizer.init(small), optimizer.init(large)
    for _ in range(3):
        grads = {"dense": {"kernel": jnp.asarray(rng.normal(size=(3, 2)))}}
        padded = jax.tree.map(lambda leaf: jnp.pad(leaf, ((0, 2), (0, 1))), grads)
        small, of_small = optimizer.rule.apply(grads, of_small, small)
        large, of_large = optimizer.rule.apply(padded, of_large, large)
    kernel = np.asarray(large["dense"]["kernel"])
    np.testing.assert_array_equal(kernel[:3, :2], small["dense"]["kernel"])
    assert not kernel[3:].any()
    assert not kernel[:, 2:].any()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_outputs_and_gradients_are_those_of_the_network_alone(activation, rng, x64):
    models = [network(*h, activation=activation, dtype="float64") for h in [(2, 3), (5,), (4, 4, 4)]]
    trials = [trial(model) for model in models]
    family = PaddedFamily(dict(enumerate(trials)))
    each = trials[0]
    x, y = jnp.asarray(rng.normal(size=(7, 3))), jnp.asarray(rng.integers(0, 2, 7))

    def loss_of(model):
        return lambda p: jaxgd.losses.sparse_categorical_crossentropy(y, model.apply(p, x))

    own, padded = each.model.init(0), family.initial(each)
    grads, in_padded = jax.grad(loss_of(each.model))(own), jax.grad(loss_of(family.model_of(each)))(padded)
    own_size = sum(leaf.size for leaf in jax.tree.leaves(grads))
    assert sum(np.count_nonzero(leaf) for leaf in jax.tree.leaves(in_padded)) <= own_size
    back = family.params_of(each, in_padded)
    assert jax.tree.structure(back) == jax.tree.structure(grads)
    for ours, theirs in zip(jax.tree.leaves(back), jax.tree.leaves(grads), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_a_padded_member_is_its_unpadded_run(rng, x64):
    """A whole run in double precision with widths and depths that differ, so that layers pass on too."""
    x, y = rng.normal(size=(30, 3)), rng.integers(0, 2, 30)
    base = jaxgd.sequential(
        [layers.dense(4, "sigmoid", kernel_regularizer="l2"), layers.dense(2, "softmax")], 3, dtype="float64"
    )
    common = {
        "loss": "sparse_categorical_crossentropy",
        "optimizer": "adam",
        "epochs": 4,
        "batch_size": 8,
        "validation_split": 0.2,
    }
    table = sweep(base, x, y, grid={"hidden": [(6, 6), (5,), (2, 3, 4)]}, plan="map", **common)
    assert table.compilations == 1
    for member in table:
        alone = jaxgd.fit(changed_model(base, member.settings), x, y, **common)
        np.testing.assert_allclose(member.history["val_loss"], alone.history["val_loss"], rtol=1e-12)
        for ours, theirs in zip(jax.tree.leaves(member.params), jax.tree.leaves(alone.params), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        ({}, "adafactor"),
        ({}, "muon"),
        ({}, optimizers.adamw(exclude_from_weight_decay=["bias"])),
        ({"dropout": 0.5}, "adam"),
        ({"activation": "softmax"}, "adam"),
        ({"activation": "sparsemax"}, "adam"),
    ],
)
def test_what_padding_would_change_is_not_padded(model, optimizer):
    apart = families([trial(network(*hidden, **model), optimizer) for hidden in [(7,), (3,)]])
    assert len(merged(apart, 1)) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"activity_regularizer": "l2"},
        {"kernel_constraint": "non_neg"},
        {"kernel_regularizer": "orthogonal_regularizer"},
        {"trainable": False},
        {"name": "mine"},
    ],
)
def test_layers_that_would_notice_are_not_padded(options):
    stacks = [[layers.dense(h, "relu", **options), layers.dense(2, "softmax")] for h in (7, 3)]
    apart = families([trial(jaxgd.sequential(stack, 3)) for stack in stacks])
    assert len(merged(apart, 1)) == 2


def test_networks_share_a_program_only_where_that_is_forecast_to_pay():
    alike = families([trial(network(hidden)) for hidden in (7, 3)])
    assert len(merged(alike, 1)) == 1
    far = families([trial(network(hidden), epochs=1000) for hidden in (4000, 3)] * 200)
    assert len(merged(far, 1)) == 2
