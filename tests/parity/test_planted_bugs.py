"""Bugs planted in jaxgd one at a time: the catalogue catches every one, and is green without it."""

import keras
import pytest

from jaxgd.optimizers.adam import AdamRule
from jaxgd.parity import planted
from jaxgd.parity.planted_bugs import BUGS

assert keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def caught():
    return planted.run_all()


def test_every_bug_is_caught(caught):
    missed = [f"{each.name}: {each.message}" for each in caught if not each.caught]
    assert not missed, "\n".join(missed)
    assert len(caught) == len({each.name for each in caught}) >= 25


def test_a_change_without_effect_is_not_called_caught():
    harmless = planted.Bug(
        "harmless", "nothing", BUGS[0].cases, (planted.Change(BUGS[0].changes[0].place, lambda old: old),)
    )
    result = planted.run(harmless)
    assert result.clean
    assert not result.caught
    assert result.message == "every case still passes"


def test_a_bug_is_taken_back_even_after_an_error():
    before = AdamRule.leaf
    seen = []

    def fail():
        with planted.planted(BUGS[0]):
            seen.append(AdamRule.leaf)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert seen != [before]
    assert AdamRule.leaf is before


def test_inherited_functions_are_taken_back_too():
    bug = next(bug for bug in BUGS if bug.name == "subgradient of the absolute value")
    place, name = bug.changes[0].owner()
    before = getattr(place, name)
    with planted.planted(bug):
        assert getattr(place, name) is not before
    assert getattr(place, name) is before


def test_a_bug_without_cases_is_an_error():
    with pytest.raises(ValueError, match="no case has"):
        planted.cases_of(planted.Bug("x", "y", "optimizer/Nothing", ()))
