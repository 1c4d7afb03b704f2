"""A small program becomes one kernel of the CPU, computes the same, and falls back where it cannot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import _one_kernel, _programs
from jaxgd.training import make_objective, make_schedule

ROWS = 37
"""No multiple of the batch, so that a batch is masked."""


@pytest.fixture(autouse=True)
def switched_on(monkeypatch):
    monkeypatch.setenv("JAXGD_ONE_KERNEL", "1")


def run(model, **settings):
    source = np.random.default_rng(0)
    x = source.normal(size=(ROWS, model.input_shape[0]))
    y = source.normal(size=(ROWS, 2))
    given = {"optimizer": "adam", "epochs": 5, "batch_size": 8, "validation_split": 0.2}
    return jaxgd.fit(model, x, y, **{**given, **settings})


def texts():
    """The compiled programs of `fit`."""
    kept = _programs._programs.items()
    return [program.as_text() for key, program in kept if key[0].__name__ in ("run_chunk", "_run")]


def is_one_kernel(text):
    """Whether the whole is: XLA makes kernels of tiny loops by itself, without the second attribute."""
    return 'inlineable="false"' in text


NETWORKS = {
    "dense": lambda dtype: jaxgd.mlp([5, 16, 8, 2], dtype=dtype),
    "one output": lambda dtype: jaxgd.mlp([5, 7, 1, 2], "tanh", dtype=dtype),
    "dropout": lambda dtype: jaxgd.mlp([5, 16, 2], "gelu", dropout=0.2, dtype=dtype),
    "batch normalization": lambda dtype: jaxgd.sequential(
        [jaxgd.layers.dense(6), jaxgd.layers.batch_normalization(), jaxgd.layers.dense(2)], 5, dtype=dtype
    ),
}


@pytest.mark.parametrize("make_model", NETWORKS.values(), ids=NETWORKS)
def test_it_computes_what_the_program_of_many_kernels_does(programs, x64, monkeypatch, make_model):
    settings = {"early_stopping": jaxgd.EarlyStopping(patience=50)}
    whole = run(make_model("float64"), **settings)
    assert all(is_one_kernel(text) for text in texts())
    _programs._programs.clear()
    monkeypatch.setattr(_one_kernel, "LARGEST_PRODUCT", 0)
    plain = run(make_model("float64"), **settings)
    assert not any(is_one_kernel(text) for text in texts())
    for one, other in zip(jax.tree.leaves(whole.params), jax.tree.leaves(plain.params), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    for column, values in whole.history.items():
        np.testing.assert_allclose(values, plain.history[column], rtol=1e-11)


def test_train_is_one_kernel_too(programs):
    model = jaxgd.mlp([5, 7, 2])
    step = jaxgd.make_step(make_objective(model, "mean_squared_error"), "sgd")
    state = jaxgd.TrainState.create(params=model.init(0), optimizer="sgd")
    data = {"x": jnp.ones((9, 5)), "y": jnp.ones((9, 2))}
    state, history = jaxgd.train(step, state, data, make_schedule(9, 4, epochs=3))
    assert [is_one_kernel(text) for text in texts()] == [True]
    assert history["loss"][-1] < history["loss"][0]


def test_a_wide_network_keeps_both_cores(programs):
    run(jaxgd.mlp([5, 128, 128, 2]), batch_size=30)
    assert [is_one_kernel(text) for text in texts()] == [False]


def test_what_the_compiler_refuses_is_compiled_as_ever(programs, monkeypatch):
    monkeypatch.setattr(_one_kernel, "OPTIONS", {"xla_no_such_option": True})
    result = run(jaxgd.mlp([5, 9, 2]))
    assert [is_one_kernel(text) for text in texts()] == [False]
    assert result.compilations == 1


def test_another_device_gets_the_plain_program(monkeypatch):
    params = {"dense": {"kernel": np.zeros((5, 10))}}
    assert _one_kernel.is_small(32, params)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not _one_kernel.is_small(32, params)


def loops(body):
    return jax.make_jaxpr(lambda x: jax.lax.fori_loop(0, 3, lambda i, x: body(x), x))(jnp.ones((4, 4)))


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        (lambda x: jnp.tanh(x @ x), True),
        (lambda x: jnp.sort(x), False),
        (lambda x: x.at[jnp.argsort(x[0])].add(1.0), False),
        (lambda x: (x.astype(jnp.bfloat16) * 2).astype(jnp.float32), False),
        (lambda x: x + jnp.ones((300, 300)).sum(), False),
    ],
    ids=["products", "sort", "scatter", "bfloat16", "large"],
)
def test_only_small_and_known_operations_fit(body, fits):
    assert _one_kernel.fits(loops(body)) is fits


def test_without_a_loop_there_is_nothing_to_gain():
    assert not _one_kernel.fits(jax.make_jaxpr(jnp.tanh)(jnp.ones(3)))


def test_it_is_off_unless_asked_for(programs, monkeypatch):
    monkeypatch.delenv("JAXGD_ONE_KERNEL")
    run(jaxgd.mlp([4, 8, 2]))
    assert [is_one_kernel(text) for text in texts()] == [False]
