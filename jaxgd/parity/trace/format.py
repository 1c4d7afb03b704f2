"""The file of a recording: a zip archive with `manifest.json` and one `.npy` an array. No pickles.

`numpy.load` opens it too. The manifest holds the recording's facts and the SHA-256 of every array.
"""

import hashlib
import io
import json
import math
import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.parity.trace.recording import Recording, TraceError, check_recording

FORMAT = "jaxgd-trace"
VERSION = 1
"""The version of the format that `write_trace` writes; `read_trace` refuses newer ones."""
MANIFEST = "manifest.json"
MAX_BYTES = 2 * 2**30
MAX_MANIFEST = 2**24
MAX_ARRAYS = 100_000
_DTYPES = ("<f4", "<f8", "<i4", "<i8", "|u1", "|b1")
_PATH = re.compile(r"[\w.:-]+(/[\w.:-]+)*")
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<descr>[<|a-z0-9]{3})', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]{0,200})\), \} *\n",
    re.DOTALL,
)
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError)


def write_trace(path: str | os.PathLike[str], recording: Recording) -> None:
    """Write a recording. Equal recordings give equal bytes.

    Raises:
      TraceError: the recording is incomplete, or has an array of a dtype that the format does not have.
      OSError: the file cannot be written.
    """
    check_recording(recording)
    entries, contents = {}, {}
    for name, array in sorted(recording.arrays.items()):
        stored = _storable(name, array)
        contents[name] = _npy(stored)
        entries[name] = {"dtype": stored.dtype.str, "shape": list(stored.shape), "sha256": _digest(stored)}
    manifest = {"format": FORMAT, "version": VERSION, **recording.facts, "arrays": entries}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _add(archive, MANIFEST, json.dumps(manifest, indent=1, allow_nan=False).encode())
        for name, content in contents.items():
            _add(archive, f"{name}.npy", content)
    Path(path).write_bytes(buffer.getvalue())


def _storable(name: str, array: Any) -> np.ndarray:
    stored = np.ascontiguousarray(array).reshape(np.shape(array))
    if stored.dtype.str not in _DTYPES or not _PATH.fullmatch(name):
        raise TraceError(f"{name}: an array of {stored.dtype} at this path cannot be written.")
    return stored


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _digest(array: np.ndarray) -> str:
    """SHA-256 of the array's bytes in C order, little endian."""
    return hashlib.sha256(array.tobytes()).hexdigest()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _TIMESTAMP)
    info.external_attr = 0o600 << 16
    archive.writestr(info, content, zipfile.ZIP_DEFLATED, 9)


def read_trace(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Recording:
    """Read a recording and check every array against its checksum.

    Raises:
      TraceError: not a trace, a newer version, damaged, incomplete, or larger than `max_bytes`.
      OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                manifest = _manifest(archive)
                arrays = _arrays(archive, manifest["arrays"], max_bytes)
        except TraceError as error:
            raise TraceError(f"{os.fspath(path)}: {error}") from error
        except _DAMAGE as error:
            raise TraceError(f"{os.fspath(path)}: not a trace, or damaged ({error}).") from error
    facts = {key: value for key, value in manifest.items() if key not in ("format", "version", "arrays")}
    try:
        return check_recording(Recording(facts, arrays))
    except TraceError as error:
        raise TraceError(f"{os.fspath(path)}: {error}") from error


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    if MANIFEST not in archive.namelist() or archive.getinfo(MANIFEST).file_size > MAX_MANIFEST:
        raise TraceError(f"no {MANIFEST}; this is not a trace.")
    manifest = json.loads(archive.read(MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise TraceError(f"{MANIFEST}: expected the format {FORMAT!r}; this is not a trace.")
    version = manifest.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        advice = "it was written by a newer jaxgd; install that version." if newer else "it is not known."
        raise TraceError(f"version {version!r} of the format, this jaxgd reads {VERSION}: {advice}")
    entries = manifest.get("arrays")
    if manifest.get("dtype") not in ("float32", "float64"):
        raise TraceError(f"dtype: expected float32 or float64, got {manifest.get('dtype')!r}.")
    if not isinstance(entries, dict) or len(entries) > MAX_ARRAYS:
        raise TraceError(f"arrays: expected an object with at most {MAX_ARRAYS} entries.")
    return manifest


def _arrays(archive: zipfile.ZipFile, entries: dict[str, Any], max_bytes: int) -> dict[str, np.ndarray]:
    found, expected = set(archive.namelist()) - {MANIFEST}, {f"{name}.npy" for name in entries}
    if found != expected or len(archive.namelist()) != len(found) + 1:
        odd = sorted(found ^ expected)
        raise TraceError(f"the archive and its manifest list different arrays: {', '.join(odd[:5])}.")
    total = sum(_declared_bytes(name, entry) for name, entry in entries.items())
    if total > max_bytes:
        raise TraceError(f"{total:,} bytes are declared, more than max_bytes={max_bytes:,}.")
    return {name: _array(archive, name, entry) for name, entry in entries.items()}


def _declared_bytes(name: str, entry: Any) -> int:
    valid = isinstance(entry, dict) and entry.get("dtype") in _DTYPES and isinstance(entry.get("shape"), list)
    if not valid or not all(isinstance(size, int) and size >= 0 for size in entry["shape"]):
        raise TraceError(f"arrays: {name}: expected dtype (one of {', '.join(_DTYPES)}), shape and sha256.")
    return math.prod(entry["shape"]) * np.dtype(entry["dtype"]).itemsize


def _array(archive: zipfile.ZipFile, name: str, entry: dict[str, Any]) -> np.ndarray:
    member = f"{name}.npy"
    if archive.getinfo(member).file_size > _declared_bytes(name, entry) + 10_000:
        raise TraceError(f"{name}: the archive holds more bytes than the manifest declares.")
    array = _parsed(archive.read(member), name, entry)
    if _digest(array) != entry.get("sha256"):
        raise TraceError(f"{name}: its checksum is wrong; the file was changed or damaged.")
    return array


def _parsed(content: bytes, name: str, entry: dict[str, Any]) -> np.ndarray:
    """The array of a `.npy` whose header says what the manifest says; nothing of the header is evaluated."""
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    found = _HEADER.match(content)
    if found is None or found["descr"].decode() != entry["dtype"] or _sizes(found["shape"]) != shape:
        raise TraceError(f"{name}: expected the .npy of a {entry['dtype']} array {list(shape)} in C order.")
    start = 10 + int.from_bytes(content[8:10], "little")
    if len(content) != start + _declared_bytes(name, entry):
        raise TraceError(f"{name}: it does not hold as many bytes as the manifest declares.")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).copy()


def _sizes(text: bytes) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(b",") if size.strip())
