"""Files that are not as they should be, or not as they were: found before a run, named while it goes on."""

import os

import numpy as np
import polars as pl
import pytest

import jaxgd
from jaxgd.data.errors import DataError
from jaxgd.data.streams import stream
from jaxgd.training.streaming import StreamError

ROWS, GROUP = 300, 100


def frame(seed=0, rows=ROWS):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {"a": rng.normal(size=rows), "b": rng.normal(size=rows), "label": rng.integers(0, 2, rows)}
    )


@pytest.fixture
def folder(tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    for number in range(3):
        frame(number).write_parquet(parts / f"{number}.parquet", row_group_size=GROUP, compression="zstd")
    return parts


def damage_group(path, group):
    """Overwrites nearly all of a row group."""
    content = bytearray(path.read_bytes())
    size = len(content) * GROUP // ROWS
    content[group * size + size // 5 : (group + 1) * size - size // 5] = b"\xff" * (size - 2 * (size // 5))
    path.write_bytes(content)


def test_a_corrupt_row_group_is_named_and_can_be_left_out(folder):
    damage_group(folder / "1.parquet", 1)
    with pytest.raises(
        DataError, match=r"1\.parquet, row group 1 \(rows 101 to 200\): cannot be decoded .*skip"
    ):
        stream(folder)
    with pytest.warns(UserWarning, match=r"left out: .*1\.parquet, row group 1"):
        rows = stream(folder, on_bad_file="skip")
    assert rows.num_rows == 2 * ROWS
    assert list(rows.skipped) == [str(folder / "1.parquet")]


@pytest.mark.parametrize(("share", "message"), [(0.0, "the file is empty"), (0.9, "a truncated file")])
def test_a_truncated_file_is_named(folder, share, message):
    path = folder / "2.parquet"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=rf"2\.parquet: .*{message}"):
        stream(folder)


def message_of(folder):
    """What is wrong with a folder, or None if its rows can be read."""
    try:
        rows = stream(folder)
    except DataError as error:
        return str(error)
    return None if rows.num_rows == 3 * ROWS else "another number of rows"


def test_damage_anywhere_is_an_error_that_names_the_file_or_changes_nothing_of_the_shape(folder):
    path = folder / "1.parquet"
    whole = path.read_bytes()
    messages = []
    for place in (4, len(whole) // 3, len(whole) - 700, len(whole) - 60, len(whole) - 7):
        content = bytearray(whole)
        content[place] ^= 0xFF
        path.write_bytes(content)
        messages.append(message_of(folder))
    assert sum(message is not None for message in messages) >= 3
    assert all(message is None or "1.parquet" in message for message in messages)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f.rename({"b": "c"}),
            r"2\.parquet: has a column 'c', which .*0\.parquet has not \(a, b, label\)",
        ),
        (lambda f: f.drop("b"), r"2\.parquet: has no column 'b', as .*0\.parquet has"),
        (lambda f: f.select("b", "a", "label"), r"2\.parquet: column 1 is 'b', expected 'a'"),
        (
            lambda f: f.cast({"b": pl.Int64}, strict=False),
            r"2\.parquet, column 'b': is Int64, expected Float64",
        ),
        (
            lambda f: f.with_columns(pl.Series("b", [None] * 250 + [1.0] * 50)),
            r"2\.parquet, row group 0 .*'b': 100 missing",
        ),
        (lambda f: f.with_columns(b=pl.lit(np.inf)), r"2\.parquet, row group 0 .*'b': 100 infinite"),
        (lambda f: f.with_columns(b=pl.Series([[1.0]] * ROWS)), r"2\.parquet, column 'b': expected numbers"),
        (lambda f: f[:0], r"2\.parquet: no rows"),
    ],
)
def test_a_file_unlike_the_others_is_named_with_its_column(folder, change, message):
    change(frame(2)).write_parquet(folder / "2.parquet", row_group_size=GROUP)
    with pytest.raises(DataError, match=message):
        stream(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a,label\n1,2\n3\n", r"0\.csv, row 2: 1 fields, expected 2"),
        (b"a,label\n1,2\n3,4,5\n", r"0\.csv, row 2: 3 fields, expected 2"),
        (b'a,label\n1,2\n"3,4\n', r"0\.csv, row 2: a quote that is never closed"),
        (b'a,label\n1,x"y\n', r"0\.csv, after row 0: a quote in the middle"),
        (b"a,label\n", r"0\.csv: a header and no rows"),
        (b"", r"0\.csv: the file is empty"),
        (b"\n\n", r"0\.csv: only blank lines"),
        (b"a,a\n1,2\n", r"0\.csv, header: column 2 is called 'a'"),
        (b"a,label\n1,\xff\n", r"0\.csv, row group 0"),
    ],
)
def test_text_that_is_no_table_is_named_with_its_row(tmp_path, text, message):
    (tmp_path / "0.csv").write_bytes(text)
    with pytest.raises(DataError, match=message):
        stream(tmp_path)


def test_arrays_that_are_none_are_named(tmp_path):
    np.save(tmp_path / "0.npy", np.zeros((4, 3)))
    np.save(tmp_path / "1.npy", np.zeros((4, 2, 2)))
    with pytest.raises(DataError, match=r"1\.npy: expected two dimensions"):
        stream(tmp_path)
    (tmp_path / "1.npy").write_bytes((tmp_path / "0.npy").read_bytes()[:-5])
    with pytest.raises(DataError, match=r"1\.npy: 91 bytes of data, expected 96"):
        stream(tmp_path)


def test_a_place_without_files_says_what_is_looked_for(tmp_path):
    with pytest.raises(DataError, match="the folder is empty"):
        stream(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"it holds notes\.txt.*\.parquet"):
        stream(tmp_path)
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    np.save(tmp_path / "b.npy", np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"of one kind, got .*a\.csv \(csv\), .*b\.npy \(npy\)"):
        stream(tmp_path)
    with pytest.raises(DataError, match="no file matches"):
        stream(str(tmp_path / "*.parquet"))
    with pytest.raises(DataError, match="the list is empty"):
        stream([])


def test_no_readable_file_is_said_when_bad_ones_are_left_out(folder):
    for path in folder.iterdir():
        path.write_bytes(b"PAR1")
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(DataError, match="none of 3 files can be read"),
    ):
        stream(folder, on_bad_file="skip")


def test_a_target_that_is_not_there_and_an_unknown_way_are_refused(folder):
    with pytest.raises(DataError, match=r"unknown target column 'lable'.*label"):
        stream(folder, "lable")
    with pytest.raises(ValueError, match="on_bad_file"):
        stream(folder, on_bad_file="ignore")


def vanishes(path):
    path.unlink()


def shrinks(path):
    path.write_bytes(path.read_bytes()[:-100])


def changes(path):
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (vanishes, r"1\.parquet: the file has vanished since the run began"),
        (shrinks, r"1\.parquet: the file has changed since the run began: [\d,]+ bytes, now [\d,]+"),
        (changes, r"1\.parquet: the file has changed since the run began: its size is the same"),
    ],
)
def test_a_file_that_changes_in_mid_epoch_ends_the_run_by_name_and_it_goes_on_when_it_is_back(
    folder, tmp_path, change, message
):
    path, model = folder / "1.parquet", jaxgd.mlp([2, 3, 1], output_activation="sigmoid")
    content, settings = path.read_bytes(), {"loss": "binary_crossentropy", "batch_size": 10, "epochs": 3}
    rows = stream(folder, "label", window=50)
    whole = jaxgd.fit(model, rows, **settings)

    def spoil(report):
        if report.epoch == 1 and path.exists() and path.read_bytes() == content:
            change(path)
            os.utime(folder)

    with pytest.raises(StreamError, match=message):
        jaxgd.fit(model, rows, **settings, checkpoint=tmp_path / "saved", progress=spoil)
    path.write_bytes(content)
    resumed = jaxgd.fit(model, stream(folder, "label", window=50), **settings, checkpoint=tmp_path / "saved")
    assert np.array_equal(resumed.history["loss"], whole.history["loss"])
    assert all(
        np.array_equal(resumed.params[name]["kernel"], whole.params[name]["kernel"]) for name in whole.params
    )


def test_a_file_that_is_only_touched_changes_nothing(folder):
    rows = stream(folder, "label")
    os.utime(folder / "1.parquet", (1, 1))
    assert sum(len(rows.read(block)["x"]) for block in range(9)) == 3 * ROWS


def test_a_list_of_metadata_longer_than_the_file_is_refused(tmp_path):
    footer = bytes([0x15, 0x02, 0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F])
    (tmp_path / "0.parquet").write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(DataError, match=r"0\.parquet: the metadata cannot be read"):
        stream(tmp_path)
