"""Which rows form which batch: int32 row numbers, -1 where a short batch is padded."""

import math
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import check_integer
from jaxgd._types import Array, PyTree

_ROUNDS = 8
_TILE = 512


def steps_per_epoch(num_rows: int, batch_size: int) -> int:
    """How many batches one pass over the rows takes, the short one included."""
    return math.ceil(num_rows / batch_size)


def make_schedule(num_rows: int, batch_size: int, epochs: int = 1, seed: int | None = None) -> np.ndarray:
    """The rows of every step of a run.

    Args:
      num_rows: rows of the data.
      batch_size: rows of one batch; the last batch of an epoch is padded with -1.
      epochs: passes over the rows.
      seed: shuffles each pass, as a pure function of seed and epoch; None keeps the order.

    Returns: int32[epochs * steps, batch_size].
    Raises:
      ValueError: a number below 1.
    >>> make_schedule(5, 2)
    array([[ 0,  1], [ 2,  3], [ 4, -1]], dtype=int32)
    """
    check_integer("num_rows", num_rows, 1)
    check_integer("batch_size", batch_size, 1)
    check_integer("epochs", epochs, 1)
    order = InOrder() if seed is None else Shuffled.from_seed(seed)
    rows = jax.vmap(lambda epoch: batches(order.rows(epoch, num_rows), batch_size))(jnp.arange(epochs))
    return np.asarray(rows).reshape(-1, batch_size)


def batches(rows: Array, batch_size: int) -> Array:
    """int32[n] row numbers as int32[steps, batch_size], the last batch padded with -1."""
    steps = steps_per_epoch(rows.shape[0], batch_size)
    padding = steps * batch_size - rows.shape[0]
    return jnp.pad(rows, (0, padding), constant_values=-1).reshape(steps, batch_size)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Batches:
    """The batches of an epoch, or those of them whose rows are in memory now."""

    schedule: Array
    """int32[batches, batch_size], places in the rows that are in memory; -1 for no row."""
    first: Array | int
    """The number within the epoch of the first of them."""
    steps: Array | int
    """How many the whole epoch has."""
    padded: bool = field(metadata={"static": True})
    """Whether any may have less than `batch_size` rows."""

    def rows(self, batch: Array | int) -> Array:
        """int32[batch_size], of the batch with this number within the epoch."""
        return self.schedule[batch - self.first]


def epoch_batches(order: Any, epoch: Array, num_rows: int, batch_size: int) -> Batches:
    """The batches in which an order takes its rows; `Batches` stand for themselves."""
    if isinstance(order, Batches):
        return order
    schedule = batches(order.rows(epoch, num_rows), batch_size)
    if isinstance(order, Part):
        return Batches(schedule, 0, order.steps(batch_size), True)
    return Batches(schedule, 0, steps_per_epoch(num_rows, batch_size), num_rows % batch_size != 0)


def take(data: PyTree, rows: Array) -> PyTree:
    """The given rows of every array of `data`; row -1 gives the first row, which a mask then hides."""
    safe = jnp.maximum(rows, 0)
    return jax.tree.map(lambda array: array.at[safe].get(mode="promise_in_bounds"), data)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InOrder:
    """Every epoch takes the rows as they stand."""

    def rows(self, epoch: Array, num_rows: int) -> Array:
        """int32[num_rows]."""
        return jnp.arange(num_rows, dtype=jnp.int32)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Fixed:
    """Every epoch takes the rows in one given order."""

    order: Array
    """int32[num_rows]."""

    def rows(self, epoch: Array, num_rows: int) -> Array:
        """int32[num_rows]."""
        return self.order


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Shuffled:
    """Every epoch takes the rows in an order of its own, a pure function of (words, epoch).

    A Feistel network over a grid just larger than the number of rows, walked until it lands inside:
    each position is computed by itself, so that an order costs O(n) and no sort.

    References: Black and Rogaway (2002), "Ciphers with arbitrary finite domains".
    """

    words: Array
    """uint32[2]."""

    @classmethod
    def from_seed(cls, seed: Any) -> "Shuffled":
        """From an int or a JAX key."""
        if isinstance(seed, int | np.integer):
            value = int(seed) % 2**64
            return cls(jnp.asarray([value & 0xFFFFFFFF, value >> 32], jnp.uint32))
        return cls(jax.random.bits(seed, (2,), jnp.uint32))

    def rows(self, epoch: Array, num_rows: int) -> Array:
        """A permutation of the rows: int32[num_rows]."""
        return permutation(self.words, epoch, num_rows)


class Part:
    """An order of the first rows of a longer table; how many they are is an input of programs."""

    num_rows: Array

    def steps(self, batch_size: int) -> Array:
        """int32 scalar, the batches of an epoch."""
        return -(-self.num_rows.astype(jnp.int32) // batch_size)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ShuffledPart(Part):
    """The order of `Shuffled` for the first rows of a longer table."""

    words: Array
    """uint32[2]."""
    num_rows: Array
    """uint32 scalar."""
    grid: Array
    """uint32[2], height and width of the grid that `permutation` walks."""

    @classmethod
    def of(cls, order: Shuffled, num_rows: int) -> "ShuffledPart":
        """The same order, of `num_rows` rows."""
        return cls(order.words, jnp.uint32(num_rows), jnp.asarray(_grid(num_rows), jnp.uint32))

    def rows(self, epoch: Array, places: int) -> Array:
        """A permutation of the first rows, and -1 behind it: int32[places]."""
        height, width = self.grid
        # One row of a grid for the whole table is more than lies beyond the rows in any grid for fewer.
        beyond = self.num_rows + jnp.arange(_grid(places)[0], dtype=jnp.uint32)
        excess = jnp.where(beyond < height * width, beyond, 0)
        order = _permuted(self.words, epoch, places, self.num_rows, (height, width), excess)
        return jnp.where(jnp.arange(places, dtype=jnp.uint32) < self.num_rows, order, -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FixedPart(Part):
    """The order of `Fixed` for the first rows of a longer table."""

    order: Array
    """int32[places], -1 behind the rows."""
    num_rows: Array
    """int32 scalar."""

    def rows(self, epoch: Array, places: int) -> Array:
        """int32[places]."""
        return self.order


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InOrderPart(Part):
    """The first rows of a longer table as they stand."""

    num_rows: Array
    """int32 scalar."""

    def rows(self, epoch: Array, places: int) -> Array:
        """int32[places], -1 behind the rows."""
        place = jnp.arange(places, dtype=jnp.int32)
        return jnp.where(place < self.num_rows, place, -1)


def part_of(order: Any, num_rows: int, places: int) -> Any:
    """An order of `num_rows` rows as one of a table with more places, for which one program serves."""
    if isinstance(order, Shuffled):
        return ShuffledPart.of(order, num_rows)
    if isinstance(order, Fixed):
        padded = jnp.pad(order.order, (0, places - num_rows), constant_values=-1)
        return FixedPart(padded, jnp.int32(num_rows))
    return InOrderPart(jnp.int32(num_rows))


def permutation(words: Array, epoch: Array | int, num_rows: int) -> Array:
    """The order of `num_rows` rows in one epoch: int32[num_rows]."""
    height, width = _grid(num_rows)
    excess = jnp.arange(num_rows, height * width, dtype=jnp.uint32)
    return _permuted(words, epoch, num_rows, num_rows, (np.uint32(height), np.uint32(width)), excess)


def _grid(num_rows: int) -> tuple[int, int]:
    """Height and width of a grid just large enough."""
    height = max(math.isqrt(num_rows - 1) + 1, 2)
    return height, -(-num_rows // height)


def _permuted(
    words: Array, epoch: Array | int, places: int, num_rows: Any, grid: tuple[Any, Any], excess: Array
) -> Array:
    """The order of `num_rows` rows, and behind it numbers of no meaning up to `places`: int32[places].

    Args:
      num_rows: an int or a uint32 scalar, as are height and width, `grid`.
      excess: uint32, the positions of the grid beyond the rows, in order; any others may follow them.
    """
    height, width = grid
    keys = _round_keys(words, jnp.asarray(epoch).astype(jnp.uint32))

    def going(walked: tuple[Array, Array]) -> Array:
        positions, steps = walked
        return (positions >= num_rows).any() & (steps < excess.size)

    def walk(walked: tuple[Array, Array]) -> tuple[Array, Array]:
        positions, steps = walked
        further = _feistel(positions, keys, height, width)
        return jnp.where(positions < num_rows, positions, further), steps + 1

    first = _first_places(places, keys, height, width)
    if not excess.size:
        return first.astype(jnp.int32)
    # Only the few positions beyond the range are walked on, and looked up by the rows that landed on them.
    # Those on a cycle that never enters the range are landed on by none: hence the bound.
    landed, _ = jax.lax.while_loop(going, walk, (_feistel(excess, keys, height, width), jnp.int32(0)))
    beyond = jnp.clip(first.astype(jnp.int32) - jnp.int32(num_rows), 0, excess.size - 1)
    return jnp.where(first < num_rows, first, landed[beyond]).astype(jnp.int32)


def _round_keys(words: Array, epoch: Array) -> Array:
    """uint32[2 * rounds], well mixed from seed and epoch."""
    counter = jnp.arange(1, 2 * _ROUNDS + 1, dtype=jnp.uint32) * np.uint32(0x9E3779B9)
    return _mix(_mix(_mix(counter ^ words[0]) + words[1]) ^ (epoch * np.uint32(0x85EBCA6B)))


def _first_places(num_rows: int, keys: Array, height: Any, width: Any) -> Array:
    """Where each row lands in the grid: uint32[num_rows].

    On CPUs a tile at a time: for more rows XLA shares each loop among threads, which costs more than it does.
    """
    if jax.default_backend() != "cpu":
        return _feistel(jnp.arange(num_rows, dtype=jnp.uint32), keys, height, width)
    tile = min(_TILE, num_rows)
    tiles = jnp.arange(-(-num_rows // tile) * tile, dtype=jnp.uint32).reshape(-1, tile)
    return jax.lax.map(lambda tile: _feistel(tile, keys, height, width), tiles).reshape(-1)[:num_rows]


def _feistel(positions: Array, keys: Array, height: Any, width: Any) -> Array:
    """A bijection of [0, height * width), both uint32."""

    def one_round(i: Array, halves: tuple[Array, Array]) -> tuple[Array, Array]:
        upper, lower = halves
        upper = _add_modulo(upper, _below(_mix(lower ^ keys[2 * i]), height), height)
        return upper, _add_modulo(lower, _below(_mix(upper ^ keys[2 * i + 1]), width), width)

    halves = positions // width, positions % width
    # On CPUs a loop: all rounds in one are no longer computed eight numbers at a time.
    upper, lower = jax.lax.fori_loop(0, _ROUNDS, one_round, halves, unroll=jax.default_backend() != "cpu")
    return upper * width + lower


def _add_modulo(value: Array, summand: Array, modulus: Any) -> Array:
    total = value + summand
    return jnp.where(total >= modulus, total - modulus, total)


def _below(word: Array, bound: Any) -> Array:
    """A number in [0, bound) from the upper half of a word; bound is at most 2**16."""
    return ((word >> 16) * bound) >> 16


def _mix(word: Array) -> Array:
    """A bijection of the 32-bit words that scatters them; its constants are those known as lowbias32."""
    word = (word ^ (word >> 16)) * np.uint32(0x7FEB352D)
    word = (word ^ (word >> 15)) * np.uint32(0x846CA68B)
    return word ^ (word >> 16)
