"""How a run lies on devices: the batch over one axis, wide layers perhaps over a second."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgd._checks import check_integer, unknown_name
from jaxgd._types import Array, PyTree

DATA, MODEL = "data", "model"
"""The axes of the mesh."""
ROWS = ("replicated", "sharded")


@dataclass(frozen=True)
class Layout:
    """A mesh of `data * model` devices and what lies where on it.

    The program stays the computation of one device: the same order of rows, dropout masks and batch
    statistics. XLA's partitioner divides it, so that results differ by rounding alone.

    Args:
      data: devices that share each batch. A batch that they do not divide is padded and masked.
      model: devices that share the columns of each kernel, and of its slots, whose width they divide; for
        layers that one device cannot hold.
      rows: "replicated" keeps all rows on every device and moves none; "sharded" gives every device its
        share of them, and a batch's rows are sent to their devices in each step. Several hosts always shard.

    Raises:
      TypeError, ValueError: a number below 1, more devices than there are, or an unknown word.
    >>> Layout(data=1).num_devices
    1
    """

    data: int = 1
    model: int = 1
    rows: str = "replicated"

    def __post_init__(self) -> None:
        for name in (DATA, MODEL):
            check_integer(f"devices.{name}", getattr(self, name), 1)
        if self.rows not in ROWS:
            raise unknown_name("devices.rows", self.rows, ROWS)
        check_exist(self.num_devices)

    @property
    def num_devices(self) -> int:
        """In the whole mesh."""
        return self.data * self.model

    @property
    def mesh(self) -> Mesh:
        """JAX's mesh; those of one process stand together."""
        return _mesh(self.data, self.model)

    @property
    def num_processes(self) -> int:
        """How many processes have a part of it."""
        return len({device.process_index for device in self.mesh.devices.flat})

    @property
    def by_rows(self) -> NamedSharding:
        """The first axis over the devices that share a batch."""
        return NamedSharding(self.mesh, PartitionSpec(DATA))

    @property
    def everywhere(self) -> NamedSharding:
        """Whole on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    def sharding_of(self, leaf: Any) -> NamedSharding:
        """Where a leaf of a run's state lies: a kernel's columns over `model`, the rest everywhere."""
        shape = jnp.shape(leaf)
        if self.model == 1 or len(shape) < 2 or shape[-1] % self.model:
            return self.everywhere
        return NamedSharding(self.mesh, PartitionSpec(*[None] * (len(shape) - 1), MODEL))

    def place(self, tree: PyTree) -> PyTree:
        """A state on its devices. All processes give the same values."""
        return jax.tree.map(lambda leaf: put(leaf, self.sharding_of(leaf)), tree)

    def spread(self, tree: PyTree) -> PyTree:
        """Whole on every device."""
        return jax.tree.map(lambda leaf: put(leaf, self.everywhere), tree)

    def constrain(self, tree: PyTree) -> PyTree:
        """Inside a program: `place`."""
        return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self.sharding_of(leaf)), tree)

    def gathered(self, tree: PyTree) -> PyTree:
        """A state as one device of this process holds it. With a second axis all processes must take part."""
        if self.model > 1:
            tree = jax.jit(lambda whole: whole, out_shardings=self.everywhere)(tree)
        return jax.tree.map(_local, tree)


@lru_cache
def _mesh(data: int, model: int) -> Mesh:
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(devices[: data * model]).reshape(data, model), (DATA, MODEL))


def check_exist(count: int) -> None:
    """Raises ValueError for more devices than there are."""
    there = jax.devices()
    if count <= len(there):
        return
    platform = there[0].platform
    advice = (
        f" A CPU shows more with XLA_FLAGS=--xla_force_host_platform_device_count={count}, set before JAX "
        "starts; they share its cores."
        if platform == "cpu"
        else ""
    )
    raise ValueError(f"devices: expected at most {len(there)} ({platform}), got {count}.{advice}")


def is_key(leaf: Any) -> bool:
    """Whether a leaf is a typed JAX key, which no NumPy array holds."""
    return jnp.issubdtype(getattr(leaf, "dtype", np.dtype(float)), jax.dtypes.prng_key)


def put(leaf: Any, sharding: NamedSharding) -> Array:
    """An array, the same in all processes, as one over the devices of the sharding."""
    if is_key(leaf):
        data = put(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    if sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    if getattr(leaf, "sharding", None) == sharding:
        return leaf
    value = np.asarray(leaf)
    return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])


def _local(leaf: Any) -> Any:
    if is_key(leaf):
        return jax.random.wrap_key_data(_local(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
    return jnp.asarray(np.asarray(leaf.addressable_data(0)))
