"""Parameters drawn by NumPy are those that the compiled program draws, bit for bit."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import initializers, layers, random


def stack(dtype, kernel="glorot_uniform"):
    return jaxgd.sequential(
        [
            layers.normalization(),
            layers.dense(33, "relu", kernel_initializer=kernel),
            layers.batch_normalization(),
            layers.dense(7, kernel_initializer=initializers.random_uniform(-0.3, 0.2)),
            layers.layer_normalization(),
            layers.dense(3, bias_initializer=initializers.constant(0.1)),
        ],
        13,
        dtype=dtype,
    )


def by_program(model, seed):
    sources = tuple(model._init_sources(seed, index) for index in range(len(model.layers)))
    return jax.jit(model.init_from)(sources)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", ["glorot_uniform", initializers.he_uniform(seed=5)])
def test_the_bits_of_a_program_without_one(dtype, kernel, caplog):
    with jax.enable_x64(dtype == "float64"):
        model = stack(dtype, kernel)
        model.init(1)  # seeds have become arrays once
        with jax.log_compiles():
            drawn = model.init(2**31 - 2)
            assert "Compiling" not in caplog.text
            by_program(model, 0)
            assert "Compiling" in caplog.text  # it would have been seen
        expected = by_program(model, 2**31 - 2)
        assert jax.tree.structure(drawn) == jax.tree.structure(expected)
        for ours, theirs in zip(jax.tree.leaves(drawn), jax.tree.leaves(expected), strict=True):
            assert isinstance(ours, jax.Array)
            assert (ours.dtype, ours.weak_type) == (theirs.dtype, theirs.weak_type)
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "kernel",
    [
        "he_normal",
        "orthogonal",
        "identity",
        initializers.constant(jnp.float32(2)),
        lambda *_: jnp.ones((13, 33)),
    ],
)
def test_what_has_other_bits_is_left_to_a_program(kernel):
    model = jaxgd.sequential([layers.dense(33, kernel_initializer=kernel)], 13)
    assert random.drawn_on_host(lambda: model.init_from([{"kernel": random.keras_seed(3)}])) is None
    assert model.init(0)["dense"]["kernel"].shape == (13, 33)


def test_large_arrays_are_left_to_a_program():
    def draw():
        return random.uniform(random.keras_seed(0), (1025, 1024))

    assert random.drawn_on_host(draw) is None


@pytest.mark.parametrize("stack", [[layers.dense(2**31 - 1)], [layers.dense(512)] * 300])
def test_shapes_alone_make_no_large_arrays(stack, monkeypatch):
    made = []
    full = np.full
    monkeypatch.setattr(np, "full", lambda shape, *rest: made.append(math.prod(shape)) or full(shape, *rest))
    model = jaxgd.sequential(stack, 512)
    assert len(jax.eval_shape(model.init)) == len(stack)
    assert sum(made) < 2**20


def test_a_traced_seed_is_left_to_a_program():
    model = jaxgd.mlp([3, 2])
    inside = jax.jit(lambda: model.init(4))()
    np.testing.assert_array_equal(inside["dense"]["kernel"], model.init(4)["dense"]["kernel"])
