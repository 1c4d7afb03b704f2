"""Compiled programs on disk that are damaged, folders that cannot be written: they cost a compilation."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
from jaxgd._compilation_cache import use_compilation_cache
folder = use_compilation_cache()
import jax
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event.endswith("cache_hits")))
import jax.numpy as jnp
value = jax.jit(lambda x: jnp.sin(x) @ x)(jnp.arange(6.0).reshape(3, 2).T @ jnp.ones((3, 2)))
print(json.dumps([value.tolist(), sum(hits), str(folder)]))
"""


def run(cache):
    """(value, programs read from the cache, its folder, stderr) of a process of its own."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAXGD_CACHE": str(cache)}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return *json.loads(ended.stdout), ended.stderr


def programs_in(folder):
    return sum(name.endswith("-cache") for name in os.listdir(folder))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder with the programs of one process, and that process's value."""
    cache = tmp_path_factory.mktemp("cache")
    value, hits, folder, _ = run(cache)
    assert hits == 0
    assert os.listdir(folder)
    return cache, folder, value


def test_the_second_process_compiles_nothing_again(filled):
    cache, folder, value = filled
    again, hits, _, stderr = run(cache)
    assert again == value
    assert hits == programs_in(folder)
    assert not stderr


@pytest.mark.parametrize("damage", [b"", b"no program at all", None], ids=["empty", "foreign", "cut short"])
def test_a_damaged_entry_is_compiled_again(filled, damage):
    cache, folder, value = filled
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            content = file.read()
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2] if damage is None else damage)
    again, hits, _, stderr = run(cache)
    assert (again, hits) == (value, 0)
    assert not stderr
    assert run(cache)[:2] == (value, programs_in(folder))  # the damaged ones have gone


def test_a_folder_that_cannot_be_made(tmp_path, filled):
    (tmp_path / "file").write_text("not a folder")
    value, hits, _, stderr = run(tmp_path / "file")
    assert (value, hits) == (filled[2], 0)
    assert not stderr
