"""Peers that cannot be loaded, raise, hang, die or print: each is a row that says so, the bench goes on."""

import sys
import textwrap
import time

import pytest

from jaxgd.bench import workloads
from jaxgd.bench.child import Child, PeerError
from jaxgd.bench.figures import base_of, reference_of, rows_of
from jaxgd.bench.measuring import Effort, measure
from jaxgd.bench.programs import Program

PEER = """
import os, sys, time
import numpy as np
print("a library that talks while it is loaded")

class Right:
    def __init__(self, case):
        from jaxgd.bench.reference import Reference
        self.make = lambda: Reference(case, False)
    def reset(self):
        self.reference = self.make()
    def run(self, epochs):
        print("and while it runs")
        os.write(1, b"whoever writes it\\n")
        self.reference.loss(epochs)
    def weights(self):
        return self.reference.descent.weights

class WrongRate(Right):
    def __init__(self, case):
        case.learning_rate *= 3
        super().__init__(case)

class Refuses(Right):
    def __init__(self, case):
        raise ValueError("this network cannot be said here")

class FailsLater(Right):
    calls = 0
    def run(self, epochs):
        self.calls += 1
        if self.calls > 3:
            raise RuntimeError("broken after a while")
        super().run(epochs)

class Hangs(Right):
    def run(self, epochs):
        time.sleep(1000)

class Dies(Right):
    def run(self, epochs):
        print("last words", file=sys.stderr, flush=True)
        os._exit(3)

PEERS = {each.__name__: each for each in (Right, WrongRate, Refuses, FailsLater, Hangs, Dies)}
def versions():
    return {"peer": "1.0"}
"""


@pytest.fixture
def start(tmp_path):
    """Starts a program of the given text; ended with the test."""
    children = []

    def make(text):
        (tmp_path / "peer.py").write_text(textwrap.dedent(text))
        children.append(Child(Program("fake", "peer.py", {}), tmp_path, sys.executable))
        return children[-1]

    yield make
    for child in children:
        child.close()


def test_every_way_to_fail_is_a_row_of_its_own(start):
    child = start(PEER)
    assert child.receive(60)["versions"] == {"peer": "1.0"}
    names = ("Right", "WrongRate", "Refuses", "FailsLater")
    effort = Effort(rounds=3, seconds=0.05, timeout=60, full=False)
    entrants = measure(workloads.get("seed"), [(name, child) for name in names], effort)
    right, wrong, refuses, later = entrants
    assert not right.failure
    assert len(right.seconds) == 3
    assert right.difference == 0
    assert wrong.failure.startswith("void: its loss ends")
    assert refuses.failure == "ValueError: this network cannot be said here"
    assert later.failure == "RuntimeError: broken after a while"


def test_a_peer_that_dies_takes_nobody_with_it(start):
    child = start(PEER)
    child.receive(60)
    effort = Effort(rounds=1, seconds=0.01, timeout=60, full=False)
    right, dies, after = measure(
        workloads.get("seed"), [(n, child) for n in ("Right", "Dies", "Right")], effort
    )
    assert dies.failure == "its process ended: last words"
    assert after.failure == dies.failure
    assert right.failure == dies.failure  # the same process served it


def test_rounds_end_when_their_time_is_spent(start):
    child = start(PEER)
    child.receive(60)
    effort = Effort(rounds=50, seconds=0.01, timeout=60, full=False, budget=0.0, least=2)
    (right,) = measure(workloads.get("seed"), [("Right", child)], effort)
    assert len(right.seconds) == 2


def test_the_quick_bench_ends_in_time_and_says_who_was_left_out(start):
    child = start(PEER)
    child.receive(60)
    effort = Effort(rounds=3, seconds=0.01, timeout=60, full=False)
    workload = workloads.get("seed")
    (late,) = measure(workload, [("Right", child)], effort, until=time.monotonic() - 1)
    assert late.failure == "not measured: the time of the quick bench was up"
    (row,) = rows_of(workload, [late], base_of(workload, [late]))
    assert row["failure"] == late.failure
    assert reference_of(late) == {"failure": late.failure}


def test_a_peer_that_hangs_is_ended(start):
    child = start(PEER)
    child.receive(60)
    effort = Effort(rounds=1, seconds=0.01, timeout=1.0, full=False)
    (hangs,) = measure(workloads.get("seed"), [("Hangs", child)], effort)
    assert hangs.failure == "no answer in 1 s"
    assert child.process.poll() is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_library", "not installed: No module named 'no_such_library'"),
        ("raise ImportError('no C compiler')", "not installed: no C compiler"),
        ("1 / 0", "ZeroDivisionError"),
        ("import os; os._exit(4)", "its process ended: exit status 4"),
        ("PEERS = {", "SyntaxError"),
    ],
)
def test_a_program_that_cannot_be_loaded(start, text, words):
    child = start(text)
    with pytest.raises(PeerError, match=words):
        child.receive(60)
