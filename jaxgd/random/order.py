"""The order of rows in which Keras trains, `fit(shuffle=True)`, reproduced on the host."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import check_integer
from jaxgd.random.philox import philox_block

_SEED_MODULUS = 2**31 - 1


def keras_epoch_order(seed: int, num_rows: int) -> np.ndarray:
    """The row numbers in the order in which every epoch of Keras's `fit` visits them.

    for i = 0, 1, ...: swap rows i and i + word[i] % (num_rows - i)

    The words are Philox's for the key `seed`. Keras starts this stream anew with each epoch, so after
    `keras.utils.set_random_seed` all epochs, and all calls of `fit` with as many rows, have one order.

    Args:
      seed: what `keras.utils.set_random_seed` was given.
      num_rows: number of training rows, those held out by `validation_split` not counted.

    Returns:
      int64[num_rows], a permutation.

    Raises:
      TypeError, ValueError: the seed is no integer of at least 0, or the number of rows none of at least 1.

    Keras: `fit(x, y, shuffle=True)` on NumPy arrays or tensors, on TensorFlow; equal for every batch size.

    >>> keras_epoch_order(3, 8).tolist()
    [7, 4, 2, 6, 5, 3, 0, 1]
    """
    seed = check_integer("seed", seed, 0) % _SEED_MODULUS
    num_rows = check_integer("num_rows", num_rows, 1)
    steps = _words(seed, num_rows - 1) % np.arange(num_rows, 1, -1)
    order = list(range(num_rows))
    for here, step in enumerate(steps.tolist()):
        order[here], order[here + step] = order[here + step], order[here]
    return np.asarray(order, np.int64)


def _words(seed: int, count: int) -> np.ndarray:
    """The first words of TensorFlow's generator, which never takes the pair of seeds 0, 0."""
    second = 0 if seed else _SEED_MODULUS
    index = jnp.arange(-(-count // 4), dtype=jnp.uint32)
    zeros = jnp.zeros_like(index)
    counter = (index, zeros, zeros + np.uint32(second), zeros)
    blocks = jax.jit(philox_block)(counter, (jnp.uint32(seed), jnp.uint32(0)))
    return np.stack(blocks, axis=-1).reshape(-1)[:count].astype(np.int64)
