"""Schedules: numbers worked by hand, pytrees, one compilation, errors."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import schedules

ALL = [
    schedules.exponential_decay(0.5, 10, 0.25),
    schedules.inverse_time_decay(0.5, 10, 1.0),
    schedules.polynomial_decay(1.0, 10, end_learning_rate=0.0),
    schedules.piecewise_constant_decay([2, 5], [0.5, 0.25, 0.125]),
    schedules.cosine_decay(0.5, 10, alpha=0.25),
    schedules.cosine_decay(0.5, 10, warmup_target=1.0, warmup_steps=5),
    schedules.cosine_decay_restarts(0.5, 10),
    schedules.Constant(0.5),
]


def name_of(schedule):
    return type(schedule).__name__


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (schedules.exponential_decay(0.5, 10, 0.25), {0: 0.5, 5: 0.25, 10: 0.125}),
        (schedules.exponential_decay(0.5, 10, 0.25, staircase=True), {0: 0.5, 9: 0.5, 10: 0.125}),
        (schedules.inverse_time_decay(0.5, 10, 1.0), {0: 0.5, 10: 0.25, 30: 0.125}),
        (schedules.inverse_time_decay(0.5, 10, 1.0, staircase=True), {9: 0.5, 10: 0.25}),
        (schedules.polynomial_decay(1.0, 10, 0.0, power=2.0), {0: 1.0, 5: 0.25, 10: 0.0, 99: 0.0}),
        (schedules.polynomial_decay(1.0, 10, 0.0, cycle=True), {0: 1.0, 5: 0.5, 10: 0.0, 15: 0.25, 20: 0.0}),
        (
            schedules.piecewise_constant_decay([2, 5], [0.5, 0.25, 0.125]),
            {2: 0.5, 3: 0.25, 5: 0.25, 6: 0.125},
        ),
        (schedules.piecewise_constant_decay([2.9], [0.5, 0.25]), {2: 0.5, 3: 0.25}),
        (schedules.cosine_decay(0.5, 10, alpha=0.5), {0: 0.5, 5: 0.375, 10: 0.25, 99: 0.25}),
        (
            schedules.cosine_decay(0.0, 10, warmup_target=1.0, warmup_steps=4),
            {0: 0.0, 1: 0.25, 4: 1.0, 9: 0.5, 14: 0.0},
        ),
        (
            schedules.cosine_decay_restarts(0.5, 10, m_mul=0.5),
            {0: 0.5, 5: 0.25, 10: 0.25, 20: 0.125, 30: 0.125},
        ),
        (schedules.cosine_decay_restarts(0.5, 10, t_mul=1.0), {5: 0.25, 10: 0.5, 15: 0.25, 20: 0.5}),
        (schedules.Constant(0.25), {0: 0.25, 7: 0.25}),
    ],
)
def test_by_hand(schedule, rates):
    got = [float(schedule(step)) for step in rates]
    np.testing.assert_allclose(got, list(rates.values()), atol=3e-8)


@pytest.mark.parametrize("schedule", ALL, ids=name_of)
def test_a_schedule_is_a_pytree_of_its_numbers(schedule):
    leaves, structure = jax.tree.flatten(schedule)
    assert jax.tree.unflatten(structure, leaves) == schedule
    assert not any(isinstance(leaf, bool) for leaf in leaves)
    arrays = jax.tree.map(jnp.float32, schedule)
    for step in (0, 3, 12):
        np.testing.assert_array_equal(arrays(step), schedule(step))


@pytest.mark.parametrize("schedule", ALL, ids=name_of)
def test_a_rate_is_float32_under_jit_and_for_steps_of_any_integer_type(schedule):
    for step in (3, np.int64(3), jnp.int32(3), jnp.uint32(3)):
        rate = jax.jit(lambda schedule, step: schedule(step))(schedule, step)
        assert (rate.dtype, rate.shape) == (jnp.float32, ())
    assert schedule(jnp.arange(4)).shape == (4,)


def test_a_new_number_compiles_nothing_and_a_new_flag_does():
    traces = []

    @jax.jit
    def rate(schedule, step):
        traces.append(schedule)
        return schedule(step)

    first = float(rate(schedules.exponential_decay(0.5, 10, 0.25), 5))
    second = float(rate(schedules.exponential_decay(1.0, 20, 0.25), 10))
    assert (first, second, len(traces)) == (0.25, 0.5, 1)
    rate(schedules.exponential_decay(1.0, 20, 0.25, staircase=True), 10)
    assert len(traces) == 2


def test_many_rates_at_once():
    rates = jnp.array([0.1, 0.2])
    batched = jax.vmap(lambda rate: schedules.cosine_decay(rate, 10)(jnp.arange(11)))(rates)
    one_by_one = [schedules.cosine_decay(float(rate), 10)(jnp.arange(11)) for rate in rates]
    np.testing.assert_array_equal(batched, one_by_one)


def test_the_derivative_by_a_number():
    slope = jax.grad(lambda rate: schedules.exponential_decay(rate, 10, 0.25)(5))(0.5)
    assert float(slope) == 0.5
    warming = schedules.cosine_decay(0.5, 10, warmup_target=1.0, warmup_steps=4)
    gradient = jax.grad(lambda schedule: schedule(2), allow_int=True)(warming)
    assert float(gradient.warmup_target) == 0.5


def test_x64_changes_nothing():
    schedule = schedules.cosine_decay(0.1, 7, alpha=0.13)
    expected = np.asarray(schedule(jnp.arange(9)))
    with jax.enable_x64(True):
        got = schedule(jnp.arange(9))
        assert got.dtype == jnp.float32
        assert schedules.Constant(0.1)(0).dtype == jnp.float64
    np.testing.assert_array_equal(got, expected)


def test_config():
    schedule = schedules.cosine_decay(0.1, 10, warmup_target=0.2, warmup_steps=3)
    assert schedule.config() == {
        "initial_learning_rate": 0.1,
        "decay_steps": 10,
        "alpha": 0.0,
        "warmup_target": 0.2,
        "warmup_steps": 3,
    }
    arrays = jax.tree.map(jnp.float32, schedule)
    assert arrays.config()["initial_learning_rate"] == float(np.float32(0.1))
    piecewise = schedules.piecewise_constant_decay([2, 5], [0.5, 0.25, 0.125])
    assert piecewise.config() == {"boundaries": [2, 5], "values": [0.5, 0.25, 0.125]}


@pytest.mark.parametrize("schedule", ALL[:-1], ids=name_of)
def test_configurations_are_read_back(schedule):
    written = {"class_name": schedule.class_name, "config": {**schedule.config(), "name": "decay"}}
    assert schedules.get(written) == schedule


def test_get():
    schedule = ALL[0]
    assert schedules.get(schedule) is schedule
    assert schedules.get(0.5) == schedules.Constant(0.5)
    assert float(schedules.get(jnp.float32(0.5))(3)) == 0.5
    assert float(schedules.get(lambda step: 1.0 / (1 + step))(3)) == 0.25


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: schedules.exponential_decay(0.1, 0, 0.9),
            ValueError,
            "decay_steps: expected a number over 0, got 0",
        ),
        (
            lambda: schedules.cosine_decay_restarts(0.1, -1),
            ValueError,
            "first_decay_steps: expected a number over 0",
        ),
        (
            lambda: schedules.polynomial_decay(math.nan, 10),
            ValueError,
            "initial_learning_rate: expected a finite",
        ),
        (
            lambda: schedules.inverse_time_decay(0.1, 10, "0.5"),
            TypeError,
            "decay_rate: expected a number, got '0.5'",
        ),
        (
            lambda: schedules.exponential_decay(0.1, 10, 0.9, staircase=1),
            TypeError,
            "staircase: expected True or",
        ),
        (
            lambda: schedules.piecewise_constant_decay([1], [0.1]),
            ValueError,
            "values: expected one more than the 1",
        ),
        (lambda: schedules.piecewise_constant_decay([], [0.1]), ValueError, "of which one at least"),
        (
            lambda: schedules.piecewise_constant_decay([2, 2], [1, 2, 3]),
            ValueError,
            "boundaries: expected rising",
        ),
        (lambda: schedules.get("cosine"), TypeError, "learning_rate: expected a number, got 'cosine'"),
        (lambda: schedules.get({"class_name": "CosinDecay"}), ValueError, "Did you mean 'CosineDecay'"),
        (lambda: schedules.get({"class_name": None}), ValueError, "unknown schedule None"),
    ],
)
def test_bad_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_schedule_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ALL[0].decay_rate = 0.5
