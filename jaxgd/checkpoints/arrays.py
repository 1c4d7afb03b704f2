"""A pytree of arrays as named NumPy arrays, bit for bit, and back."""

import hashlib
import io
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._types import PyTree
from jaxgd.checkpoints.errors import CheckpointError


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """{path: leaf}, in the order of the tree. Raises CheckpointError if two paths read the same."""
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    named = {jax.tree_util.keystr(path, simple=True, separator="/") or "array": leaf for path, leaf in paths}
    if len(named) != len(paths):
        raise CheckpointError("two arrays have the same path; rename a layer whose name contains a slash.")
    return named


def dtype_name(leaf: Any) -> str:
    """The dtype as JAX names it, such as "float32", "bfloat16" or "key<fry>"."""
    return str(leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype)


def as_numpy(leaf: Any) -> np.ndarray:
    """Bits that NPZ can hold: a key's words, and dtypes that NumPy does not know as unsigned integers."""
    if _is_key(leaf):
        return np.asarray(jax.random.key_data(leaf))
    array = np.asarray(leaf)
    return array if array.dtype.isbuiltin == 1 else array.view(f"u{array.dtype.itemsize}")


def as_leaf(array: np.ndarray, like: Any) -> Any:
    """The inverse of `as_numpy`, of the dtype of `like` and on its devices."""
    if _is_key(like):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(like))
    dtype = np.dtype(like.dtype if hasattr(like, "dtype") else np.asarray(like).dtype)
    array = array if array.dtype == dtype else array.view(dtype)
    is_placed = isinstance(like, jax.Array) and like.committed
    return jax.device_put(array, like.sharding) if is_placed else jnp.array(array)


def npy_bytes(array: np.ndarray) -> bytes:
    """An array in NumPy's own format."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def from_npy(content: bytes) -> np.ndarray:
    """The inverse of `npy_bytes`. Raises ValueError; allocates nothing that the content does not fill."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"NPY format {version}, expected (1, 0)")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError("Python objects are not read")
    values = np.frombuffer(content, dtype, offset=stream.tell())
    return values.reshape(shape, order="F" if fortran_order else "C")


def digest(array: np.ndarray) -> str:
    """sha256 of the array's bytes, in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def shown(dtype: str, shape: Any) -> str:
    """A dtype and a shape in a message.

    >>> shown("float32", (3, 2))
    'float32[3,2]'
    """
    return f"{dtype}[{','.join(map(str, shape))}]"


def check_names(found: set[str], expected: set[str], where: str) -> None:
    """Raises CheckpointError that lists every name that is missing or too many."""
    missing, extra = sorted(expected - found), sorted(found - expected)
    if missing or extra:
        raise CheckpointError(
            f"{where}: the arrays are not those expected: missing {', '.join(missing) or 'none'}; "
            f"not expected {', '.join(extra) or 'none'}."
        )


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
