"""New parameters that NumPy draws, beside those of the program that they stand for."""

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd import initializers, layers, model_base

UNIFORM = (
    "glorot_uniform",
    "he_uniform",
    "lecun_uniform",
    "random_uniform",
    initializers.random_uniform(0.1, 0.7),
    initializers.get("variance_scaling", distribution="uniform", scale=3.0),
)


def by_program(model: jaxgd.Sequential, seed: int) -> dict:
    """What the compiled initialisation gives."""
    sources = tuple(model._init_sources(seed, index) for index in range(len(model.layers)))
    leaves, structure = jax.tree.flatten(model)
    return model_base._init(structure, leaves, sources)


@pytest.mark.parametrize("initializer", UNIFORM, ids=str)
@pytest.mark.parametrize("seed", [0, 2**31 + 5])
def test_equal_bit_for_bit(initializer, seed):
    stack = [layers.dense(7, kernel_initializer=initializer, bias_initializer=initializer)]
    stack += [layers.dropout(0.1), layers.dense(3, bias_initializer="ones"), layers.dense(1, use_bias=False)]
    model = jaxgd.sequential(stack, 13)
    assert model._init_on_host(seed) is not None
    jax.tree.map(np.testing.assert_array_equal, model.init(seed), by_program(model, seed))


@pytest.mark.parametrize(
    "layer",
    [
        layers.dense(3, kernel_initializer="he_normal"),
        layers.dense(3, kernel_initializer=initializers.glorot_uniform(seed=4)),
        layers.dense(3, kernel_initializer=lambda source, shape, dtype: jax.numpy.ones(shape, dtype)),
        layers.dense(1025),
        layers.batch_normalization(),
    ],
    ids=str,
)
def test_what_numpy_does_not_draw_takes_the_program(layer):
    model = jaxgd.sequential([layer, layers.dense(2)], 1024)
    assert model._init_on_host(1) is None
    jax.tree.map(np.testing.assert_array_equal, model.init(1), by_program(model, 1))


def test_many_layers_are_not_drawn_to_learn_their_shapes():
    model = jaxgd.sequential([layers.dense(512) for _ in range(300)], 512)
    assert model._init_on_host(0) is None
    assert len(jax.eval_shape(model.init)) == 300


def test_no_program_is_compiled():
    model = jaxgd.mlp([11, 5, 3])
    heard = []

    def listen(name: str, seconds: float, **facts: object) -> None:
        heard.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        model.init(3)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert not [name for name in heard if "compile" in name]


def test_other_dtypes_take_the_program():
    with jax.enable_x64(True):
        assert jaxgd.mlp([3, 2], dtype="float64")._init_on_host(0) is None
