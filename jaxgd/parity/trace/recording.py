"""A recorded training run: what some framework computed, step by step, and what it was told to compute.

Everything is plain data, so that a run recorded where one framework is can be compared where it is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

REQUIRED = ("data/x", "data/y", "schedule", "losses")
"""Arrays that every recording has, besides `params/...` and `grads/...`.

Of several inputs or outputs they are numbered: `data/x/0`, `data/x/1` and so on.
"""


class TraceError(ValueError):
    """A recording that is damaged, incomplete, or of a version that is not known."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What one training run was, and every number in it.

    Attributes:
      facts: plain JSON values: `name`, `framework`, `dtype`, `model`, `loss`, `metrics`, `weighted_metrics`,
        `optimizer`, `seed`, `random`, `batch_size`, `epochs`; docs/parity-traces.md says what each holds.
      arrays: {path: array}; `params/<layer>/<leaf>` [steps + 1, ...] and so on.
    """

    facts: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    @property
    def name(self) -> str:
        """What the recording is called."""
        return str(self.facts.get("name", "recording"))

    @property
    def dtype(self) -> str:
        """ "float32" or "float64"."""
        return str(self.facts["dtype"])

    @property
    def steps(self) -> int:
        """How many updates were recorded."""
        return len(self.arrays["losses"])

    def has(self, prefix: str) -> bool:
        """Whether any array stands at `prefix` or below it."""
        return bool(self.below(prefix))

    def below(self, prefix: str) -> list[str]:
        """The paths that are `prefix` or below it."""
        return [path for path in self.arrays if path == prefix or path.startswith(f"{prefix}/")]

    @property
    def num_rows(self) -> int:
        """How many rows the data has."""
        return len(self.arrays[self.below("data/x")[0]])

    def each(self, path: str, count: int) -> list[np.ndarray | None]:
        """One array for each of `count` inputs or outputs: at `path` if that is one, else at `path/0` and on.

        >>> Recording({}, {"data/x/1": np.zeros(2)}).each("data/x", 2)
        [None, array([0., 0.])]
        """
        if count == 1 or path in self.arrays:
            return [self.arrays.get(path)] * count
        return [self.arrays.get(f"{path}/{index}") for index in range(count)]

    def tree(self, prefix: str) -> dict[str, Any]:
        """The arrays below `prefix` as nested dicts.

        >>> Recording({}, {"params/dense/bias": np.zeros(2)}).tree("params")
        {'dense': {'bias': array([0., 0.])}}
        """
        start = f"{prefix}/"
        return nested(
            {path.removeprefix(start): a for path, a in self.arrays.items() if path.startswith(start)}
        )


def check_recording(recording: Recording) -> Recording:
    """`recording`, if its arrays belong together.

    Raises:
      TraceError: an array is missing, or has another number of steps or rows than the rest.
    """
    arrays = recording.arrays
    for path in REQUIRED:
        if not recording.has(path):
            raise TraceError(f"{path}: missing.")
    if not recording.has("params") or not recording.has("grads"):
        raise TraceError("params, grads: expected at least one array of each.")
    _check_schedule(arrays["schedule"], recording.num_rows, recording.steps)
    lengths = {"params": recording.steps + 1, "state": recording.steps + 1, "masks": recording.steps}
    for path, array in arrays.items():
        expected = {**lengths, "grads": recording.steps}.get(path.split("/")[0])
        if path.startswith("data/"):
            expected = recording.num_rows
        if expected is not None and (array.ndim == 0 or len(array) != expected):
            raise TraceError(f"{path}: expected {expected} entries, got shape {list(array.shape)}.")
    return recording


def _check_schedule(schedule: np.ndarray, num_rows: int, steps: int) -> None:
    if schedule.ndim != 2 or len(schedule) != steps or steps == 0 or schedule.dtype.kind not in "iu":
        raise TraceError(
            f"schedule: expected integers [{steps}, batch], got {schedule.dtype} {list(schedule.shape)}."
        )
    if schedule.size == 0 or schedule.min() < -1 or schedule.max() >= num_rows:
        raise TraceError(f"schedule: expected rows in [-1, {num_rows - 1}].")


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, np.ndarray]:
    """{path: array} of nested mappings, without what is None."""
    found: dict[str, np.ndarray] = {}
    for key, value in tree.items():
        path = f"{prefix}/{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            found |= flat(value, path)
        elif value is not None:
            found[path] = np.asarray(value)
    return found


def nested(flat_tree: Mapping[str, Any]) -> dict[str, Any]:
    """{path: array} as nested dicts: the inverse of `flat`.

    >>> nested({"dense/bias": 1})
    {'dense': {'bias': 1}}
    """
    root: dict[str, Any] = {}
    for path, value in flat_tree.items():
        node = root
        *parents, leaf = path.split("/")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return root
