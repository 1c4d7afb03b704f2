"""What a rung of the ladder is, and how close is equal on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxgd.parity.comparator import Comparison, Tolerance
from jaxgd.parity.replay import ROUNDING, Replay
from jaxgd.parity.trace.recording import Recording, flat

Status = Literal["passed", "failed", "flipped", "skipped"]

EXACT, CLOSE = ROUNDING["float64"], ROUNDING["float32"]
DRIFT = 5e-5
"""How far rounding may take a float32 run from the float64 truth, of the norm of all parameters."""
FOREIGN = 1e-4
"""Relative error allowed of float32 updates by a rule that is optax's, not Keras's."""
EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23}


@dataclass(frozen=True)
class Rung:
    """What one comparison found.

    Attributes:
      name: of the rung.
      status: "passed", "failed", "flipped" (equal but for named entries at a kink) or "skipped".
      message: the worst element with its path, or why it was skipped.
      error: max |difference| / max |expected|, if anything was compared.
      bit_equal: whether every number was the same.
    """

    name: str
    status: Status
    message: str = ""
    error: float | None = None
    bit_equal: bool = False

    def __str__(self) -> str:
        parts = [f"{self.status:7}", f"{self.name:10}", self.size, self.message]
        return "  ".join(part for part in parts if part).rstrip()

    @property
    def size(self) -> str:
        """The error in a word, for a rung that held; a broken rung's message says more."""
        if self.error is None or self.status == "failed":
            return ""
        return "bit-equal" if self.bit_equal else f"error {self.error:.2g}"


def judged(name: str, comparison: Comparison, note: str = "") -> Rung:
    """The rung of a comparison; the message of one that passed is only the note."""
    status: Status = "passed" if comparison.passed else "failed"
    message = note if comparison.passed else "; ".join(part for part in (str(comparison), note) if part)
    return Rung(name, status, message, comparison.norm_error, comparison.bit_equal)


def skipped(name: str, why: str) -> Rung:
    return Rung(name, "skipped", why)


def below(recording: Recording, prefix: str) -> dict[str, np.ndarray]:
    """{path below the prefix: array}."""
    return flat(recording.tree(prefix))


def each_leaf(recording: Recording, expected: Mapping[str, np.ndarray]) -> Tolerance:
    """float64: 1e-12 of a leaf's largest, or of 1/1000 of the tree's; float32: 2e-6 of the tree's largest."""
    if recording.dtype == "float32":
        return Tolerance(CLOSE, scope="tree")
    largest = max((float(np.abs(each).max(initial=0.0)) for each in expected.values()), default=0.0)
    return Tolerance(EXACT, floor=largest / 1000)


def whole(recording: Recording) -> Tolerance:
    return Tolerance(CLOSE if recording.dtype == "float32" else EXACT, scope="leaf")


def steps_of(replay: Replay) -> str:
    """How many steps were compared, for a message."""
    return f"{replay.recording.steps} steps"
