"""Checkpoints of a `fit`: when they are written, what is in them, and what may go on from them."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from jaxgd._checks import check_integer, check_real, wrong
from jaxgd._environment import environment, flags
from jaxgd.checkpoints import (
    CheckpointError,
    CheckpointFolder,
    CheckpointWarning,
    Contents,
    differences,
    locked,
)
from jaxgd.checkpoints.arrays import check_names
from jaxgd.scaling import HostsError, hosts
from jaxgd.training.divergence import Divergence
from jaxgd.training.history import History
from jaxgd.training.restoring import Anchor, Best
from jaxgd.training.run import RunState

_COMPARED = ("jaxgd", "jax", "jaxlib", "python", "system", "backend", "devices")


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often a run is saved while it goes on.

    A run that finds a checkpoint of its own in the folder continues from it, bit for bit as if it had never
    ended. SIGTERM, unless the program has a handler of its own, saves and then ends the process. So does
    Ctrl-C, which then raises KeyboardInterrupt; Ctrl-C again does so without waiting for the chunk to end.

    Args:
      folder: of this run alone.
      every: seconds between two checkpoints; 0 saves after every chunk, of about a quarter of a second.
      every_steps: saves after so many steps too; None for time alone.
      keep: how many of the last checkpoints stay; the one with the best `monitor` stays besides.
      monitor: a column of the history; None is early stopping's, else "val_loss" or "loss".

    Raises:
      TypeError, ValueError: a number that is none or out of range.
    """

    folder: str | PathLike[str]
    every: float = 30.0
    every_steps: int | None = None
    keep: int = 3
    monitor: str | None = None

    def __post_init__(self) -> None:
        check_real("every", self.every, 0.0)
        check_integer("keep", self.keep, 1)
        if self.every_steps is not None:
            check_integer("every_steps", self.every_steps, 1)
        if not isinstance(self.folder, str | PathLike):
            raise TypeError(f"checkpoint: expected a folder, got {self.folder!r}.")
        if not str(self.folder):
            raise wrong("checkpoint", self.folder, "the name of a folder")

    @classmethod
    def of(cls, given: Any) -> "Checkpoint | None":
        """A `Checkpoint`, a folder or None as a `Checkpoint` or None."""
        return given if given is None or isinstance(given, Checkpoint) else cls(given)


class Position(NamedTuple):
    """Everything that a run knows between two chunks."""

    state: RunState
    history: History
    anchor: Anchor | None = None
    """Where to go back to after a divergence; None for a run that then stops."""
    restored: tuple[Divergence, ...] = ()
    """The divergences that the run went back from."""


@dataclass(frozen=True)
class Goal:
    """What a score is made of: a column of the history, and whether more of it is better."""

    monitor: str
    larger_is_better: bool

    def score(self, history: History) -> float | None:
        """Lower is better; None before the first epoch."""
        value = history.last().get(self.monitor)
        return -value if value is not None and self.larger_is_better else value


class Saver:
    """The checkpoints of one run under way.

    Args:
      settings: when to save, and where.
      identity: what the run is, in plain values; see `checkpoints.describe`.
      goal: which checkpoint is the best.
      num_devices: that share a batch; another number is said, as it rounds in another order.
      former_rows: the data of the run as checkpoints of format 2 describe it; None if none of them can be
        of such a run.
    """

    def __init__(
        self,
        settings: Checkpoint,
        identity: Mapping[str, Any],
        goal: Goal,
        num_devices: int = 1,
        former_rows: Callable[[], Any] | None = None,
    ) -> None:
        self.settings = settings
        self.identity = dict(identity)
        self.goal = goal
        self.former_rows = former_rows
        self.files = CheckpointFolder(Path(settings.folder), settings.keep)
        self.environment = _environment() | ({"devices of the run": num_devices} if num_devices > 1 else {})
        self.saved_at = time.monotonic()
        self.saved: tuple[int, int] | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Hold the folder inside the block. Raises FolderInUseError or OSError."""
        if not hosts.is_first():
            yield  # what the first process writes, the others read
            return
        if os.path.lexists(self.files.folder) and not self.files.folder.is_dir():
            raise FileExistsError(
                f"{self.files.folder}: is no folder; give another name for the checkpoints."
            )
        self.files.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.files.folder):
            self.files.tidy()
            self.saved_at = time.monotonic()
            yield

    def load(self, like: Position, columns: Sequence[str]) -> Position | None:
        """Where the run stood when it was last saved; None if it never was.

        Args:
          like: a position of the same run, for the names, shapes and dtypes.
          columns: of its history, in order.

        Raises:
          CheckpointError: what is there is of another run, or damaged.
        """
        position = self.files.latest(lambda contents: self._accept(contents, like, columns))
        if position is not None:
            self.saved = _moment(position)
        return position

    def check_shared(self, position: Position) -> None:
        """Raises HostsError if the processes found different checkpoints."""
        if hosts.num_processes() == 1:
            return
        moments = hosts.meet("the checkpoints", list(_moment(position)))
        for process, moment in enumerate(moments):
            if moment != moments[0]:
                raise HostsError(
                    f"{self.files.folder}: process 0 goes on from step {moments[0][0]}, process {process} "
                    f"from {moment[0]}. The folder must be one that all hosts share."
                )

    def check_epochs(self, position: Position, epochs: int) -> None:
        """Raises CheckpointError if the run is further than it is asked to go."""
        epoch, batch = int(position.state.epoch), int(position.state.batch)
        if (epoch, batch) > (epochs, 0):
            raise CheckpointError(
                f"{self.files.folder}: the run there is in epoch {epoch + bool(batch)} already, more than "
                f"epochs={epochs}. Ask for as many or more, or give another folder."
            )

    def next_step(self, step: int, limit: int) -> int:
        """`limit`, or the step before it at which a checkpoint is due."""
        every = self.settings.every_steps
        return limit if every is None else min(limit, (step // every + 1) * every)

    def is_due(self, position: Position) -> bool:
        """Whether the time or the number of steps has come."""
        step, every = int(position.state.train.step), self.settings.every_steps
        is_step = every is not None and step % every == 0
        return is_step or time.monotonic() - self.saved_at >= self.settings.every

    def save(self, position: Position) -> None:
        """Save now, unless nothing has happened since the last time. Raises OSError."""
        if _moment(position) == self.saved or not hosts.is_first():
            return
        history, anchor = position.history, position.anchor
        tree = {"state": position.state, "numbers": history.numbers, "history": history.columns}
        if anchor is not None:
            tree["anchor"] = anchor.state
        facts = {
            "identity": self.identity,
            "step": int(position.state.train.step),
            "epoch": int(position.state.epoch),
            "batch": int(position.state.batch),
            "best": None if anchor is None else anchor.best,
            "restored": [each.to_dict() for each in position.restored],
            "environment": self.environment,
        }
        self.files.save(tree, facts, self.goal.score(history))
        self.saved_at, self.saved = time.monotonic(), _moment(position)

    def _accept(self, contents: Contents, like: Position, columns: Sequence[str]) -> Position:
        facts = contents.facts
        saved = facts.get("identity")
        if contents.version == 2:
            saved = self._migrated(saved, contents.path)
        lines = differences(saved, self.identity)
        if lines:
            raise CheckpointError(
                f"{contents.path.parent}: holds a checkpoint of another run: {'; '.join(lines)}. Give the "
                "settings and the data of that run, or another folder."
            )
        self._tell_environment(contents)
        anchor = like.anchor
        parts = {name.split("/", 1)[0] for name in contents.arrays} - {"history"}
        check_names(parts, {"state", "numbers", *(["anchor"] if anchor else [])}, str(contents.path))
        if anchor is not None:
            anchor = Anchor(contents.below("anchor").tree(anchor.state), Best(*facts["best"]))
        return Position(
            state=contents.below("state").tree(like.state),
            history=_history(contents, columns),
            anchor=anchor,
            restored=tuple(Divergence.from_dict(each) for each in facts["restored"]),
        )

    def _migrated(self, saved: Any, path: Path) -> Any:
        """What the run of a checkpoint of format 2 is, with the checksums of today if the data are these."""
        warnings.warn(
            f"{path}: written in format 2 by an earlier jaxgd, and migrated; results may differ from an "
            "uninterrupted run's in the last bits.",
            CheckpointWarning,
            stacklevel=2,
        )
        if self.former_rows is None or not isinstance(saved, Mapping):
            return saved
        is_same = saved.get("data") == self.former_rows()
        return {**saved, "data": self.identity["data"]} if is_same else saved

    def _tell_environment(self, contents: Contents) -> None:
        lines = differences(contents.facts.get("environment"), self.environment)
        if lines:
            warnings.warn(
                f"{contents.path}: goes on in another environment ({'; '.join(lines)}); results may differ "
                "from an uninterrupted run's in the last bits.",
                CheckpointWarning,
                stacklevel=2,
            )


def _moment(position: Position) -> tuple[int, int]:
    """What is another number whenever something has happened."""
    return int(position.state.train.step), len(position.restored)


def _history(contents: Contents, columns: Sequence[str]) -> History:
    numbers, arrays = contents.arrays["numbers"], contents.below("history").arrays
    if not arrays and not len(numbers):  # before the first epoch there is no column yet
        return History()
    check_names(set(arrays), set(columns), str(contents.path))
    return History.of_rows({name: arrays[name] for name in columns}, numbers)


def _environment() -> dict[str, Any]:
    found = environment()
    return {**{name: found[name] for name in _COMPARED}, "flags": flags()}
