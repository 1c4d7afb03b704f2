"""One checkpoint as one file: an NPZ that NumPy opens, with a manifest and a checksum of everything.

    manifest.json      version, who wrote it, facts, and shape, dtype and sha256 of every array
    <name>.npy ...     the arrays, stored as they are: nothing is compressed, nothing is pickled
    archive comment    sha256 of all bytes before it

It is not safetensors, which has no checksums and no place for structured facts, and not orbax, which brings a
storage engine for sharded arrays of terabytes, and folders of many files; states here are a few megabytes.
"""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxgd
from jaxgd._atomic import write_bytes
from jaxgd._types import PyTree
from jaxgd.checkpoints.arrays import (
    as_leaf,
    as_numpy,
    check_names,
    digest,
    dtype_name,
    from_npy,
    named_leaves,
    npy_bytes,
    shown,
)
from jaxgd.checkpoints.errors import CheckpointError, CheckpointVersionError
from jaxgd.checkpoints.first_version import read as read_first_version

VERSION = 3
_READ = (2, 3)
"""Format 2 is 3 with other checksums of a run's data (see `training.checkpointing`); format 1 is a folder."""
_MANIFEST = "manifest.json"
_FIELDS = {"version", "jaxgd", "facts", "arrays"}
_DIGEST_LENGTH = 64
_DATE = (1980, 1, 1, 0, 0, 0)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, OSError)
_BROKEN += (ValueError, RecursionError, struct.error, UnicodeError, OverflowError, MemoryError)


class Contents(NamedTuple):
    """A checkpoint that was read and found whole.

    Attributes:
      path: of the file.
      facts: as they were given to `save_checkpoint`.
      arrays: {name: bits, as `as_numpy` makes them}.
      dtypes: {name: dtype as JAX names it}.
      version: of the format.
    """

    path: Path
    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]
    dtypes: dict[str, str]
    version: int = VERSION

    def tree(self, like: PyTree) -> PyTree:
        """The arrays in the structure of `like`.

        Raises:
          CheckpointError: a name, a shape or a dtype that is missing, extra or different; all are listed.
        """
        expected = named_leaves(like)
        check_names(set(self.arrays), set(expected), str(self.path))
        wrong = [text for name, leaf in expected.items() if (text := self._difference(name, leaf))]
        if wrong:
            raise CheckpointError(f"{self.path}: {'; '.join(wrong)}.")
        leaves = [as_leaf(self.arrays[name], leaf) for name, leaf in expected.items()]
        return jax.tree.unflatten(jax.tree.structure(like), leaves)

    def below(self, prefix: str) -> "Contents":
        """The part whose names begin with `prefix/`, without it."""
        names = [name for name in self.arrays if name.startswith(f"{prefix}/")]
        start = len(prefix) + 1
        arrays = {name[start:]: self.arrays[name] for name in names}
        return self._replace(arrays=arrays, dtypes={name[start:]: self.dtypes[name] for name in names})

    def _difference(self, name: str, leaf: Any) -> str:
        expected = shown(dtype_name(leaf), as_numpy(leaf).shape)
        got = shown(self.dtypes[name], self.arrays[name].shape)
        return "" if got == expected else f"{name}: expected {expected}, got {got}"


def save_checkpoint(path: Path, state: PyTree, facts: Mapping[str, Any] | None = None) -> None:
    """Write every array of a pytree into one file, which is there whole or not at all.

    Args:
      path: of the file; what is there is replaced at the last moment.
      state: a pytree of arrays, JAX keys among them.
      facts: what else belongs to it, as JSON takes it.

    Raises:
      OSError: it cannot be written; the old file, if any, is untouched then.
    """
    leaves = named_leaves(state)
    arrays = {name: as_numpy(leaf) for name, leaf in leaves.items()}
    listed = {name: _entry(array, dtype_name(leaves[name])) for name, array in arrays.items()}
    manifest = {"version": VERSION, "jaxgd": jaxgd.__version__, "facts": dict(facts or {}), "arrays": listed}
    write_bytes(path, _encode(manifest, arrays))


def load_checkpoint(path: Path, like: PyTree) -> PyTree:
    """The pytree that `save_checkpoint` wrote.

    Args:
      path: of the file, or a folder that version 1 wrote.
      like: a pytree of the same structure, whose names, shapes and dtypes are the ones expected.

    Raises:
      CheckpointError: the file is damaged, of a newer version, or not of something like `like`.
    """
    return read_checkpoint(path).tree(like)


def read_checkpoint(path: Path) -> Contents:
    """A checkpoint with its checksums verified. Raises CheckpointError."""
    if path.is_dir():
        return Contents(path, {}, *_guarded(path, lambda: read_first_version(path)), version=1)
    return _guarded(path, lambda: _decode(path))


def _guarded(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except CheckpointError:
        raise
    except _BROKEN as error:
        raise CheckpointError(f"{path}: not a checkpoint that can be read ({error}).") from error


def _entry(array: np.ndarray, dtype: str) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": dtype, "sha256": digest(array)}


def _encode(manifest: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Equal contents give equal bytes: every member carries the same date."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_MANIFEST, _DATE), json.dumps(manifest, allow_nan=False))
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), npy_bytes(array))
        archive.comment = b"0" * _DIGEST_LENGTH
    content = stream.getvalue()[:-_DIGEST_LENGTH]
    return content + hashlib.sha256(content).hexdigest().encode()


def _decode(path: Path) -> Contents:
    content = path.read_bytes()
    body, comment = content[:-_DIGEST_LENGTH], content[-_DIGEST_LENGTH:]
    is_whole = hashlib.sha256(body).hexdigest().encode() == comment
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        manifest = _check_manifest(json.loads(_member(archive, _MANIFEST)), path)
        listed = manifest["arrays"]
        members = {f"{name}.npy" for name in listed} | {_MANIFEST}
        check_names(set(archive.namelist()), members, str(path))
        arrays = {name: _read_array(archive, name, entry, path) for name, entry in listed.items()}
    if not is_whole:
        raise CheckpointError(f"{path}: damaged; its checksum is not that of its content.")
    dtypes = {name: str(entry["dtype"]) for name, entry in listed.items()}
    return Contents(path, manifest["facts"], arrays, dtypes, manifest["version"])


def _check_manifest(manifest: Any, path: Path) -> dict[str, Any]:
    if not isinstance(manifest, dict) or not {"version", "jaxgd"} <= set(manifest):
        raise CheckpointError(f"{path}: expected a manifest with the fields {', '.join(sorted(_FIELDS))}.")
    if manifest["version"] not in _READ:
        raise CheckpointVersionError(
            f"{path}: written in format {manifest['version']} by jaxgd {manifest['jaxgd']}; this is jaxgd "
            f"{jaxgd.__version__}, which reads formats 1 to {VERSION}. Install "
            f"jaxgd {manifest['jaxgd']} or newer."
        )
    tables = [manifest.get("facts"), manifest.get("arrays")]
    if set(manifest) != _FIELDS or not all(isinstance(table, dict) for table in tables):
        raise CheckpointError(f"{path}: expected a manifest with the fields {', '.join(sorted(_FIELDS))}.")
    return manifest


def _read_array(archive: zipfile.ZipFile, name: str, entry: Any, path: Path) -> np.ndarray:
    if not isinstance(entry, dict) or set(entry) != {"shape", "dtype", "sha256"}:
        raise CheckpointError(f"{path}, {name!r}: expected shape, dtype and sha256 in the manifest.")
    array = from_npy(_member(archive, f"{name}.npy"))
    if list(array.shape) != entry["shape"] or digest(array) != entry["sha256"]:
        raise CheckpointError(f"{path}, {name!r}: damaged; the content is not what the manifest says.")
    return array


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a member; one that is compressed, and could be of any size, is refused."""
    found = archive.getinfo(name)
    if found.compress_type != zipfile.ZIP_STORED or found.file_size != found.compress_size:
        raise CheckpointError(f"{archive.filename or name}: expected members that are not compressed.")
    return archive.read(found)
