"""Rows of a run on several devices: whole on each, or each with its share."""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec

from jaxgd._types import Array, PyTree
from jaxgd.scaling.layout import DATA, Layout
from jaxgd.training.batching import take


@jax.tree_util.register_pytree_node_class
class Rows:
    """Rows of training or validation on the devices of a layout, in the place of {name: array}.

    Args:
      arrays: {name: array of rows}, as `place_rows` lays them.
      num_rows: how many there are; a sharded array is padded beyond them.
      layout: where they lie.
    """

    def __init__(self, arrays: Mapping[str, Any], num_rows: int, layout: Layout) -> None:
        self.arrays = dict(arrays)
        self.num_rows = num_rows
        self.layout = layout

    def tree_flatten(self) -> tuple[tuple[dict[str, Any]], tuple[int, Layout]]:
        return (self.arrays,), (self.num_rows, self.layout)

    @classmethod
    def tree_unflatten(cls, aux: tuple[int, Layout], children: Any) -> "Rows":
        return cls(children[0], *aux)

    def batch(self, rows: Array) -> tuple[dict[str, PyTree], Array]:
        """The given rows, each on the device that computes it, and int32 row numbers, padded with -1."""
        rows = jnp.pad(rows, (0, -rows.shape[0] % self.layout.data), constant_values=-1)
        by_rows = self.layout.by_rows
        if self.layout.rows == "replicated":
            rows = lax.with_sharding_constraint(rows, by_rows)
            batch = take(self.arrays, rows)
        else:
            batch = _sent(self.arrays, rows, self.layout)
            rows = lax.with_sharding_constraint(rows, by_rows)
        return jax.tree.map(lambda array: lax.with_sharding_constraint(array, by_rows), batch), rows

    def on_host(self, rows: Array) -> dict[str, PyTree]:
        """The given rows in one place, without padding. All processes must take part."""
        whole = jax.jit(lambda data, rows: data.batch(rows)[0], out_shardings=self.layout.everywhere)
        batch = self.layout.gathered(whole(self, rows))
        return jax.tree.map(lambda array: array[: rows.shape[0]], batch)


def _sent(arrays: Mapping[str, PyTree], rows: Array, layout: Layout) -> dict[str, PyTree]:
    """A batch's rows from the devices that hold them to those that compute them.

    Every device looks up those it has, and their bits are added up: zeros and one number, which is exact.
    """

    @partial(
        jax.shard_map,
        mesh=layout.mesh,
        in_specs=(PartitionSpec(DATA), PartitionSpec()),
        out_specs=PartitionSpec(DATA),
    )
    def send(arrays: Mapping[str, PyTree], rows: Array) -> PyTree:
        return jax.tree.map(lambda array: _send(array, rows), arrays)

    return send(arrays, jnp.maximum(rows, 0))


def _send(array: Array, rows: Array) -> Array:
    place = rows - lax.axis_index(DATA) * array.shape[0]
    mine = (place >= 0) & (place < array.shape[0])
    found = array.at[jnp.clip(place, 0, array.shape[0] - 1)].get(mode="promise_in_bounds")
    unsigned = jnp.dtype(f"uint{array.dtype.itemsize * 8}")
    bits = lax.bitcast_convert_type(found, unsigned)
    bits = jnp.where(mine.reshape(-1, *[1] * (array.ndim - 1)), bits, jnp.zeros((), unsigned))
    bits = lax.psum_scatter(bits, DATA, scatter_dimension=0, tiled=True)
    return lax.bitcast_convert_type(bits, array.dtype)


Data: TypeAlias = Mapping[str, Any] | Rows
"""What a program takes rows from."""


def place_rows(data: Mapping[str, PyTree], num_rows: int, layout: Layout) -> Rows:
    """Rows on their devices.

    Args:
      data: {name: array}; with several processes each gives the rows of `own_range`.
      num_rows: of all processes together.
      layout: where they shall lie.
    """
    if layout.rows == "replicated":
        return Rows(layout.spread(dict(data)), num_rows, layout)
    return Rows(jax.tree.map(partial(_shards, num_rows, layout), dict(data)), num_rows, layout)


def _shards(num_rows: int, layout: Layout, array: Any) -> Array:
    value = np.asarray(array)
    shape = (block_size(num_rows, layout) * layout.data, *value.shape[1:])
    first, last = own_range(num_rows, layout)
    padded = np.zeros((own_devices(layout) * block_size(num_rows, layout), *value.shape[1:]), value.dtype)
    padded[: last - first] = value[: last - first]
    return jax.make_array_from_process_local_data(layout.by_rows, padded, shape)


def block_size(num_rows: int, layout: Layout) -> int:
    """Rows on each device."""
    return -(-num_rows // layout.data)


def own_devices(layout: Layout) -> int:
    """How many places along the batch this process has."""
    return len(_own_places(layout))


def own_range(num_rows: int, layout: Layout) -> tuple[int, int]:
    """The first row of this process, and the first that is no longer its own."""
    places, block = _own_places(layout), block_size(num_rows, layout)
    return min(places[0] * block, num_rows), min((places[-1] + 1) * block, num_rows)


def _own_places(layout: Layout) -> list[int]:
    mine = jax.process_index()
    return [
        place
        for place, devices in enumerate(layout.mesh.devices)
        if any(device.process_index == mine for device in devices)
    ]


def num_rows_of(data: Any) -> int:
    """How many rows there are in {name: array} or `Rows`."""
    return data.num_rows if isinstance(data, Rows) else data["x"].shape[0]
