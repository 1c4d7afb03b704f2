"""A folder of checkpoints of one run: the last ones and the best one, each a whole file."""

import math
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jaxgd._types import PyTree
from jaxgd.checkpoints.errors import CheckpointError, CheckpointVersionError, CheckpointWarning
from jaxgd.checkpoints.file import Contents, read_checkpoint, save_checkpoint
from jaxgd.checkpoints.first_version import MANIFEST as FIRST_MANIFEST

_NAME = re.compile(r"checkpoint-([0-9]{8,})\.npz")


class CheckpointFolder:
    """The checkpoints of one run, numbered in the order in which they were written.

    No clock is read: neither the order nor what is kept depends on the time of a file.

    Args:
      folder: made if it is missing.
      keep: how many of the last checkpoints stay; the best one stays besides.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep
        self.scores: dict[int, float] = {}

    def numbers(self) -> list[int]:
        """Of the checkpoints that are there, oldest first."""
        matches = [_NAME.fullmatch(path.name) for path in self.folder.iterdir()]
        return sorted(int(match[1]) for match in matches if match)

    def path(self, number: int) -> Path:
        """Where a checkpoint is."""
        return self.folder / f"checkpoint-{number:08d}.npz"

    def tidy(self) -> None:
        """Removes what a process that was killed while it wrote has left half done."""
        for path in self.folder.glob(".checkpoint-*.tmp"):
            path.unlink(missing_ok=True)

    def save(self, state: PyTree, facts: Mapping[str, Any], score: float | None) -> Path:
        """Write the next checkpoint, then remove what is neither among the last nor the best.

        Args:
          state: a pytree of arrays.
          facts: as in `save_checkpoint`.
          score: lower is better; None if nothing was measured yet.
        """
        number = 1 + max(self.numbers(), default=0)
        is_score = score is not None and math.isfinite(score)
        save_checkpoint(self.path(number), state, {**facts, "score": score if is_score else None})
        if is_score and score is not None:
            self.scores[number] = score
        self._prune()
        return self.path(number)

    def latest(self, accept: Callable[[Contents], Any]) -> Any:
        """What `accept` makes of the newest checkpoint that is whole, or None if there is none.

        A damaged one is left where it is, and said.

        Raises:
          CheckpointError: there are checkpoints, but none is whole; or `accept` refuses the newest whole one;
            or the folder is itself a checkpoint of format 1, which does not say where in a run it is.
        """
        if (self.folder / FIRST_MANIFEST).exists():
            raise CheckpointError(
                f"{self.folder}: a checkpoint of format 1, which does not say where in a run it is. Read it "
                "with load_checkpoint, give it to fit as state, and give another folder."
            )
        damaged = []
        for number in reversed(self.numbers()):
            try:
                contents = read_checkpoint(self.path(number))
            except CheckpointVersionError:
                raise
            except CheckpointError as error:
                damaged.append(str(error))
                continue
            for line in damaged:
                warnings.warn(f"{line} Going on from {contents.path.name}.", CheckpointWarning, stacklevel=2)
            self._read_scores()
            return accept(contents)
        if damaged:
            raise CheckpointError(f"{damaged[0]} No older checkpoint is whole; nothing was changed.")
        return None

    def _read_scores(self) -> None:
        for number in self.numbers():
            with suppress(CheckpointError):
                score = read_checkpoint(self.path(number)).facts.get("score")
                if isinstance(score, int | float):
                    self.scores[number] = float(score)

    def _prune(self) -> None:
        numbers = self.numbers()
        scored = {number: self.scores[number] for number in numbers if number in self.scores}
        best = min(scored, key=lambda number: (scored[number], number), default=None)
        for number in numbers[: -self.keep]:
            if number != best:
                self.path(number).unlink(missing_ok=True)
