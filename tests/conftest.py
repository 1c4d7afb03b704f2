"""What every test shares: a quiet TensorFlow, 64-bit types that do not leak, random seeds from test names."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["JAXGD_CACHE"] = "off"  # tests neither read nor fill the user's compiled programs

import jax
import numpy as np
import pytest

from jaxgd._compilation_cache import share_programs

_PROGRAMS = pytest.StashKey[str]()


def pytest_configure(config):
    """A folder of compiled programs for this worker alone: what one module compiled, the next only reads.

    Not one for all workers, as JAX writes entries in place, and another would read the beginning of one.
    """
    config.stash[_PROGRAMS] = tempfile.mkdtemp(prefix="jaxgd-tests-")
    share_programs(config.stash[_PROGRAMS])


def pytest_unconfigure(config):
    """The folder goes with the worker."""
    shutil.rmtree(config.stash[_PROGRAMS], ignore_errors=True)


@pytest.fixture(autouse=True)
def _nothing_leaks():
    """Fails the test that leaves another precision behind for the tests after it."""
    yield
    assert not jax.config.read("jax_enable_x64"), "the test left 64-bit types switched on"
    if "keras" in sys.modules:
        keras = sys.modules["keras"]
        assert keras.config.floatx() == "float32", "the test left another floatx behind"
        assert keras.config.dtype_policy().name == "float32", "the test left another dtype policy behind"


@pytest.fixture(autouse=True, scope="module")
def _memory_is_bounded():
    """Drops what the tests of a module compiled: a worker would otherwise keep gigabytes of programs."""
    yield
    jax.clear_caches()


@pytest.fixture
def x64():
    """64-bit types, for this test only."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def rng(request):
    """A NumPy generator whose seed is a hash of the test's name: the same numbers on every machine."""
    digest = hashlib.sha256(request.node.nodeid.split("/")[-1].encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


@pytest.fixture
def seconds_to_leave():
    """How long a terminated process may take: long, unless nothing else runs and the time is measured."""
    return float(os.environ.get("SECONDS_TO_LEAVE", "60"))


@pytest.fixture
def programs(monkeypatch):
    """The store of compiled programs, empty for this test: a full one drops a program for each new one."""
    from jaxgd import _programs

    monkeypatch.setattr(_programs, "_programs", OrderedDict())
    return _programs._programs


@pytest.fixture(scope="session")
def site_folder(tmp_path_factory):
    """The documentation's site as its one command builds it, a warning being an error."""
    folder = tmp_path_factory.mktemp("site")
    config = Path(__file__).parents[1] / "docs/site/mkdocs.yml"
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--config-file",
        config,
        "--site-dir",
        folder,
    ]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder
