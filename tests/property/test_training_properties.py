"""What must hold for any data: padding is nothing, weights are repeats, a compiled run is its steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jaxgd
from jaxgd.training import EarlyStopping

SLOWLY = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
MODEL = jaxgd.sequential(
    [
        jaxgd.layers.dense(4, "tanh", activity_regularizer="l2", kernel_regularizer="l2"),
        jaxgd.layers.batch_normalization(),
        jaxgd.layers.dense(3, "softmax"),
    ],
    2,
)
PLAIN = jaxgd.mlp([2, 4, 3], "tanh", "softmax")
SIZE = 8


def make_batch(seed):
    rng = np.random.default_rng(seed)
    return {
        "x": jnp.asarray(rng.standard_normal((SIZE, 2)), jnp.float32),
        "y": jnp.asarray(rng.integers(0, 3, SIZE), jnp.int32),
        "sample_weight": jnp.asarray(rng.uniform(0, 2, SIZE), jnp.float32),
    }


def gradients(model, batch):
    objective = jaxgd.make_objective(model, "sparse_categorical_crossentropy", metrics=["accuracy"])
    (loss, aux), grads = jax.value_and_grad(objective, has_aux=True)(model.init(0), batch)
    return loss, grads, dict(aux.statistics), aux.record


def close(one, other, bound=3e-6):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


@SLOWLY
@given(seed=st.integers(0, 10**6), kept=st.integers(1, SIZE), junk=st.floats(-1e6, 1e6))
def test_a_masked_tail_is_no_tail(seed, kept, junk):
    """Whatever the masked rows hold: loss, gradients, batch statistics and metrics are those of the rest."""
    batch = make_batch(seed)
    rows = jnp.arange(SIZE) < kept
    masked = {**batch, "x": jnp.where(rows[:, None], batch["x"], junk), "row_mask": rows}
    close(gradients(MODEL, masked), gradients(MODEL, {name: value[:kept] for name, value in batch.items()}))


@SLOWLY
@given(seed=st.integers(0, 10**6), repeats=st.lists(st.integers(0, 3), min_size=SIZE, max_size=SIZE))
def test_a_weight_is_a_number_of_repeats(seed, repeats):
    """Up to the divisor, which in Keras is the number of rows and not the sum of weights."""
    total = sum(repeats)
    if total == 0:
        return
    batch = make_batch(seed)
    del batch["sample_weight"]
    weighted = {**batch, "sample_weight": jnp.asarray(repeats, jnp.float32)}
    repeated = {name: jnp.repeat(value, np.asarray(repeats), axis=0) for name, value in batch.items()}
    (loss, grads, *_), (other_loss, other_grads, *_) = gradients(PLAIN, weighted), gradients(PLAIN, repeated)
    close((loss, grads), jax.tree.map(lambda leaf: leaf * total / SIZE, (other_loss, other_grads)), 1e-5)


@SLOWLY
@given(seed=st.integers(0, 10**6), order=st.permutations(range(SIZE)))
def test_the_order_within_a_batch_does_not_matter(seed, order):
    batch = make_batch(seed)
    close(gradients(MODEL, batch), gradients(MODEL, {k: v[jnp.asarray(order)] for k, v in batch.items()}))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_a_compiled_run_is_its_steps(optimizer, rng):
    x = jnp.asarray(rng.standard_normal((11, 2)), jnp.float32)
    data = {"x": x, "y": jnp.asarray(rng.integers(0, 3, 11), jnp.int32)}
    step = jaxgd.make_step(jaxgd.make_objective(MODEL, "sparse_categorical_crossentropy"), optimizer)
    schedule = jaxgd.make_schedule(11, 4, epochs=5, seed=2)

    def start():
        return jaxgd.TrainState.create(
            params=MODEL.init(0), optimizer=optimizer, trainable=MODEL.trainable(MODEL.init(0))
        )

    state, history = jaxgd.train(step, start(), data, schedule)
    alone, losses = start(), []
    for rows in schedule:
        batch = {name: value[np.maximum(rows, 0)] for name, value in data.items()}
        alone, loss, _ = step(alone, {**batch, "row_mask": rows >= 0})
        losses.append(loss)
    close(history["loss"], jnp.stack(losses), 1e-5)
    close(state.params, alone.params, 1e-5)
    assert int(state.step) == int(alone.step) == len(schedule)


@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_chunks_change_nothing(shuffle, stops, rng):
    """Bit for bit: a run in many chunks, its history and where it stops."""
    x, y = rng.standard_normal((21, 2)), rng.integers(0, 3, 21)
    model = jaxgd.sequential([*MODEL.layers[:2], jaxgd.layers.dropout(0.2), MODEL.layers[2]], 2)
    stopping = (
        EarlyStopping("val_loss", patience=3, start_from_epoch=6, restore_best_weights=True)
        if stops
        else None
    )
    options = {
        "loss": "sparse_categorical_crossentropy",
        "optimizer": jaxgd.optimizers.adam(0.05),
        "epochs": 40,
    }
    options |= {"batch_size": 4, "validation_split": 0.25, "early_stopping": stopping, "shuffle": shuffle}
    chunks = []
    whole = jaxgd.fit(model, x, y, **options)
    parts = jaxgd.fit(model, x, y, progress=chunks.append, **options)
    assert len(chunks) > 1
    assert whole.stopped_early == parts.stopped_early == stops
    for one, other in zip(
        jax.tree.leaves((whole.params, dict(whole.history), whole.state.opt_state)),
        jax.tree.leaves((parts.params, dict(parts.history), parts.state.opt_state)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_progress_function_may_end_the_run(rng):
    x, y = rng.standard_normal((21, 2)), rng.integers(0, 3, 21)
    options = {"loss": "sparse_categorical_crossentropy", "batch_size": 4, "epochs": 1000}
    result = jaxgd.fit(PLAIN, x, y, progress=lambda report: False, **options)
    assert result.interrupted
    assert int(result.state.step) == 16
    assert result.history.epochs == 2
