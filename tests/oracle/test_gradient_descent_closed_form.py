"""Gradient descent on quadratic bowls, whose whole path is known: float64, against closed forms and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import optimizers
from jaxgd.optimizers import adagrad, adam, sgd

CURVATURES = np.array([0.5, 1.0, 3.0])
START = np.array([1.0, -2.0, 0.5])
NUM_STEPS = 40

pytestmark = pytest.mark.usefixtures("x64")


def path(optimizer, curvatures=CURVATURES, num_steps=NUM_STEPS):
    """The parameters after every step down sum(curvature w**2) / 2."""
    params = {"w": jnp.asarray(START)}

    def step(carry, _):
        params, state = carry
        params, state = optimizer.rule.apply({"w": curvatures * params["w"]}, state, params)
        return (params, state), params["w"]

    return np.asarray(jax.lax.scan(step, (params, optimizer.init(params)), length=num_steps)[1])


def test_plain_descent_shrinks_each_coordinate_geometrically():
    steps = np.arange(1, NUM_STEPS + 1)[:, None]
    want = START * (1 - 0.3 * CURVATURES) ** steps
    np.testing.assert_allclose(path(sgd(0.3)), want, rtol=1e-13)


def test_decay_adds_to_the_shrinking():
    steps = np.arange(1, NUM_STEPS + 1)[:, None]
    want = START * (1 - 0.3 * 0.25 - 0.3 * CURVATURES) ** steps
    np.testing.assert_allclose(path(sgd(0.3, weight_decay=0.25)), want, rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_is_a_linear_recurrence(nesterov):
    """The pair (w, v) is multiplied by one matrix a step, whose powers are the path."""
    rate, momentum = 0.1, 0.75
    got = path(sgd(rate, momentum=momentum, nesterov=nesterov))
    for column, curvature in enumerate(CURVATURES):
        velocity = np.array([-rate * curvature, momentum])
        change = momentum * velocity - np.array([rate * curvature, 0]) if nesterov else velocity
        matrix = np.stack([np.array([1.0, 0.0]) + change, velocity])
        powers = [np.linalg.matrix_power(matrix, t) for t in range(1, NUM_STEPS + 1)]
        want = [(power @ [START[column], 0.0])[0] for power in powers]
        np.testing.assert_allclose(got[:, column], want, rtol=0, atol=1e-13)


def test_critical_rate_is_two_over_the_curvature():
    steep = CURVATURES.max()
    below, above = (path(sgd(factor * 2 / steep), num_steps=200) for factor in (0.99, 1.01))
    assert abs(below[-1, -1]) < abs(START[-1]) < abs(above[-1, -1])


def test_average_is_the_weighted_sum_of_the_path():
    momentum, num_steps = 0.5, 12
    optimizer = sgd(0.3, use_ema=True, ema_momentum=momentum)
    params = {"w": jnp.asarray(START)}
    state = optimizer.init(params)
    for _ in range(num_steps):
        params, state = optimizer.rule.apply({"w": CURVATURES * params["w"]}, state, params)
    visited = path(sgd(0.3), num_steps=num_steps)
    later = [0.5 * momentum**k for k in range(num_steps - 2, -1, -1)]
    weights = np.array([momentum ** (num_steps - 1), *later])
    assert weights.sum() == 1
    np.testing.assert_allclose(optimizer.rule.finalize(params, state)["w"], weights @ visited, rtol=1e-13)


def adam_in_numpy(rate, beta_1, beta_2, epsilon):
    w, m, v, visited = START.copy(), np.zeros(3), np.zeros(3), []
    for t in range(1, NUM_STEPS + 1):
        grad = CURVATURES * w
        m = beta_1 * m + (1 - beta_1) * grad
        v = beta_2 * v + (1 - beta_2) * grad**2
        w = w - rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (np.sqrt(v) + epsilon)
        visited.append(w)
    return np.array(visited)


def test_adam_with_exact_constants():
    got = path(adam(0.05, constants="exact"))
    np.testing.assert_allclose(got, adam_in_numpy(0.05, 0.9, 0.999, 1e-7), rtol=1e-11)


def test_keras_constants_are_rounded_ones():
    """The default is measurably not the exact formula, and is it for numbers that float32 holds."""
    exact = adam_in_numpy(0.05, 0.9, 0.999, 1e-7)
    assert 1e-7 < np.max(np.abs(path(adam(0.05)) - exact)) < 1e-4
    got = path(adam(0.05, beta_1=0.875, beta_2=0.96875))
    np.testing.assert_allclose(got, adam_in_numpy(0.05, 0.875, 0.96875, 1e-7), rtol=1e-11)


def test_adagrad_of_a_constant_gradient_is_a_harmonic_root():
    params = {"w": jnp.zeros(1)}
    optimizer = adagrad(0.5, initial_accumulator_value=0.0, epsilon=0.0)
    state = optimizer.init(params)
    for _ in range(20):
        params, state = optimizer.rule.apply({"w": jnp.full(1, 3.0)}, state, params)
    want = -0.5 * np.sum(1 / np.sqrt(np.arange(1, 21)))
    np.testing.assert_allclose(params["w"], want, rtol=1e-13)


@pytest.mark.parametrize("name", ["Adadelta", "Adamax", "Nadam", "RMSprop", "Lamb", "Muon", "Lion"])
def test_minimum_is_a_fixed_point(name):
    optimizer = optimizers.from_config(name, {"learning_rate": 0.1})
    params = {"w": jnp.zeros(3)}
    moved, _ = optimizer.rule.apply({"w": CURVATURES * params["w"]}, optimizer.init(params), params)
    np.testing.assert_array_equal(moved["w"], 0)
