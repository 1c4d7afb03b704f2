"""Orders of rows and batches: every row once, in an order that is a pure function of seed and epoch."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd.training.batching import (
    Fixed,
    InOrder,
    Shuffled,
    batches,
    epoch_batches,
    part_of,
    permutation,
    steps_per_epoch,
    take,
)


def test_batches_of_five_rows():
    np.testing.assert_array_equal(batches(jnp.arange(5), 2), [[0, 1], [2, 3], [4, -1]])
    np.testing.assert_array_equal(batches(jnp.arange(4), 2), [[0, 1], [2, 3]])
    np.testing.assert_array_equal(batches(jnp.arange(2), 3), [[0, 1, -1]])


@pytest.mark.parametrize(
    ("rows", "size", "steps"), [(1, 1, 1), (5, 2, 3), (6, 2, 3), (3, 100, 1), (1797, 32, 57)]
)
def test_steps_per_epoch(rows, size, steps):
    assert steps_per_epoch(rows, size) == steps
    assert jaxgd.make_schedule(rows, size).shape == (steps, size)


def test_take_hides_no_row_behind_padding():
    data = {"x": jnp.arange(10.0).reshape(5, 2), "y": jnp.arange(5)}
    batch = take(data, jnp.array([4, -1, 0]))
    np.testing.assert_array_equal(batch["y"], [4, 0, 0])
    np.testing.assert_array_equal(batch["x"], [[8, 9], [0, 1], [0, 1]])


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("seed", [None, 0, 7])
def test_schedule_holds_every_row_once_an_epoch(seed, epochs):
    schedule = jaxgd.make_schedule(11, 4, epochs, seed)
    assert schedule.dtype == np.int32
    assert schedule.shape == (3 * epochs, 4)
    for epoch in schedule.reshape(epochs, -1):
        assert sorted(epoch[epoch >= 0]) == list(range(11))
        assert (epoch[:11] >= 0).all()
    if seed is None:
        assert (schedule[:3] == schedule[-3:]).all()


def orders(num_rows, seeds, epoch=0):
    draw = jax.jit(jax.vmap(lambda words: permutation(words, epoch, num_rows)))
    words = np.stack([np.asarray(seeds), np.zeros(len(seeds))], axis=1).astype(np.uint32)
    np.testing.assert_array_equal(words[-1], Shuffled.from_seed(int(seeds[-1])).words)
    return np.asarray(draw(words))


@pytest.mark.parametrize("num_rows", [*range(1, 42), 63, 64, 65, 97, 128, 199, 200])
def test_permutation_is_a_bijection(num_rows):
    rows = orders(num_rows, range(5))
    assert (np.sort(rows, axis=1) == np.arange(num_rows)).all()


@pytest.mark.parametrize("num_rows", [10_007, 65_536, 1_000_003])
def test_permutation_of_many_rows(num_rows):
    rows = np.asarray(jax.jit(permutation, static_argnums=2)(Shuffled.from_seed(3).words, 1, num_rows))
    assert (np.bincount(rows, minlength=num_rows) == 1).all()
    place = np.arange(num_rows)
    # The correlation of a random order with the identity has deviation 1 / sqrt(n): five of them.
    assert abs(np.corrcoef(rows, place)[0, 1]) < 5 / np.sqrt(num_rows)
    assert abs(np.corrcoef(rows[:-1], rows[1:])[0, 1]) < 5 / np.sqrt(num_rows)
    assert (rows == place).sum() < 12  # Poisson with mean 1


@pytest.mark.parametrize("num_rows", [2, 3, 4, 5])
def test_every_order_is_equally_likely(num_rows):
    """Chi-square over all orders; the bound is the mean plus six deviations."""
    possible = list(itertools.permutations(range(num_rows)))
    num_seeds = 200 * len(possible)
    index = {order: i for i, order in enumerate(possible)}
    counts = np.bincount(
        [index[tuple(row)] for row in orders(num_rows, range(num_seeds))], minlength=len(possible)
    )
    expected, freedom = num_seeds / len(possible), len(possible) - 1
    assert ((counts - expected) ** 2 / expected).sum() < freedom + 6 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("by", ["seed", "epoch"])
@pytest.mark.parametrize("num_rows", [6, 23, 100])
def test_every_place_gets_every_row_equally_often(num_rows, by):
    """Over seeds and over the epochs of one run: counts of row r at place p."""
    num_orders = 20 * num_rows
    if by == "seed":
        rows = orders(num_rows, range(num_orders))
    else:
        words = Shuffled.from_seed(1).words
        rows = np.asarray(jax.vmap(lambda epoch: permutation(words, epoch, num_rows))(jnp.arange(num_orders)))
    counts = np.stack([np.bincount(place, minlength=num_rows) for place in rows.T])
    expected, freedom = num_orders / num_rows, (num_rows - 1) ** 2
    assert ((counts - expected) ** 2 / expected).sum() < freedom + 6 * np.sqrt(2 * freedom)


def test_order_is_pure_in_seed_and_epoch():
    order = Shuffled.from_seed(5)
    first = [np.asarray(order.rows(jnp.int32(epoch), 50)) for epoch in range(4)]
    again = [np.asarray(Shuffled.from_seed(5).rows(jnp.int32(epoch), 50)) for epoch in (3, 2, 1, 0)]
    for one, other in zip(first, reversed(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert all((a != b).any() for a, b in itertools.combinations(first, 2))
    assert (np.asarray(Shuffled.from_seed(6).rows(jnp.int32(0), 50)) != first[0]).any()


@pytest.mark.parametrize("pair", [(0, 2**32), (1, 2**32 + 1), (0, -1)])
def test_all_64_bits_of_a_seed_count(pair):
    one, other = (np.asarray(Shuffled.from_seed(seed).rows(jnp.int32(0), 50)) for seed in pair)
    assert (one != other).any()


def test_a_key_is_a_seed():
    one, other = (Shuffled.from_seed(jax.random.key(seed)).rows(jnp.int32(0), 50) for seed in (0, 1))
    assert (one != other).any()
    np.testing.assert_array_equal(one, Shuffled.from_seed(jax.random.key(0)).rows(jnp.int32(0), 50))


def test_in_order():
    np.testing.assert_array_equal(InOrder().rows(jnp.int32(3), 4), [0, 1, 2, 3])


@pytest.mark.parametrize("places", [45, 1438])
def test_one_program_orders_the_first_rows_of_a_table(places):
    """As `permutation` orders that many rows, however many more places there are; also side by side."""
    counts = [1, 2, 3, 5, 36, 37, 45] if places == 45 else [1025, 1437, 1438]
    shuffled = Shuffled.from_seed(3)
    parts = [part_of(shuffled, count, places) for count in counts]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
    draw = jax.jit(jax.vmap(lambda part: part.rows(jnp.int32(7), places)))
    alone = jax.jit(lambda part: part.rows(jnp.int32(7), places))
    for count, part, rows in zip(counts, parts, np.asarray(draw(together)), strict=True):
        np.testing.assert_array_equal(rows[:count], permutation(shuffled.words, 7, count))
        assert (rows[count:] == -1).all()
        np.testing.assert_array_equal(rows, alone(part))
    assert alone._cache_size() == 1


@pytest.mark.parametrize("order", [InOrder(), Fixed(jnp.array([2, 0, 1]))])
def test_orders_that_are_no_shuffle_have_parts_too(order):
    rows = part_of(order, 3, 5).rows(jnp.int32(0), 5)
    np.testing.assert_array_equal(rows, [*order.rows(jnp.int32(0), 3), -1, -1])


@pytest.mark.parametrize("order", [InOrder(), Fixed(jnp.arange(5)), Shuffled.from_seed(1)])
def test_a_part_has_as_many_batches_as_its_rows_take(order):
    found = epoch_batches(part_of(order, 5, 9), jnp.int32(0), 9, 2)
    assert int(found.steps) == 3
    assert sorted(np.ravel(found.schedule).tolist()) == [-1] * 5 + [0, 1, 2, 3, 4]
    assert found.padded
