"""What decides the bits is part of the model: every matrix product of a program says its precision."""

import re
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import stages
from sklearn.datasets import load_digits

import jaxgd
from jaxgd.checkpoints import tree_digest
from jaxgd.training.objective import make_objective

FEATURES, OUTPUTS, ROWS = 192, 128, 256
"""Large enough for real matrix products; small ones are sums of products, which have no precision to lose."""
X = jnp.asarray(np.random.default_rng(0).normal(size=(ROWS, FEATURES)), jnp.float32)
Y = jnp.asarray(np.random.default_rng(1).integers(0, OUTPUTS, ROWS), jnp.int32)
PRECISION = Path(__file__).parents[2] / "scripts" / "reliability" / "precision.py"
PRECISE = re.compile(r"precision = \[(\w+), (\w+)\]")


def network(regularizer="orthogonal_regularizer", **options):
    layers = [
        jaxgd.layers.normalization(),
        jaxgd.layers.dense(160, "gelu", kernel_regularizer=regularizer),
        jaxgd.layers.batch_normalization(),
        jaxgd.layers.dropout(0.1),
        jaxgd.layers.layer_normalization(),
        jaxgd.layers.dense(OUTPUTS, "softmax"),
    ]
    return jaxgd.sequential(layers, FEATURES, **options)


def products(model, optimizer):
    """The lines of a lowered training step, and of inference, that are matrix products."""
    objective = make_objective(model, "sparse_categorical_crossentropy", metrics=["accuracy"])
    step = jaxgd.make_step(objective, optimizer)
    params = model.init(0)
    state = jaxgd.TrainState.create(
        params=params, optimizer=optimizer, key=model.key(0), trainable=model.trainable(params)
    )
    texts = [
        jax.jit(step).lower(state, {"x": X, "y": Y}).as_text(),
        jax.jit(model.apply).lower(params, X).as_text(),
    ]
    return [line for text in texts for line in text.splitlines() if "stablehlo.dot" in line]


@pytest.mark.parametrize("optimizer", ["adam", "muon", "adafactor", "lamb"])
def test_every_product_says_its_precision(optimizer):
    found = products(network(), optimizer)
    assert len(found) >= 6, "two layers: forward, two gradients less one, and inference"
    for line in found:
        match = PRECISE.search(line)
        assert match is not None, line
        assert match.groups() == ("HIGHEST", "HIGHEST"), line


@pytest.mark.parametrize(("precision", "word"), [("default", "DEFAULT"), ("high", "HIGH")])
def test_another_precision_is_asked_for_by_the_model(precision, word):
    found = products(network(None, precision=precision), "adam")  # a regularizer's own is always the highest
    assert {PRECISE.search(line).groups() for line in found} == {(word, word)}


def test_a_global_setting_does_not_reach_a_model_that_says_its_own():
    with jax.default_matmul_precision("bfloat16"):
        found = products(network(), "adam")
    assert {PRECISE.search(line).groups() for line in found} == {("HIGHEST", "HIGHEST")}


def joined(precision="highest"):
    """A graph with a shared layer, a dot product of two branches and a model as a layer."""
    dense = jaxgd.layers.dense
    nodes = {"wide": (dense(192, "tanh"), "x"), "again": ("wide", "wide")}
    nodes |= {
        "inner": (jaxgd.mlp([192, 160, 192], precision=precision), "again"),
        "dot": (jaxgd.layers.dot(1), ["inner", "again"]),
    }
    nodes |= {"joined": (jaxgd.layers.concatenate(), ["dot", "inner"])}
    nodes["out"] = (dense(OUTPUTS, "softmax"), "joined")
    return jaxgd.graph({"x": FEATURES}, nodes, "out", precision=precision)


@pytest.mark.parametrize(("precision", "word"), [("highest", "HIGHEST"), ("default", "DEFAULT")])
def test_every_product_of_a_graph_says_its_precision(precision, word):
    with jax.default_matmul_precision("tensorfloat32"):
        found = products(joined(precision), "adam")
    assert len(found) >= 15, "five products: forward, their gradients, and inference"
    assert {PRECISE.search(line).groups() for line in found} == {(word, word)}


@pytest.mark.parametrize("plan", ["sequential", ("map", 2), ("vmap", 2)])
def test_every_product_of_a_sweeps_program_says_its_precision(plan, monkeypatch):
    """The programs of `fit` and of both forms of a sweep, as they are lowered."""
    texts = []
    lower = stages.Traced.lower

    def recorded(traced, **options):
        lowered = lower(traced, **options)
        texts.append(lowered.as_text())
        return lowered

    monkeypatch.setattr(stages.Traced, "lower", recorded)
    model = jaxgd.mlp([FEATURES, 160, OUTPUTS], output_activation="softmax")
    options = {"loss": "sparse_categorical_crossentropy", "optimizer": "adam", "epochs": 1, "pad": False}
    with jax.default_matmul_precision("bfloat16"):
        jaxgd.sweep(model, X, Y, seeds=2, batch_size=128, plan=plan, lanes=1, **options)
    found = [line for text in texts for line in text.splitlines() if "stablehlo.dot" in line]
    assert len(found) >= 5
    assert {PRECISE.search(line).groups() for line in found} == {("HIGHEST", "HIGHEST")}


def test_the_same_run_twice_gives_the_same_bits():
    x, y = load_digits(return_X_y=True)
    options = {"loss": "sparse_categorical_crossentropy", "optimizer": "adam", "epochs": 2}
    model = jaxgd.mlp([64, 16, 10], output_activation="softmax", dropout=0.2)
    one, other = (jaxgd.fit(model, x / 16, y, **options) for _ in range(2))
    assert tree_digest((one.state, dict(one.history))) == tree_digest((other.state, dict(other.history)))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_digits_as_well_as_float32(dtype):
    """Of 597 held-out rows; float16 with a dynamic scale of the loss."""
    accuracy = runpy.run_path(str(PRECISION))["accuracy"]
    exact = accuracy("float32", 0)
    assert exact > 95
    assert abs(accuracy(dtype, 0) - exact) <= 0.5
