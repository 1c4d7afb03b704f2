"""The journal of a sweep: a line for every member that ended, so that a sweep can be continued.

A line is a checksum and one JSON object. Lines are only ever appended; one that was cut off while it was
written is the last, and is dropped. Members are known by what they are, not by their place, so that a grid
may have grown since.
"""

import base64
import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd._types import Params
from jaxgd.checkpoints import describe
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.history import History

_VERSION = 2
_PLAIN = ("status", "best_epoch", "stopped_early", "restored", "diverged_at", "steps")


class JournalError(ValueError):
    """A journal that is damaged, or none. The message says which line.

    >>> issubclass(JournalError, ValueError)
    True
    """


class Journal:
    """A file of ended members.

    Args:
      path: of the file; made when the first member has ended.
      trials: of the sweep.

    Raises:
      JournalError: a line whose checksum is wrong.
      OSError: the file cannot be read or written.
    """

    def __init__(self, path: str | Path, trials: Sequence[Trial]) -> None:
        self.path = Path(path)
        digests: dict[int, str] = {}
        self.keys = _unlike([trial_key(trial, digests) for trial in trials])
        self.ended = self._read(trials)

    def append(self, members: Sequence[Member]) -> None:
        """Write members that ended; they are on the disk when this returns.

        Raises:
          OSError: they cannot be written; no part of them is there then.
        """
        text = "".join(_line(self.keys[member.number], member) for member in members)
        with self.path.open("ab", buffering=0) as stream:
            end = stream.seek(0, os.SEEK_END)
            try:
                _write_all(stream.fileno(), text.encode())
                os.fsync(stream.fileno())
            except BaseException:
                os.ftruncate(stream.fileno(), end)
                raise

    def _read(self, trials: Sequence[Trial]) -> dict[int, Member]:
        """{number: member} of those of these trials that ended."""
        if not self.path.exists():
            return {}
        places = {key: number for number, key in enumerate(self.keys)}
        found, good = {}, 0
        content = self.path.read_bytes()
        for number, line in enumerate(content.splitlines(keepends=True), start=1):
            if not line.endswith(b"\n"):  # cut off while it was written
                break
            entry = _entry(line)
            if entry is None:
                raise JournalError(f"{self.path}, line {number}: damaged; remove the file to start anew.")
            good += len(line)
            place = places.get(str(entry.get("key")))
            if place is not None:
                found[place] = _member(place, trials[place], entry, f"{self.path}, line {number}")
        if good < len(content):
            with self.path.open("r+b") as stream:
                stream.truncate(good)
        return found


def trial_key(trial: Trial, digests: dict[int, str]) -> str:
    """What a trial is, as 64 hexadecimal digits: equal for trials that compute the same, in any process."""
    fold = id(trial.fold)
    if fold not in digests:
        digests[fold] = _digest_of(trial.fold)
    objective, model = trial.objective, trial.model
    parts = describe(
        [
            _VERSION,
            digests[fold],
            (model.layers, model.input_shape, model.dtype, model.precision),
            (objective.loss, objective.metrics, objective.weighted_metrics),
            (trial.optimizer.rule, sorted(trial.optimizer.hyperparameters.items())),
            (trial.epochs, trial.batch_size, trial.shuffle, trial.seed, trial.early_stopping),
        ]
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def key_of(keys: Sequence[str]) -> str:
    """What several trials are together."""
    return hashlib.sha256("".join(sorted(keys)).encode()).hexdigest()


def _unlike(keys: Sequence[str]) -> list[str]:
    """The keys, those of trials that compute the same told apart by their order."""
    seen: Counter[str] = Counter()
    told = []
    for key in keys:
        told.append(f"{key}:{seen[key]}" if seen[key] else key)
        seen[key] += 1
    return told


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _digest_of(fold: Fold) -> str:
    digest = hashlib.sha256()
    for part in (fold.training, fold.validation or {}):
        for name, array in part.items():
            values = np.ascontiguousarray(array)
            digest.update(f"{name} {values.dtype} {values.shape};".encode())
            digest.update(values.tobytes())
    for layer, leaves in sorted(fold.statistics.items()):
        for leaf, value in sorted(leaves.items()):
            digest.update(f"{layer}/{leaf};".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _line(key: str, member: Member) -> str:
    params = {} if member.params is None else member.params
    entry = {
        "key": key,
        **{name: getattr(member, name) for name in _PLAIN},
        "history": {name: _packed(values) for name, values in member.history.columns.items()},
        "params": {
            layer: {leaf: _packed(value) for leaf, value in of.items()} for layer, of in params.items()
        },
    }
    text = json.dumps(entry)
    return f"{_checksum(text.encode())} {text}\n"


def _entry(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None if it is damaged."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if checksum.decode("ascii", "replace") != _checksum(text):
        return None
    return json.loads(text)


def _checksum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]


def _member(number: int, trial: Trial, entry: Mapping[str, Any], where: str) -> Member:
    try:
        place = entry["diverged_at"]
        params: Params = {
            layer: {leaf: _unpacked(value) for leaf, value in of.items()}
            for layer, of in entry["params"].items()
        }
        history = History({name: _unpacked(values) for name, values in entry["history"].items()})
        plain = {name: entry[name] for name in _PLAIN if name != "diverged_at"}
    except (KeyError, TypeError, ValueError) as error:
        raise JournalError(f"{where}: not a member ({error!r}).") from error
    return Member(
        number=number,
        settings=trial.settings,
        seed=trial.seed,
        fold=trial.fold.number,
        model=trial.model,
        params=params or None,
        history=history,
        diverged_at=None if place is None else (int(place[0]), int(place[1])),
        **plain,
    )


def _packed(array: Any) -> list[Any]:
    values = np.ascontiguousarray(array)
    return [values.dtype.name, list(values.shape), base64.b64encode(values.tobytes()).decode("ascii")]


def _unpacked(packed: Sequence[Any]) -> np.ndarray:
    name, shape, text = packed
    return np.frombuffer(base64.b64decode(text), np.dtype(name)).reshape(shape).copy()
