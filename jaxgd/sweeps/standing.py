"""Where the open members of a sweep stand, and how they are run: saved beside the journal of the others.

One checkpoint holds all open members, those of a family stacked, so that few arrays are written however many
they are. Which families there are and in which form and width they run is part of it: a sweep that goes on
with them gives the bits that it would have given.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgd._types import PyTree
from jaxgd.checkpoints import CheckpointError, CheckpointFolder, Contents, differences, locked
from jaxgd.sweeps.family import Family, Members, concatenated, spec_of
from jaxgd.sweeps.lane import Begun
from jaxgd.sweeps.padding import PaddedFamily
from jaxgd.sweeps.plan import Plan
from jaxgd.sweeps.trial import Trial
from jaxgd.training.history import History

_KEEP = 2
_SHARE = 10.0
"""Saving takes at most one part in so many of the time."""


class Standing(NamedTuple):
    """Everything that a sweep knows of members that have not ended."""

    until: int
    """The epochs after which members pause now; the last of them is a rung of its own."""
    begun: Mapping[int, Begun]
    """{number: where it paused last}."""
    under_way: Mapping[int, Begun]
    """{number: where it stands}, for those that went on from there."""


def folder_of(journal: str | Path) -> Path:
    """Where the checkpoints of the sweep with this journal are."""
    return Path(f"{journal}.checkpoint")


@contextmanager
def held(journal: str | Path | None) -> Iterator[None]:
    """Hold a journal, if there is one, inside the block.

    Raises:
      FolderInUseError: another sweep holds it.
      OSError: its folder cannot be made.
    """
    if journal is None:
        yield
        return
    folder = folder_of(journal)
    folder.mkdir(exist_ok=True)
    with locked(folder):
        yield


class Saves:
    """The checkpoints of a sweep.

    Args:
      journal: the file that they stand beside; `held`.
      keys: of the trials, by number.
      identity: what must be the same for members to go on, in plain values.
      every: seconds between two checkpoints.
    """

    def __init__(
        self, journal: str | Path, keys: Sequence[str], identity: Mapping[str, Any], every: float
    ) -> None:
        self.files = CheckpointFolder(folder_of(journal), _KEEP)
        self.keys = keys
        self.identity = dict(identity)
        self.every = every
        self.saved_at = time.monotonic()
        self.took = 0.0

    def load(self, trials: Sequence[Trial]) -> "Saved | None":
        """The newest checkpoint that is whole; None if there is none.

        Raises:
          CheckpointError: it is of another sweep, or none is whole.
        """
        if not self.files.folder.exists():
            return None
        self.files.tidy()
        contents = self.files.latest(self._accept)
        return None if contents is None else Saved(contents, trials, self.keys)

    @property
    def due(self) -> bool:
        """Whether it is time for another one."""
        return time.monotonic() - self.saved_at >= max(self.every, _SHARE * self.took)

    def save(self, standing: Standing, plans: Sequence[tuple[Family, Plan]]) -> None:
        """Write a checkpoint. Raises OSError."""
        started = time.monotonic()
        self.files.folder.mkdir(exist_ok=True)
        tree, facts = {}, {"identity": self.identity, "until": standing.until, "families": []}
        for place, (family, plan) in enumerate(plans):
            begun, begun_facts = self._packed(family, standing.begun)
            under_way, under_way_facts = self._packed(family, standing.under_way)
            tree[str(place)] = {"begun": begun, "under_way": under_way}
            facts["families"].append(
                {
                    "keys": [self.keys[number] for number in family.trials],
                    "padded": isinstance(family, PaddedFamily),
                    "form": plan.form,
                    "width": plan.width,
                    "begun": begun_facts,
                    "under_way": under_way_facts,
                }
            )
        self.files.save(tree, facts, None)
        self.saved_at = time.monotonic()
        self.took = self.saved_at - started

    def _packed(self, family: Family, several: Mapping[int, Begun]) -> tuple[PyTree, list[Any]]:
        """Those of a family, stacked, and for each its key, whether it ran alone, and its rows of history."""
        numbers = [number for number in family.trials if number in several]
        if not numbers:
            return {}, []
        begun = [several[number] for number in numbers]
        recorded = [each.history for each in begun if len(each.history.numbers)]
        names = recorded[0].columns if recorded else ()
        tree = {
            "members": concatenated([each.members for each in begun]),
            "numbers": np.concatenate([each.history.numbers for each in begun]),
            "columns": {name: np.concatenate([each[name] for each in recorded]) for name in names},
        }
        facts = [[each.alone, len(each.history.numbers)] for each in begun]
        return tree, [[self.keys[number], *fact] for number, fact in zip(numbers, facts, strict=True)]

    def _accept(self, contents: Contents) -> Contents:
        lines = differences(contents.facts.get("identity"), self.identity)
        if lines:
            raise CheckpointError(
                f"{contents.path.parent}: holds members of another sweep: {'; '.join(lines)}. Give the "
                "settings and the data of that sweep, or another journal."
            )
        return contents


class Saved:
    """A checkpoint of a sweep that was read.

    Args:
      contents: of the file.
      trials, keys: of the sweep that goes on; its grid may have grown.
    """

    def __init__(self, contents: Contents, trials: Sequence[Trial], keys: Sequence[str]) -> None:
        self.contents = contents
        self.trials = trials
        self.places = {key: number for number, key in enumerate(keys)}
        self.entries: dict[Family, tuple[int, Any]] = {}

    @property
    def until(self) -> int:
        """The rung that the sweep was at."""
        return int(self.contents.facts["until"])

    def plans(self) -> list[tuple[Family, Plan]]:
        """The families whose trials are all part of this sweep, with the plans they had."""
        found = []
        for place, entry in enumerate(self.contents.facts["families"]):
            if not all(key in self.places for key in entry["keys"]):
                continue
            trials = {self.places[key]: self.trials[self.places[key]] for key in entry["keys"]}
            family = PaddedFamily(trials) if entry["padded"] else Family(_spec(trials), trials)
            self.entries[family] = place, entry
            reason = f"{len(trials)} members as before: {entry['form']} of {entry['width']}"
            found.append((family, Plan(entry["form"], entry["width"], reasons=[reason])))
        return found

    def standing(self) -> Standing:
        """Where the members of these families stood.

        Raises:
          CheckpointError: an array that is missing, extra or different.
        """
        begun: dict[int, Begun] = {}
        under_way: dict[int, Begun] = {}
        for family, (place, entry) in self.entries.items():
            begun |= self._unpacked(family, f"{place}/begun", entry["begun"])
            under_way |= self._unpacked(family, f"{place}/under_way", entry["under_way"])
        return Standing(self.until, begun, under_way)

    def _unpacked(self, family: Family, where: str, facts: Sequence[Any]) -> dict[int, Begun]:
        if not facts:
            return {}
        part = self.contents.below(where)
        members = part.below("members").tree(_like(family, len(facts)))
        members = jax.device_get(members)
        rows, columns = part.arrays["numbers"], part.below("columns").arrays
        names = [name for name in family.example.columns if name in columns]
        found, start = {}, 0
        for place, (key, alone, count) in enumerate(facts):
            own = slice(start, start + count)
            history = History.of_rows({name: columns[name][own] for name in names}, rows[own])
            found[self.places[key]] = Begun(members.take([place]), history, alone)
            start += count
        return found


def _like(family: Family, count: int) -> Members:
    """Members of a family, for names, shapes and dtypes."""
    one = family.start([next(iter(family.trials))])
    return jax.tree.map(lambda leaf: np.zeros((count, *leaf.shape[1:]), leaf.dtype), one)


def _spec(trials: Mapping[int, Trial]) -> Any:
    return spec_of(next(iter(trials.values())))
