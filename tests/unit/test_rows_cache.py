"""Blocks kept as they are trained on: the same rows, made again wherever a kept file is not whole."""

import os
import pickle

import numpy as np
import polars as pl
import pytest

import jaxgd
from jaxgd.data.errors import DataError
from jaxgd.data.streams import stream
from jaxgd.training.streaming import StreamError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxgd.data.streams.text_files._BLOCK_BYTES", 2000)
    rng = np.random.default_rng(6)
    frame = pl.DataFrame(rng.normal(size=(120, 2)), schema=["a", "b"]).with_columns(
        color=pl.Series(rng.choice(["red", "blue"], 120)),
        weight=pl.Series(rng.uniform(1, 2, 120)),
        label=pl.Series(rng.choice(["yes", "no"], 120)),
    )
    (tmp_path / "parts").mkdir()
    for number in range(2):
        frame[number * 60 : number * 60 + 60].write_csv(tmp_path / "parts" / f"{number}.csv")
    return tmp_path / "parts"


def read(source):
    return [source.read(block) for block in range(len(source.block_rows))]


def check_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert set(one) == set(other)
        for name in one:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name])


def kept(cache):
    return sorted(cache.glob("*/*.rows"))


def parsed(monkeypatch):
    """The blocks that are parsed from now on."""
    from jaxgd.data.streams.text_files import TextFiles

    places, parse = [], TextFiles._parsed
    monkeypatch.setattr(TextFiles, "_parsed", lambda *given: places.append(given[3]) or parse(*given))
    return places


@pytest.mark.parametrize("exclude", [(), ("color",)], ids=["encoded", "plain"])
def test_kept_rows_are_those_of_the_files_and_no_text_is_parsed_again(folder, tmp_path, monkeypatch, exclude):
    wishes = {"target": "label", "sample_weight": "weight", "exclude": exclude}
    expected = read(stream(folder, **wishes))
    source = stream(folder, **wishes, rows_cache=tmp_path / "cache")
    check_equal(read(source), expected)
    assert len(kept(tmp_path / "cache")) == len(expected) > 2
    places = parsed(monkeypatch)
    check_equal(read(source), expected)
    assert not places


@pytest.mark.parametrize("damage", ["shorter", "another byte", "empty", "other text"])
def test_a_kept_file_that_is_not_whole_is_made_again(folder, tmp_path, damage):
    cache = tmp_path / "cache"
    expected = read(stream(folder, "label", rows_cache=cache))
    path = kept(cache)[1]
    whole = path.read_bytes()
    damaged = {
        "shorter": whole[:-1],
        "another byte": whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:],
        "empty": b"",
        "other text": b"[1, 2]\n" + whole,
    }
    path.write_bytes(damaged[damage])
    check_equal(read(stream(folder, "label", rows_cache=cache)), expected)
    assert path.read_bytes() == whole


def test_what_a_killed_run_left_half_written_is_removed(folder, tmp_path):
    """By a kill in the middle of a write: the name is the one that `replacing` gives."""
    cache = tmp_path / "cache"
    expected = read(stream(folder, "label", rows_cache=cache))
    path = kept(cache)[1]
    half = path.with_name(f".{path.name}.abcd.tmp")
    half.write_bytes(path.read_bytes()[:100])
    path.unlink()
    check_equal(read(stream(folder, "label", rows_cache=cache)), expected)
    assert sorted(path.parent.iterdir()) == kept(cache), "no temporary file"
    assert path in kept(cache)


def test_a_file_that_another_run_has_removed_while_it_was_written_is_no_failure(
    folder, tmp_path, monkeypatch
):
    cache = tmp_path / "cache"
    save, removed = np.save, []

    def interrupted(stream, *given, **options):
        save(stream, *given, **options)
        for path in cache.glob("*/.*.tmp") if not removed else ():
            path.unlink()
            removed.append(path)

    monkeypatch.setattr(np, "save", interrupted)
    expected = read(stream(folder, "label"))
    check_equal(read(stream(folder, "label", rows_cache=cache)), expected)
    assert len(removed) == 1
    assert len(kept(cache)) == len(expected) - 1, "all blocks but that one"


def test_other_rows_and_other_wishes_have_files_of_their_own(folder, tmp_path):
    cache = tmp_path / "cache"
    read(stream(folder, "label", rows_cache=cache))
    count = len(kept(cache))
    read(stream(folder, "label", rows_cache=cache, dtype="float64"))
    assert len(kept(cache)) == 2 * count
    path = folder / "0.csv"
    path.write_text(path.read_text().replace("yes", "no", 1))
    changed = stream(folder, "label", rows_cache=cache)
    check_equal(read(changed), read(stream(folder, "label")))
    assert len(kept(cache)) > 2 * count


def test_a_cache_that_cannot_be_written_is_said_and_the_run_goes_on(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"rows_cache: .*file: expected a folder"):
        stream(folder, "label", rows_cache=tmp_path / "file")
    source = stream(folder, "label", rows_cache=tmp_path / "cache")
    (tmp_path / "cache").write_text("in the way")
    with pytest.warns(UserWarning, match="rows cannot be kept .*the run goes on") as said:
        found = read(source)
    assert len(said) == 1
    check_equal(found, read(stream(folder, "label")))


def test_a_fit_on_kept_rows_is_the_same_to_the_bit(folder, tmp_path):
    model = jaxgd.mlp([3, 4, 1], output_activation="sigmoid")
    settings = {"loss": "binary_crossentropy", "epochs": 2, "batch_size": 16, "seed": 3}
    wishes = {"target": "label", "exclude": ["color"], "window": 32}
    expected = jaxgd.fit(model, stream(folder, **wishes), **settings)
    for _ in range(2):
        source = stream(folder, **wishes, rows_cache=tmp_path / "cache")
        found = jaxgd.fit(model, source, **settings)
        assert found.history["loss"].tolist() == expected.history["loss"].tolist()


def test_numbers_with_blanks_or_quotes_are_those_without(tmp_path):
    """The parser of numbers refuses such cells; they are read as text then."""
    found = []
    for name, cells in (("plain", ["1.5", "-2", "3e2", "0.1"]), ("dressed", ["1.5", '"-2"', " 3e2 ", "+.1"])):
        (tmp_path / name).mkdir()
        rows = "".join(f"{cell},{number % 2}\n" for number, cell in enumerate(cells))
        (tmp_path / name / "0.csv").write_text(f"a,label\n{rows}")
        found.append(read(stream(tmp_path / name, "label", task="binary"))[0]["x"].ravel())
    np.testing.assert_array_equal(found[0], np.float32([1.5, -2, 300, 0.1]))
    np.testing.assert_array_equal(found[1], found[0])


def test_text_is_kept_without_being_asked_for_as_long_as_the_stream_lives(folder, tmp_path, monkeypatch):
    expected = read(stream(folder, "label", rows_cache="off"))
    monkeypatch.setenv("JAXGD_CACHE", str(tmp_path / "cache"))
    source = stream(folder, "label")
    source.expect_passes(1)
    check_equal(read(source), expected)
    assert not (tmp_path / "cache").exists(), "nobody will ask again"
    source.expect_passes(2)
    check_equal(read(source), expected)
    places = parsed(monkeypatch)
    check_equal(read(source), expected)
    assert not places
    assert list((tmp_path / "cache").iterdir()) == [], "the file has no name"
    (folder / "1.csv").unlink()
    with pytest.raises(StreamError, match=r"1\.csv: the file has vanished"):
        read(source)
    assert stream(folder, "label", rows_cache="off").passing is None


@pytest.mark.parametrize("what", ["no room", "no folder", "fails"])
def test_rows_that_cannot_be_kept_are_read_again(folder, tmp_path, monkeypatch, what):
    expected = read(stream(folder, "label", rows_cache="off"))
    monkeypatch.setenv("JAXGD_CACHE", str(tmp_path / "cache"))
    if what == "no room":
        monkeypatch.setattr("jaxgd.data.streams.passing_rows.SHARE", 0.0)
    if what == "no folder":
        (tmp_path / "cache").write_text("in the way")
    source = stream(folder, "label")
    source.expect_passes(2)
    check_equal(read(source), expected)
    if what == "fails":
        os.ftruncate(source.passing._file.fileno(), 100)
    places = parsed(monkeypatch)
    check_equal(read(source), expected)
    assert places


def test_a_copy_and_a_fork_of_a_stream_have_no_rows_of_it(folder, tmp_path, monkeypatch):
    """Two processes would share one place in one file, and read each other's rows."""
    monkeypatch.setenv("JAXGD_CACHE", str(tmp_path / "cache"))
    source = stream(folder, "label")
    source.expect_passes(2)
    expected = read(source)
    copy = pickle.loads(pickle.dumps(source))
    places = parsed(monkeypatch)
    check_equal(read(copy), expected)
    assert len(places) == len(expected)
    monkeypatch.setattr("jaxgd.data.streams.passing_rows.os.getpid", lambda: -1)
    check_equal(read(source), expected)
    assert len(places) == 2 * len(expected)
    check_equal(read(source), expected)
    assert len(places) == 2 * len(expected)
