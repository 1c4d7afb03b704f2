"""Known bugs, planted in jaxgd one at a time: the catalogue has to catch each of them.

A bug replaces functions of the library while a few cases run, and takes them back afterwards. The cases must
pass without it and fail with it.
"""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jaxgd.parity.case import Case

Replace = Callable[[Any], Any]


@dataclass(frozen=True)
class Change:
    """One replacement: `place` is "module:attribute" or "module:Class.attribute", `make(old)` the new."""

    place: str
    make: Replace

    def owner(self) -> tuple[Any, str]:
        """The object that holds the attribute, and the attribute's name."""
        module, _, path = self.place.partition(":")
        owner: Any = importlib.import_module(module)
        *parents, name = path.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        return owner, name


@dataclass(frozen=True)
class Bug:
    """A mistake that people make.

    Attributes:
      name: short.
      change: what is done instead of what is right.
      cases: ids of the cases that must catch it: all that contain this text.
      changes: what is replaced.
    """

    name: str
    change: str
    cases: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Caught:
    """What came of a planted bug.

    Attributes:
      clean: whether the cases pass without the bug.
      caught: whether they do, and one fails with it.
      message: what that case said.
    """

    name: str
    change: str
    clean: bool
    caught: bool
    message: str


@contextlib.contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """jaxgd with a bug, nothing compiled before or after being used on the other side."""
    places = [change.owner() for change in bug.changes]
    before = [vars(owner).get(name, _MISSING) for owner, name in places]
    forget_programs()
    try:
        for change, (owner, name) in zip(bug.changes, places, strict=True):
            setattr(owner, name, change.make(getattr(owner, name)))
        yield
    finally:
        for (owner, name), old in zip(places, before, strict=True):
            if old is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, old)
        forget_programs()


_MISSING = object()


def forget_programs() -> None:
    """Drop every compiled program, so that changed functions are traced again."""
    import jax

    from jaxgd import _programs

    jax.clear_caches()
    _programs._programs.clear()


def cases_of(bug: Bug) -> list[Case]:
    """The cases that must catch a bug. Raises ValueError if there are none."""
    from jaxgd.parity import catalogue

    family = catalogue.FAMILIES[bug.cases.split("/", 1)[0]]
    found = [case for case in family.cases() if bug.cases in case.id]
    if not found:
        raise ValueError(f"planted bug {bug.name!r}: no case has {bug.cases!r} in its id.")
    return found


def run(bug: Bug) -> Caught:
    """Run the bug's cases without and with it."""
    clean = [outcome for outcome in _outcomes(bug) if not outcome.passed]
    with planted(bug):
        failed = next((outcome for outcome in _outcomes(bug) if not outcome.passed), None)
    if clean:
        return Caught(bug.name, bug.change, False, False, f"not green without the bug: {clean[0].message}")
    if failed is None:
        return Caught(bug.name, bug.change, True, False, "every case still passes")
    return Caught(bug.name, bug.change, True, True, f"{failed.case.id}: {failed.message}")


def _outcomes(bug: Bug) -> Iterator[Any]:
    from jaxgd.parity.catalogue import FAMILIES
    from jaxgd.parity.judge import judge

    return (judge(FAMILIES[case.family], case) for case in cases_of(bug))


def run_all(processes: int | None = None) -> list[Caught]:
    """Every planted bug, in several processes."""
    from jaxgd.parity import runner
    from jaxgd.parity.planted_bugs import BUGS

    return runner.in_processes(run_named, [bug.name for bug in BUGS], processes)


def run_named(name: str) -> Caught:
    """`run` of the bug of that name; a bug itself holds functions, which no other process can be sent."""
    from jaxgd.parity.planted_bugs import BUGS

    return run(next(bug for bug in BUGS if bug.name == name))
