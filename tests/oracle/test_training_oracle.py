"""Training against NumPy in float64: the closed form of a quadratic, and backpropagation written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd.training.batching import Shuffled

ROWS, FEATURES, HIDDEN, BATCH = 14, 3, 5, 4


@pytest.fixture(autouse=True)
def _double(x64):
    """Everything here is in float64."""


def test_gradient_descent_on_a_quadratic_is_its_closed_form(rng):
    """w_k = w* + (I - rate H)^k (w_0 - w*) for least squares, after 200 full batches."""
    x, y, rate = rng.standard_normal((ROWS, FEATURES)), rng.standard_normal((ROWS, 1)), 0.05
    model = jaxgd.sequential([jaxgd.layers.dense(1, use_bias=False)], FEATURES, dtype="float64")
    start = np.asarray(model.init(0)["dense"]["kernel"])
    sgd = jaxgd.optimizers.sgd(rate, constants="exact")
    result = jaxgd.fit(model, x, y, optimizer=sgd, epochs=200, batch_size=ROWS, shuffle=False)
    hessian = 2 / ROWS * x.T @ x
    best = np.linalg.solve(hessian, 2 / ROWS * x.T @ y)
    expected = best + np.linalg.matrix_power(np.eye(FEATURES) - rate * hessian, 200) @ (start - best)
    np.testing.assert_allclose(result.params["dense"]["kernel"], expected, rtol=1e-11)
    residual = x @ start - y
    np.testing.assert_allclose(result.history["loss"][0], (residual**2).mean(), rtol=1e-13)


def numpy_step(weights, x, y, weight, rate):
    """One step of y = sigmoid(tanh(x A + a) B + b) on the weighted mean squared error."""
    A, a, B, b = weights
    h = np.tanh(x @ A + a)
    p = 1 / (1 + np.exp(-(h @ B + b)))
    loss = (weight * ((p - y) ** 2).mean(axis=1)).sum() / len(x)
    delta = 2 * (p - y) * weight[:, None] / p.size * p * (1 - p)
    hidden = (delta @ B.T) * (1 - h**2)
    grads = x.T @ hidden, hidden.sum(axis=0), h.T @ delta, delta.sum(axis=0)
    return [w - rate * g for w, g in zip(weights, grads, strict=True)], loss


@pytest.mark.parametrize("shuffle", [False, True])
def test_fit_is_backpropagation_written_out(shuffle, rng):
    """Every row once an epoch, the short batch divided by its own length, the loss a mean over rows."""
    x, y = rng.standard_normal((ROWS, FEATURES)), rng.uniform(size=(ROWS, 2))
    weight, rate, epochs = rng.uniform(0, 2, ROWS), 0.5, 6
    model = jaxgd.mlp([FEATURES, HIDDEN, 2], "tanh", "sigmoid", dtype="float64")
    params = model.init(0)
    weights = [np.asarray(params[name][leaf]) for name in model.names for leaf in ("kernel", "bias")]
    losses = []
    for epoch in range(epochs):
        order = np.asarray(Shuffled.from_seed(0).rows(jnp.int32(epoch), ROWS)) if shuffle else np.arange(ROWS)
        total = 0.0
        for first in range(0, ROWS, BATCH):
            rows = order[first : first + BATCH]
            weights, loss = numpy_step(weights, x[rows], y[rows], weight[rows], rate)
            total += loss * len(rows)
        losses.append(total / ROWS)
    sgd = jaxgd.optimizers.sgd(rate)
    options = {"epochs": epochs, "batch_size": BATCH, "shuffle": shuffle, "sample_weight": weight}
    result = jaxgd.fit(model, x, y, optimizer=sgd, **options)
    np.testing.assert_allclose(result.history["loss"], losses, rtol=1e-12)
    ours = [result.params[name][leaf] for name in model.names for leaf in ("kernel", "bias")]
    for one, other in zip(ours, weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)
    assert losses[-1] < losses[0]


def test_evaluation_is_the_mean_over_rows(rng):
    x, y = rng.standard_normal((ROWS, FEATURES)), rng.standard_normal((ROWS, 2))
    model = jaxgd.mlp([FEATURES, HIDDEN, 2], dtype="float64")
    params = model.init(0)
    error = np.asarray(model.apply(params, x)) - y
    for batch_size in (1, 4, 14, 100):
        values = jaxgd.evaluate(model, params, x, y, loss="mse", metrics=["mae"], batch_size=batch_size)
        np.testing.assert_allclose(values["loss"], (error**2).mean(), rtol=1e-13)
        np.testing.assert_allclose(values["mae"], np.abs(error).mean(), rtol=1e-13)
        outputs = jaxgd.predict(model, params, x, batch_size=batch_size)
        np.testing.assert_allclose(outputs, error + y, rtol=1e-12, atol=1e-14)


def test_finite_differences_fall_as_h_squared(rng):
    model = jaxgd.sequential(
        [
            jaxgd.layers.dense(4, "tanh"),
            jaxgd.layers.batch_normalization(),
            jaxgd.layers.layer_normalization(),
            jaxgd.layers.dense(2, "softmax"),
        ],
        FEATURES,
        dtype="float64",
    )
    objective = jaxgd.make_objective(model, "sparse_categorical_crossentropy")
    batch = {
        "x": jnp.asarray(rng.standard_normal((ROWS, FEATURES))),
        "y": jnp.asarray(rng.integers(0, 2, ROWS)),
    }
    flat, unflatten = jax.flatten_util.ravel_pytree(model.init(0))
    direction = jnp.asarray(rng.standard_normal(flat.size))

    def along(h):
        return objective(unflatten(flat + h * direction), batch)[0]

    slope = jax.grad(along)(0.0)
    errors = [abs((along(h) - along(-h)) / (2 * h) - slope) for h in (4e-2, 2e-2, 1e-2)]
    assert 3.5 < errors[0] / errors[1] < 4.5
    assert 3.5 < errors[1] / errors[2] < 4.5
