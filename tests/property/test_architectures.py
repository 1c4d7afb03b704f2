"""What must hold for any stack or graph of layers, any loss and any data within the bounds stated here.

Each example compiles programs of its own: a few are enough in passing. JAXGD_EXAMPLES=50 looks at more.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jaxgd
from jaxgd import layers

FEATURES, OUTPUTS, ROWS = 3, 2, 7
SLOWLY = settings(
    max_examples=int(os.environ.get("JAXGD_EXAMPLES", "2")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "binary_crossentropy")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "selu", "softplus", "linear", "leaky_relu")
seeds = st.integers(0, 2**31 - 1)


def layers_of(draw, batches, dropout, penalties):
    """A dense layer and, perhaps, one behind it that looks at the whole row, at the whole batch, or draws."""
    between = [None, layers.layer_normalization()]
    between += [layers.dropout(0.3)] if dropout else []
    between += [layers.batch_normalization()] if batches else []
    regularizer = draw(st.sampled_from([None, "l2"])) if penalties else None
    activation = draw(st.sampled_from(ACTIVATIONS))
    dense = layers.dense(draw(st.integers(1, 8)), activation, kernel_regularizer=regularizer)
    return dense, draw(st.sampled_from(between))


@st.composite
def stacks(draw, batches=True, dropout=True, penalties=True):
    """One to four layers of up to eight units."""
    pairs = [layers_of(draw, batches, dropout, penalties) for _ in range(draw(st.integers(0, 3)))]
    kept = [layer for pair in pairs for layer in pair if layer is not None]
    return jaxgd.sequential([*kept, layers.dense(OUTPUTS, "sigmoid")], FEATURES)


@st.composite
def graphs(draw, batches=True, dropout=True, penalties=True):
    """A layer, its output and what a second one makes of it merged, one of the layers used twice."""
    first, between = layers_of(draw, batches, dropout, penalties)
    merge = draw(st.sampled_from([layers.add(), layers.multiply(), layers.maximum(), layers.concatenate()]))
    nodes = {"first": (first, "x"), "square": (layers.dense(first.units, "tanh"), "first")}
    nodes |= {"again": ("square", "square"), "merged": (merge, ["first", "again"])}
    nodes |= {} if between is None else {"between": (between, "merged")}
    nodes["out"] = (layers.dense(OUTPUTS, "sigmoid"), list(nodes)[-1])
    return jaxgd.graph({"x": FEATURES}, nodes, "out")


def networks(kind, **options):
    return {"stack": stacks, "graph": graphs}[kind](**options)


of_any_kind = pytest.mark.parametrize("kind", ["stack", "graph"])


def batch_of(seed, rows=ROWS):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-3, 3)
    return {
        "x": jnp.asarray(scale * rng.standard_normal((rows, FEATURES)), jnp.float32),
        "y": jnp.asarray(rng.uniform(size=(rows, OUTPUTS)), jnp.float32),
    }


def gradients(model, loss, batch, training=True, key=None):
    objective = jaxgd.make_objective(model, loss, training=training)
    (value, _), grads = jax.jit(jax.value_and_grad(objective, has_aux=True))(model.init(1), batch, key)
    return value, grads


def close(one, other, bound=2e-5):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        size = max(1.0, float(jnp.abs(jnp.asarray(b)).max()))
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound * size)


@of_any_kind
@SLOWLY
@given(data=st.data(), loss=st.sampled_from(LOSSES), seed=seeds)
def test_compiled_is_eager(data, kind, loss, seed):
    model = data.draw(networks(kind))
    key = model.key(seed % 1000)
    batch = batch_of(seed)

    def both(params, batch):
        objective = jaxgd.make_objective(model, loss)
        return jax.value_and_grad(lambda params: objective(params, batch, key)[0])(params)

    close(jax.jit(both)(model.init(1), batch), both(model.init(1), batch))


@of_any_kind
@SLOWLY
@given(data=st.data(), loss=st.sampled_from(LOSSES), seed=seeds, kept=st.integers(1, ROWS))
def test_a_masked_tail_is_no_tail(data, kind, loss, seed, kept):
    model = data.draw(networks(kind, dropout=False))
    batch = batch_of(seed)
    masked = {**batch, "row_mask": jnp.arange(ROWS) < kept}
    exact = {name: value[:kept] for name, value in batch.items()}
    close(gradients(model, loss, masked), gradients(model, loss, exact))


@of_any_kind
@SLOWLY
@given(data=st.data(), loss=st.sampled_from(LOSSES), seed=seeds, times=st.integers(1, 4))
def test_a_weight_of_k_is_a_row_k_times(data, kind, loss, seed, times):
    """With the sum as reduction, so that no divisor differs."""
    model = data.draw(networks(kind, batches=False, dropout=False, penalties=False))
    loss = jaxgd.losses.get(loss, reduction="sum")
    batch = batch_of(seed)
    weights = np.ones(ROWS, int)
    weights[seed % ROWS] = times
    weighted = {**batch, "sample_weight": jnp.asarray(weights, jnp.float32)}
    repeated = {name: jnp.repeat(value, weights, axis=0) for name, value in batch.items()}
    close(gradients(model, loss, weighted), gradients(model, loss, repeated))


@of_any_kind
@SLOWLY
@given(data=st.data(), loss=st.sampled_from(LOSSES), seed=seeds, order=st.permutations(range(ROWS)))
def test_the_order_within_a_batch_does_not_matter(data, kind, loss, seed, order):
    model = data.draw(networks(kind, dropout=False))
    batch = batch_of(seed)
    shuffled = {name: value[jnp.asarray(order)] for name, value in batch.items()}
    close(gradients(model, loss, batch), gradients(model, loss, shuffled))


@of_any_kind
@SLOWLY
@given(data=st.data(), loss=st.sampled_from(LOSSES), seed=seeds, at=st.integers(1, ROWS - 1))
def test_gradients_of_two_batches_add_up_to_those_of_both(data, kind, loss, seed, at):
    model = data.draw(networks(kind, batches=False, dropout=False, penalties=False))
    loss = jaxgd.losses.get(loss, reduction="sum")
    batch = batch_of(seed)
    parts = [{n: v[:at] for n, v in batch.items()}, {n: v[at:] for n, v in batch.items()}]
    added = jax.tree.map(jnp.add, *(gradients(model, loss, part) for part in parts))
    close(added, gradients(model, loss, batch))


@of_any_kind
@SLOWLY
@given(data=st.data(), loss=st.sampled_from(LOSSES), seed=seeds)
def test_a_compiled_run_is_a_loop_of_steps(data, kind, loss, seed):
    model = data.draw(networks(kind))
    rows = batch_of(seed)
    step = jaxgd.make_step(jaxgd.make_objective(model, loss), jaxgd.optimizers.adam(1e-3))
    schedule = jaxgd.make_schedule(ROWS, 3, epochs=2, seed=seed % 1000)

    def start():
        params = model.init(1)
        return jaxgd.TrainState.create(
            params=params, optimizer="adam", key=model.key(2), trainable=model.trainable(params)
        )

    state, history = jaxgd.train(step, start(), rows, schedule)
    alone, losses, one = start(), [], jax.jit(step)
    for places in schedule:
        batch = {name: value[np.maximum(places, 0)] for name, value in rows.items()}
        alone, loss_of_step, _ = one(alone, {**batch, "row_mask": jnp.asarray(places >= 0)})
        losses.append(loss_of_step)
    close((history["loss"], state.params), (jnp.stack(losses), alone.params))


@of_any_kind
@SLOWLY
@given(
    data=st.data(),
    loss=st.sampled_from(LOSSES),
    seed=seeds,
    rate=st.sampled_from([1e-3, 1.0, 1e4, 1e20]),
    size=st.sampled_from([1.0, 1e6, 1e18, 1e37]),
    optimizer=st.sampled_from(["sgd", "adam"]),
)
def test_finite_in_is_finite_out_or_a_divergence_that_is_reported(
    data, kind, loss, seed, rate, size, optimizer
):
    model = data.draw(networks(kind))
    batch = batch_of(seed)
    chosen = getattr(jaxgd.optimizers, optimizer)(rate)
    x = np.clip(np.asarray(batch["x"], np.float64) * size, -3e38, 3e38)
    result = jaxgd.fit(model, x, batch["y"], loss=loss, optimizer=chosen, epochs=6, batch_size=3)
    values = [*jax.tree.leaves(result.params), *result.history.values()]
    assert all(np.isfinite(np.asarray(value)).all() for value in values)
    if result.divergence is None:
        assert result.history.epochs == 6
    else:
        assert result.history.epochs == result.divergence.epoch - 1
        assert result.divergence.layer in ("x", "loss", "optimizer", *model.names)
