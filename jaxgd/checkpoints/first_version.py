"""Checkpoints of version 1: a folder with `manifest.json` beside the NPZ file that it names. Only read."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.checkpoints.arrays import check_names, digest, from_npy
from jaxgd.checkpoints.errors import CheckpointError

MANIFEST = "manifest.json"
_MAX_MANIFEST = 64 * 2**20
_MAX_HEADER = 4096


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """{name: bits} and {name: dtype}. Raises CheckpointError, or what a damaged archive raises."""
    path = folder / MANIFEST
    if not path.is_file():
        raise CheckpointError(f"{folder}: holds no checkpoint.")
    if path.stat().st_size > _MAX_MANIFEST:
        raise CheckpointError(f"{path}: larger than {_MAX_MANIFEST} bytes.")
    manifest = json.loads(path.read_bytes())
    if not isinstance(manifest, dict) or set(manifest) != {"version", "file", "arrays"}:
        raise CheckpointError(f"{path}: expected the fields version, file and arrays.")
    if manifest["version"] != 1:
        raise CheckpointError(f"{path}: version {manifest['version']!r}, expected 1.")
    name, listed = manifest["file"], manifest["arrays"]
    if not isinstance(name, str) or Path(name).name != name or not isinstance(listed, dict):
        raise CheckpointError(f"{path}: expected a file's name and a table of arrays.")
    with zipfile.ZipFile(folder / name) as archive:
        members = archive.namelist()
        check_names(set(members), {f"{each}.npy" for each in listed}, str(folder / name))
        arrays = {each: _read_array(archive, each, entry, folder / name) for each, entry in listed.items()}
    return arrays, {each: str(entry["dtype"]) for each, entry in listed.items()}


def _read_array(archive: zipfile.ZipFile, name: str, entry: Any, path: Path) -> np.ndarray:
    where = f"{path}, {name!r}"
    if not isinstance(entry, dict) or set(entry) != {"shape", "dtype", "sha256"}:
        raise CheckpointError(f"{where}: expected shape, dtype and sha256.")
    member = archive.getinfo(f"{name}.npy")
    largest = int(np.prod(entry["shape"], dtype=np.int64)) * 16 + _MAX_HEADER
    if member.file_size > largest:
        raise CheckpointError(f"{where}: declares {member.file_size} bytes, more than its shape takes.")
    array = from_npy(archive.read(member))
    if list(array.shape) != entry["shape"] or digest(array) != entry["sha256"]:
        raise CheckpointError(f"{where}: the content is not what the manifest says.")
    return array
