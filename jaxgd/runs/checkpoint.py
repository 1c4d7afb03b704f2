"""Checkpoints: a pytree of arrays as an NPZ beside a manifest. Nothing is pickled, nothing is guessed.

The manifest names the array file, and is replaced last: until then the old checkpoint is the one that counts.
"""

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgd._types import PyTree
from jaxgd.runs.atomic import write_bytes, write_text

MANIFEST = "manifest.json"
_VERSION = 1
_MAX_HEADER = 4096
_MAX_MANIFEST = 64 * 2**20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, OSError)


class CheckpointError(ValueError):
    """A checkpoint that is damaged, incomplete, or of something else. The message says what and where.

    >>> issubclass(CheckpointError, ValueError)
    True
    """


def save_checkpoint(folder: Path, state: PyTree) -> None:
    """Write every array of a pytree; a checkpoint that is there already is replaced at the last moment.

    Args:
      folder: made if it is missing.
      state: a pytree of arrays, JAX keys among them, such as a `TrainState`.

    Raises:
      OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: _as_numpy(leaf) for name, leaf in _named_leaves(state).items()}
    content = _npz(arrays)
    name = f"arrays-{hashlib.sha256(content).hexdigest()[:16]}.npz"
    write_bytes(folder / name, content)
    listed = {key: _entry(array, _dtype_name(leaf)) for (key, leaf), array in _paired(state, arrays)}
    manifest = {"version": _VERSION, "file": name, "arrays": listed}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    for old in folder.glob("arrays-*.npz"):
        if old.name != name:
            old.unlink()


def load_checkpoint(folder: Path, like: PyTree) -> PyTree:
    """The pytree that `save_checkpoint` wrote.

    Args:
      folder: of the checkpoint.
      like: a pytree of the same structure, whose names, shapes and dtypes are the ones expected.

    Raises:
      CheckpointError: an array that is missing, or there without being expected; another shape or dtype;
        content whose sha256 is not the manifest's; a file that is no checkpoint.
    """
    listed, path = _read_manifest(folder)
    expected = _named_leaves(like)
    _check_same_names(set(listed), set(expected), folder / MANIFEST)
    for name, leaf in expected.items():
        _check_entry(listed[name], leaf, f"{folder / MANIFEST}, {name!r}")
    arrays = _read_arrays(path, listed)
    leaves = [_as_leaf(arrays[name], leaf) for name, leaf in expected.items()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _named_leaves(tree: PyTree) -> dict[str, Any]:
    """{path: leaf}, in the order of the tree."""
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/") or "array": leaf for path, leaf in paths}


def _paired(state: PyTree, arrays: dict[str, np.ndarray]) -> Any:
    return zip(_named_leaves(state).items(), arrays.values(), strict=True)


def _is_key(leaf: Any) -> bool:
    return jax.numpy.issubdtype(jax.numpy.asarray(leaf).dtype, jax.dtypes.prng_key)


def _dtype_name(leaf: Any) -> str:
    return str(jax.numpy.asarray(leaf).dtype)


def _as_numpy(leaf: Any) -> np.ndarray:
    """Bits that NPZ can hold: a key's words, and dtypes that NumPy does not know as unsigned integers."""
    if _is_key(leaf):
        return np.asarray(jax.random.key_data(leaf))
    array = np.asarray(leaf)
    return array if array.dtype.isbuiltin == 1 else array.view(f"u{array.dtype.itemsize}")


def _as_leaf(array: np.ndarray, like: Any) -> Any:
    if _is_key(like):
        return jax.random.wrap_key_data(jax.numpy.asarray(array), impl=jax.random.key_impl(like))
    dtype = jax.numpy.asarray(like).dtype
    return jax.numpy.asarray(array if array.dtype == dtype else array.view(dtype))


def _entry(array: np.ndarray, dtype: str) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": dtype, "sha256": _digest(array)}


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """Equal arrays give equal bytes: every member carries the same date."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return stream.getvalue()


def _read_manifest(folder: Path) -> tuple[dict[str, Any], Path]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _MAX_MANIFEST:
            raise CheckpointError(f"{path}: larger than {_MAX_MANIFEST} bytes.")
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: no manifest that can be read ({error}).") from error
    if not isinstance(manifest, dict) or set(manifest) != {"version", "file", "arrays"}:
        raise CheckpointError(f"{path}: expected the fields version, file and arrays.")
    if manifest["version"] != _VERSION:
        raise CheckpointError(f"{path}: version {manifest['version']!r}, expected {_VERSION}.")
    name, listed = manifest["file"], manifest["arrays"]
    if not isinstance(name, str) or Path(name).name != name or not isinstance(listed, dict):
        raise CheckpointError(f"{path}: expected a file's name and a table of arrays.")
    return listed, folder / name


def _check_same_names(found: set[str], expected: set[str], where: Path) -> None:
    missing, extra = sorted(expected - found), sorted(found - expected)
    if missing or extra:
        raise CheckpointError(f"{where}: missing {missing or 'none'}, not expected {extra or 'none'}.")


def _check_entry(entry: Any, leaf: Any, where: str) -> None:
    if not isinstance(entry, dict) or set(entry) != {"shape", "dtype", "sha256"}:
        raise CheckpointError(f"{where}: expected shape, dtype and sha256.")
    expected = (list(_as_numpy(leaf).shape), _dtype_name(leaf))
    if (entry["shape"], entry["dtype"]) != expected:
        got = f"{entry['dtype']}{entry['shape']}"
        raise CheckpointError(f"{where}: expected {expected[1]}{expected[0]}, got {got}.")


def _read_arrays(path: Path, listed: dict[str, Any]) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [member.filename for member in archive.infolist()]
            _check_same_names(set(names), {f"{name}.npy" for name in listed}, path)
            if len(set(names)) != len(names):
                raise CheckpointError(f"{path}: an array comes twice.")
            return {name: _read_array(archive, name, entry, path) for name, entry in listed.items()}
    except _BROKEN as error:
        raise CheckpointError(f"{path}: not an array file that can be read ({error}).") from error


def _read_array(archive: zipfile.ZipFile, name: str, entry: dict[str, Any], path: Path) -> np.ndarray:
    where = f"{path}, {name!r}"
    member = archive.getinfo(f"{name}.npy")
    largest = int(np.prod(entry["shape"], dtype=np.int64)) * 16 + _MAX_HEADER
    if member.file_size > largest:
        raise CheckpointError(f"{where}: declares {member.file_size} bytes, more than its shape takes.")
    try:
        array = np.lib.format.read_array(io.BytesIO(archive.read(member)), allow_pickle=False)
    except ValueError as error:
        raise CheckpointError(f"{where}: not an array that can be read ({error}).") from error
    if list(array.shape) != entry["shape"] or _digest(array) != entry["sha256"]:
        raise CheckpointError(f"{where}: the content is not what the manifest says.")
    return array
