"""Files made to do harm, and random changes of files in order: one error, in little time and memory."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile_files import CORPUS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutated_files import KINDS, Originals, loads_or_refuses

from jaxgd.keras_files import load

MEMORY, SECONDS = 50 * 2**20, 15.0
"""The bounds of one refusal; the seconds are for a machine that is busy with other things too."""


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return Originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def measures():
    """{name: what came of the file} from a process of its own, whose memory is its own."""
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here.parents[1]), str(here)])}
    command = [sys.executable, str(here / "hostile_measures.py")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    return {each["name"]: each for each in map(json.loads, ran.stdout.splitlines())}


def test_there_are_files_enough():
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_file_is_refused_in_little_time_and_memory(measures, name):
    found = measures[name]
    assert found["error"], "it was loaded"
    assert found["bytes"] < MEMORY
    assert found["seconds"] < SECONDS
    assert found["left"] == []


def test_the_files_they_are_made_from_load(originals, tmp_path):
    for name, content in originals.bytes.items():
        (tmp_path / name).write_bytes(content)
        is_whole = name in ("m.keras", "g.keras", "old.h5")
        load(tmp_path / name, model=None if is_whole else originals.model)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_a_mutated_file_loads_or_is_refused(originals, tmp_path, kind, seed):
    name, content, loads = originals.mutated(kind, seed)
    path = tmp_path / name
    path.write_bytes(content)
    started = time.perf_counter()
    loads_or_refuses(path, loads)
    assert time.perf_counter() - started < SECONDS
