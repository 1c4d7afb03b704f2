"""What must hold for any stack of layers, any loss and any data within the bounds that the strategies state.

Each example compiles programs of its own: a few are enough in passing. JAXGD_EXAMPLES=50 looks at more.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jaxgd

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


@st.composite
def stacks(draw, with_batches=True):
    """One to four layers of up to eight units, with or without what looks at a whole batch."""
    between = [None, jaxgd.layers.layer_normalization(), jaxgd.layers.dropout(0.3)]
    if with_batches:
        between.append(jaxgd.layers.batch_normalization())
    layers = []
    for _ in range(draw(st.integers(0, 3))):
        units, activation = draw(st.integers(1, 8)), draw(st.sampled_from(ACTIVATIONS))
        regularizer = draw(st.sampled_from([None, "l2"]))
        layers.append(jaxgd.layers.dense(units, activation, kernel_regularizer=regularizer))
        layers.append(draw(st.sampled_from(between)))
    layers = [layer for layer in layers if layer is not None]
    return jaxgd.sequential([*layers, jaxgd.layers.dense(OUTPUTS, "sigmoid")], FEATURES)


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


@SLOWLY
@given(model=stacks(), loss=st.sampled_from(LOSSES), seed=seeds)
def test_compiled_is_eager(model, loss, seed):
    key = model.key(seed % 1000)
    batch = batch_of(seed)

    def both(params, batch):
        objective = jaxgd.make_objective(model, loss)
        return jax.value_and_grad(lambda params: objective(params, batch, key)[0])(params)

    close(jax.jit(both)(model.init(1), batch), both(model.init(1), batch))


@SLOWLY
@given(model=stacks(), loss=st.sampled_from(LOSSES), seed=seeds, kept=st.integers(1, ROWS))
def test_a_masked_tail_is_no_tail(model, loss, seed, kept):
    model = without_dropout(model)
    batch = batch_of(seed)
    masked = {**batch, "row_mask": jnp.arange(ROWS) < kept}
    exact = {name: value[:kept] for name, value in batch.items()}
    close(gradients(model, loss, masked), gradients(model, loss, exact))


@SLOWLY
@given(model=stacks(with_batches=False), loss=st.sampled_from(LOSSES), seed=seeds, times=st.integers(1, 4))
def test_a_weight_of_k_is_a_row_k_times(model, loss, seed, times):
    """With the sum as reduction, so that no divisor differs."""
    model, loss = without_penalties(model), jaxgd.losses.get(loss, reduction="sum")
    batch = batch_of(seed)
    weights = np.ones(ROWS, int)
    weights[seed % ROWS] = times
    weighted = {**batch, "sample_weight": jnp.asarray(weights, jnp.float32)}
    repeated = {name: jnp.repeat(value, weights, axis=0) for name, value in batch.items()}
    close(gradients(model, loss, weighted), gradients(model, loss, repeated))


@SLOWLY
@given(model=stacks(), loss=st.sampled_from(LOSSES), seed=seeds, order=st.permutations(range(ROWS)))
def test_the_order_within_a_batch_does_not_matter(model, loss, seed, order):
    model = without_dropout(model)
    batch = batch_of(seed)
    shuffled = {name: value[jnp.asarray(order)] for name, value in batch.items()}
    close(gradients(model, loss, batch), gradients(model, loss, shuffled))


@SLOWLY
@given(
    model=stacks(with_batches=False), loss=st.sampled_from(LOSSES), seed=seeds, at=st.integers(1, ROWS - 1)
)
def test_gradients_of_two_batches_add_up_to_those_of_both(model, loss, seed, at):
    model, loss = without_penalties(model), jaxgd.losses.get(loss, reduction="sum")
    batch = batch_of(seed)
    parts = [{n: v[:at] for n, v in batch.items()}, {n: v[at:] for n, v in batch.items()}]
    added = jax.tree.map(jnp.add, *(gradients(model, loss, part) for part in parts))
    close(added, gradients(model, loss, batch))


@SLOWLY
@given(model=stacks(), loss=st.sampled_from(LOSSES), seed=seeds)
def test_a_compiled_run_is_a_loop_of_steps(model, loss, seed):
    data = batch_of(seed)
    step = jaxgd.make_step(jaxgd.make_objective(model, loss), jaxgd.optimizers.adam(1e-3))
    schedule = jaxgd.make_schedule(ROWS, 3, epochs=2, seed=seed % 1000)

    def start():
        params = model.init(1)
        return jaxgd.TrainState.create(
            params=params, optimizer="adam", key=model.key(2), trainable=model.trainable(params)
        )

    state, history = jaxgd.train(step, start(), data, schedule)
    alone, losses, one = start(), [], jax.jit(step)
    for rows in schedule:
        batch = {name: value[np.maximum(rows, 0)] for name, value in data.items()}
        alone, loss_of_step, _ = one(alone, {**batch, "row_mask": jnp.asarray(rows >= 0)})
        losses.append(loss_of_step)
    close((history["loss"], state.params), (jnp.stack(losses), alone.params))


@SLOWLY
@given(
    model=stacks(),
    loss=st.sampled_from(LOSSES),
    seed=seeds,
    rate=st.sampled_from([1e-3, 1.0, 1e4, 1e20]),
    size=st.sampled_from([1.0, 1e6, 1e18, 1e37]),
    optimizer=st.sampled_from(["sgd", "adam"]),
)
def test_finite_in_is_finite_out_or_a_divergence_that_is_reported(model, loss, seed, rate, size, optimizer):
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


def without_dropout(model):
    kept = [layer for layer in model.layers if layer.kind != "dropout"]
    return jaxgd.sequential(kept, FEATURES)


def without_penalties(model):
    """Nor dropout: what counts once a batch, or draws by the place in it, does not add up over rows."""
    return jaxgd.sequential(
        [
            jaxgd.layers.dense(layer.units, layer.activation) if layer.kind == "dense" else layer
            for layer in without_dropout(model).layers
        ],
        FEATURES,
    )
