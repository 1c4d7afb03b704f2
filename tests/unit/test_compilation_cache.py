"""The folder of compiled programs: where it is, when it is used, and how it stays small."""

import os
import sys
import zlib

import pytest

from jaxgd._compilation_cache import remove_damaged, remove_oldest, use_compilation_cache

DIRECTORY = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture
def without_jax(monkeypatch):
    """As in a process that has not loaded JAX; what is set is undone."""
    monkeypatch.delitem(sys.modules, "jax")
    for name in ("JAXGD_CACHE", DIRECTORY, "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")  # so that monkeypatch restores it
        monkeypatch.delenv(name)
    for name in ("MIN_COMPILE_TIME_SECS", "MIN_ENTRY_SIZE_BYTES"):
        monkeypatch.setenv(f"JAX_PERSISTENT_CACHE_{name}", "")
        monkeypatch.delenv(f"JAX_PERSISTENT_CACHE_{name}")
    monkeypatch.setenv("JAX_RAISE_PERSISTENT_CACHE_ERRORS", "0")
    return monkeypatch


def test_the_folder_is_the_user_s_cache(without_jax, tmp_path):
    without_jax.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = use_compilation_cache()
    assert folder.parent == tmp_path / "jaxgd"
    assert os.environ[DIRECTORY] == str(folder)
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "0.0"
    assert not folder.exists()  # nothing was compiled


def test_a_relative_xdg_folder_is_ignored_as_the_standard_says(without_jax, tmp_path):
    without_jax.setenv("XDG_CACHE_HOME", "here")
    without_jax.setenv("HOME", str(tmp_path))
    assert use_compilation_cache().parent == tmp_path / ".cache" / "jaxgd"


def test_the_variable_names_the_folder(without_jax, tmp_path):
    without_jax.setenv("JAXGD_CACHE", str(tmp_path / "mine"))
    assert use_compilation_cache().parent == tmp_path / "mine"
    assert use_compilation_cache().parent == tmp_path / "mine"  # a second call changes nothing


@pytest.mark.parametrize("word", ["off", "OFF", "0", " no "])
def test_switched_off(without_jax, word):
    without_jax.setenv("JAXGD_CACHE", word)
    assert use_compilation_cache() is None
    assert DIRECTORY not in os.environ


def test_a_folder_that_jax_was_told_of_is_left_alone(without_jax, tmp_path):
    without_jax.setenv(DIRECTORY, str(tmp_path / "theirs"))
    assert use_compilation_cache(tmp_path / "mine") is None
    assert os.environ[DIRECTORY] == str(tmp_path / "theirs")


def test_a_threshold_that_the_user_set_stays(without_jax, tmp_path):
    without_jax.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "7")
    use_compilation_cache(tmp_path)
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "7"


def test_what_was_used_longest_ago_goes_first(tmp_path):
    for age, name in enumerate(("new", "middle", "old")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    remove_oldest(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["middle", "new"]
    remove_oldest(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_has_nothing_to_remove(tmp_path):
    remove_oldest(tmp_path / "none", 0)


def test_entries_are_checked_once_and_again_where_the_time_is_not_known(tmp_path):
    good, bad, other = (tmp_path / name for name in ("good-cache", "bad-cache", "notes"))
    good.write_bytes(zlib.compress(b"program"))
    other.write_bytes(b"no entry")
    bad.write_bytes(good.read_bytes()[:-1])
    remove_damaged(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([good, other, tmp_path / "checked"])
    bad.write_bytes(b"")
    os.utime(bad, (1e9, 1e9))  # as if it had been there at the last check
    remove_damaged(tmp_path)
    assert bad.exists()
    (tmp_path / "checked").write_text("when?")
    remove_damaged(tmp_path)
    assert not bad.exists()
    remove_damaged(tmp_path / "none")


@pytest.mark.parametrize(("bound", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_bound_is_a_number_of_bytes(bound, error):
    with pytest.raises(error, match="max_bytes"):
        use_compilation_cache(max_bytes=bound)
