"""Random numbers: known answers, dispatch, transformations, refusals."""

import random as python_random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import random
from jaxgd.random.philox import philox_block

DRAWS = {
    "uniform": random.uniform,
    "normal": random.normal,
    "truncated_normal": random.truncated_normal,
    "keep_mask": lambda source, shape: random.keep_mask(source, 0.4, shape),
}


@pytest.mark.parametrize(
    ("counter", "key", "block"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_published_answers(counter, key, block):
    counter, key = ([jnp.uint32(int(word, 16)) for word in words.split()] for words in (counter, key))
    assert " ".join(f"{int(word):08x}" for word in philox_block(tuple(counter), tuple(key))) == block


@pytest.mark.parametrize("name", DRAWS)
def test_jit_vmap_and_scan_change_nothing(name):
    draw, seeds = DRAWS[name], [3, 10**9]
    expected = np.stack([[draw(random.keras_seed(s, c), (5, 7)) for c in range(3)] for s in seeds])

    def over_counts(seed):
        def body(carry, count):
            return carry, draw(random.KerasSeed(seed, count), (5, 7))

        return jax.lax.scan(body, 0, jnp.arange(3))[1]

    seeds = jnp.asarray(seeds, jnp.int32)
    np.testing.assert_array_equal(jax.jit(jax.vmap(over_counts))(seeds), expected)


@pytest.mark.parametrize("name", DRAWS)
def test_x64_changes_no_float32_number(name):
    expected = DRAWS[name](random.keras_seed(8, 2), (33,))
    with jax.enable_x64(True):
        actual = DRAWS[name](random.keras_seed(8, 2), (33,))
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


def test_float64_draws_leave_x64_off():
    random.normal(random.keras_seed(1), (3,))
    assert jnp.asarray(1.0).dtype == jnp.float32


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 1, 5)])
@pytest.mark.parametrize("name", DRAWS)
def test_any_shape(name, shape):
    assert DRAWS[name](random.keras_seed(4), shape).shape == shape


@pytest.mark.parametrize("source", [random.keras_seed(5), jax.random.key(5), jax.random.PRNGKey(5)])
def test_the_laws(source):
    size = 40_000
    flat = random.uniform(source, (size,), -2.0, 4.0)
    bell = random.normal(source, (size,), 1.0, 3.0)
    cut = random.truncated_normal(source, (size,), 1.0, 3.0)
    five_sigma = 5 / np.sqrt(size)
    assert float(flat.min()) >= -2.0
    assert float(flat.max()) < 4.0
    assert abs(float(flat.mean()) - 1.0) < five_sigma * np.sqrt(3.0)
    assert abs(float(flat.std()) - np.sqrt(3.0)) < five_sigma * np.sqrt(3.0)
    assert abs(float(bell.mean()) - 1.0) < five_sigma * 3.0
    assert abs(float(bell.std()) - 3.0) < five_sigma * 3.0
    assert float(jnp.abs(cut - 1.0).max()) < 6.0
    assert abs(float(cut.std()) / 3.0 - 0.87962566) < five_sigma


@pytest.mark.parametrize("source", [random.keras_seed(5), jax.random.key(5)])
def test_keep_mask_takes_a_traced_rate(source):
    rates = jnp.array([0.0, 0.3, 1.0])
    masks = jax.jit(jax.vmap(lambda rate: random.keep_mask(source, rate, (50, 80))))(rates)
    assert masks.dtype == bool
    np.testing.assert_array_equal(masks[1], random.keep_mask(source, 0.3, (50, 80)))
    np.testing.assert_allclose(masks.mean((1, 2)), 1 - rates, atol=5 * np.sqrt(0.21 / 4000))


def test_seeds_are_those_of_pythons_generator():
    generator = python_random.Random(42)
    assert random.keras_layer_seeds(42, 5) == [generator.randint(1, 10**9) for _ in range(5)]
    assert random.keras_layer_seeds(42, 0) == []


@pytest.mark.parametrize("num_rows", [1, 2, 5, 1000])
def test_an_epoch_visits_every_row_once(num_rows):
    order = random.keras_epoch_order(12, num_rows)
    assert sorted(order.tolist()) == list(range(num_rows))
    np.testing.assert_array_equal(order, random.keras_epoch_order(12 + 2**31 - 1, num_rows))


def test_bad_orders_are_refused():
    with pytest.raises(ValueError, match="seed"):
        random.keras_epoch_order(-1, 3)
    with pytest.raises(ValueError, match="num_rows"):
        random.keras_epoch_order(1, 0)


def test_a_keras_key_gives_each_layer_its_own_pair():
    key = random.keras_key([7, 0, 9], count=4)
    source = random.fold_source(random.at_step(key, jnp.int32(6)), 2)
    assert isinstance(source, random.KerasSeed)
    assert (int(source.seed), int(source.count)) == (9, 6)
    assert int(random.fold_source(key, 0).count) == 4
    assert jax.tree.structure(key) == jax.tree.structure(key.at(1))


def test_keras_keys_are_mapped_over():
    keys = jax.tree.map(lambda *leaves: jnp.stack(leaves), random.keras_key([1, 2]), random.keras_key([3, 4]))
    values = jax.vmap(lambda key: random.uniform(random.fold_source(key, 1), (6,)))(keys)
    for row, seed in zip(values, (2, 4), strict=True):
        np.testing.assert_array_equal(row, random.uniform(random.keras_seed(seed), (6,)))


@pytest.mark.parametrize("key", [jax.random.key(0), jax.random.PRNGKey(0)])
def test_jax_keys_are_folded(key):
    expected = jax.random.fold_in(key, 3)
    for folded in (random.fold_source(key, 3), random.at_step(key, 3)):
        np.testing.assert_array_equal(jax.random.uniform(folded, (4,)), jax.random.uniform(expected, (4,)))


def test_seeds_outside_the_range_are_brought_into_it():
    assert int(random.keras_seed(-1).seed) == 2**31 - 3
    assert int(random.keras_seed(2**31 - 2).seed) == 0
    assert random.keras_key([2**40]).seeds.tolist() == [2**40 % (2**31 - 2)]


@pytest.mark.parametrize("source", [3, 2.5, None, np.zeros(2, np.int32), random.keras_key([1])])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(TypeError, match="source: expected a JAX key"):
        random.uniform(source, (2,))


@pytest.mark.parametrize("fold", [random.fold_source, random.at_step])
@pytest.mark.parametrize("key", [3, random.keras_seed(1), np.zeros(2)])
def test_what_is_no_key_is_refused(fold, key):
    with pytest.raises(TypeError, match="key: expected a JAX key"):
        fold(key, 0)


def test_bad_arguments_are_refused():
    seed = random.keras_seed(1)
    with pytest.raises(ValueError, match="jax_enable_x64"):
        random.uniform(seed, (2,), dtype=jnp.float64)
    with pytest.raises(TypeError, match="floating"):
        random.normal(seed, (2,), dtype=jnp.int32)
    for rate in (-0.1, 1.5):
        with pytest.raises(ValueError, match="rate"):
            random.keep_mask(seed, rate, (2,))
    for bad in (1.0, True, "1"):
        with pytest.raises(TypeError, match="seed"):
            random.keras_seed(bad)
        with pytest.raises(TypeError, match="seed"):
            random.keras_layer_seeds(bad, 1)
    with pytest.raises(ValueError, match="count"):
        random.keras_layer_seeds(1, -1)
    with pytest.raises(ValueError, match="count"):
        random.keras_seed(1, -1)
