"""Files of which each process reads its share: where rows begin, what does not fit, and what is read whole.

What comes of shares beside what one process finds is tested with real processes in tests/scaling.
"""

import numpy as np
import polars as pl
import pytest
from exchanging import in_turn

from jaxgd.data import DataError, Table, prepare, read
from jaxgd.data.shares import SharedTable, files, prepare_shared, read_shared, table
from jaxgd.data.shares.files import Process
from jaxgd.data.streams import Wishes, stream
from jaxgd.data.streams.facts import ColumnFacts
from jaxgd.runs import started
from jaxgd.runs.reading import RunError
from jaxgd.runs.settings import Settings
from jaxgd.runs.started import Started


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch):
    monkeypatch.setattr(table, "SMALLEST", 1)


def shared(paths):
    """What each process reads of its path."""
    return in_turn(
        len(paths), lambda number, exchange: read_shared(paths[number], Process(number, len(paths), exchange))
    )


def prepared(path, count, **wishes):
    """What so many processes make of a file together."""

    def work(number, exchange):
        def gather(values):
            return [np.array(each, np.int32) for each in exchange(values.tolist())]

        process = Process(number, count, exchange)
        return prepare_shared(read_shared(path, process), Wishes(**wishes), gather, process.share)

    return in_turn(count, work)


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_row_of_a_text_is_read_once_wherever_its_bytes_are_cut(tmp_path, count, end):
    """Lines in quotes, quotes in quotes, and no end of the last line."""
    words = ['"two\nlines"', '"a ""word"", said"', "plain", '""']
    rows = [f"{k},{words[k * k % 4]},{'x' * (k % 37)}" for k in range(200)]
    path = tmp_path / "rows.csv"
    path.write_bytes(end.join(["n,word,long", *rows]).encode())
    whole, found = read(path), shared([path] * count)
    assert [each.num_rows for each in found] == [200] * count
    assert {each.fingerprint for each in found} == {whole.fingerprint}
    firsts = [each.first for each in found]
    assert firsts == np.cumsum([0, *(each.own.num_rows for each in found[:-1])]).tolist()
    for name in whole.names:
        assert np.concatenate([each.own[name] for each in found]).tolist() == whole[name].tolist()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npy"])
def test_rows_of_others_are_read_where_they_are_wanted(tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    numbers = np.arange(9000.0).reshape(3000, 3)
    if suffix == "npy":
        np.save(path, numbers)
    else:
        frame = pl.DataFrame(numbers, schema=["a", "b", "c"])
        (frame.write_csv if suffix == "csv" else frame.write_parquet)(path)
    first, second = shared([path] * 2)
    wanted = np.array([0, second.first - 2, second.first, second.first + 1])
    name = first.names[0]
    before = second.rows_read
    assert second.take(wanted[1:])[name].tolist() == numbers[wanted[1:], 0].tolist()
    assert 1 <= second.rows_read - before < 750, "one row, of text the block that it is in"
    assert first.take(wanted)[name].tolist() == numbers[wanted, 0].tolist()


def test_another_file_is_refused_by_process(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    paths[0].write_text("n,y\n" + "1,2\n" * 50)
    paths[1].write_text("n,y\n" + "1,3\n" * 50)
    with pytest.raises(DataError, match=r"process 1 has another file \(204 bytes, .+Give all of them the"):
        shared(paths)


def test_a_row_longer_than_a_share_and_what_has_no_parts_are_read_whole(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("n,word\n1,a\n2," + "b" * 500 + "\n3,c\n")
    archive = tmp_path / "rows.npz"
    np.savez(archive, x=np.ones((20, 2)), y=np.arange(20))
    for each in [*shared([path] * 3), *shared([archive] * 2)]:
        assert isinstance(each, Table)
        assert each.num_rows in (3, 20)


def test_a_small_file_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "SMALLEST", 10_000)
    (tmp_path / "a.csv").write_text("n,y\n" + "1,2\n" * 50)
    (tmp_path / "b.csv").write_text("n,y\n" + "1,2\n" * 5000)
    kinds = [[type(each) for each in shared([tmp_path / name] * 2)] for name in ("a.csv", "b.csv")]
    assert kinds == [[Table, Table], [SharedTable, SharedTable]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"1,2,3\n", "line 302: 3 fields, expected 2 as in the header"),
        (b'1,"2\n', "line 322: unexpected end of data"),
    ],
)
def test_damage_is_named_as_one_process_names_it(tmp_path, monkeypatch, row, message):
    """Of a file that no process may read whole, with its place in the share."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"n,y\n" + b"1,2\n" * 300 + row + b"1,2\n" * 20)
    with pytest.raises(DataError, match=message):
        shared([path] * 2)
    monkeypatch.setattr(table, "DEFAULT_MAX_BYTES", 1000)
    with pytest.raises(DataError, match=r"Rows are counted from byte \d+ of the file"):
        shared([path] * 2)


@pytest.mark.parametrize(
    "content",
    [
        'n,word\n1,a 5" pipe\n' + "2,b\n" * 100,
        'n,word\n1, "a"\n' + "2,b\n" * 100,
        "n,word\n1,a\r" + "2,b\n" * 100,
        "n,word\r" + "2,b\n" * 100,
        "n,word\r" + "2,b\r" * 100,
    ],
)
def test_text_that_cannot_be_cut_is_read_whole_by_all(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_bytes(content.encode())
    whole = read(path)
    assert [each.fingerprint for each in shared([path] * 3)] == [whole.fingerprint] * 3


def test_a_run_that_an_earlier_version_began_reads_the_whole_in_each_process(tmp_path, monkeypatch):
    """As that version did; its fingerprint cannot be put together of shares."""
    path = tmp_path / "rows.csv"
    path.write_text("n,y\n" + "1,2\n" * 400)
    whole, share = read(path), shared([path] * 2)[1]
    monkeypatch.setattr(started, "_read", lambda where: share)

    def found(fingerprint):
        facts = {"rows": 400, "columns": 2, "fingerprint": fingerprint, "path": str(path), "source": "rows"}
        return Started("", Settings(data=str(path)), facts).table()

    assert (type(found(whole.fingerprint)), found(whole.fingerprint).source) == (SharedTable, "rows")
    former = found(whole._former_fingerprint)
    assert (type(former), former.source, former.is_former) == (Table, "rows", True)
    with pytest.raises(RunError, match="data has changed since the run began: fingerprint 0000, now"):
        found("0000")


@pytest.mark.parametrize("sizes", [(1000, 100), (1000, 0), (100, 1000)])
def test_a_file_of_another_size_is_refused_by_process(tmp_path, monkeypatch, sizes):
    """Whether or not it is large enough to be divided, and whether it is there."""
    monkeypatch.setattr(table, "SMALLEST", 500)
    paths = [tmp_path / f"{size}.csv" for size in sizes]
    for path, size in zip(paths, sizes, strict=True):
        if size:
            path.write_text("n,y\n" + "1,2\n" * (size // 4))
    with pytest.raises(
        DataError, match=r"process 1 has another file \((no file|[\d,]+ bytes)\) than process 0"
    ):
        shared(paths)


@pytest.mark.parametrize("suffix", ["csv", "npy"])
def test_a_share_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"rows.{suffix}"
    if suffix == "npy":
        np.save(path, np.ones((1000, 2), np.float32))
    else:
        path.write_text("n,y\n" + "1,2\n" * 4000)
    monkeypatch.setattr(files, "DEFAULT_MAX_BYTES", 7990)
    with pytest.raises(
        DataError, match=r"the share of process \d: needs 8,000 bytes, expected at most 7,990"
    ):
        shared([path] * 2)
    assert isinstance(shared([path] * 3)[0], SharedTable)


def test_a_share_that_memory_does_not_hold_is_refused(tmp_path, monkeypatch):
    def read_nothing(*arguments):
        raise MemoryError

    path = tmp_path / "rows.npy"
    np.save(path, np.ones((1000, 2)))
    monkeypatch.setattr(files.NpyShare, "read", read_nothing)
    with pytest.raises(DataError, match=r"rows.npy: does not fit in memory\. Start more processes\."):
        shared([path] * 2)


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        ([f"u{k % 2},x{k % 2},{k % 3}" for k in range(400)], "error"),  # no column of numbers but the target
        ([f"{k / 7},x{k % 2},{'' if k > 300 and k % 5 == 0 else k % 3}" for k in range(400)], "drop"),
        ([f"{k / 7},x{k % 2},{'' if k == 7 else k * 0.5 + 1e17}" for k in range(400)], "drop"),
        ([f"{k % 2},x{k % 2},{2**63 - 1 - k % 4}" for k in range(400)], "error"),
        ([f"{2**63 - 1 - k % 2},x{k % 2},{k % 3}" for k in range(400)], "error"),
        ([f"{2**53 + k % 5},x{k % 2},{k + 0.5}" for k in range(400)], "error"),
    ],
)
def test_a_target_is_what_it_is_to_one_process(tmp_path, rows, missing):
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["a,b,y", *rows]))
    wishes = {"missing": missing, "categories": ("a",) if rows[0].startswith(str(2**53)) else ()}
    of_one = outcome(lambda: prepare(read(path), **wishes))
    assert {outcome(lambda: stream(tmp_path, **wishes)), *outcomes(path, wishes)} == {of_one}


def outcome(work):
    """The encoding that comes of it, or the end of the message that refuses it."""
    try:
        return work().encoding
    except DataError as error:
        return str(error).rpartition(":")[2]


def outcomes(path, wishes):
    try:
        return {each.encoding for each in prepared(path, 2, **wishes)}
    except DataError as error:
        return {str(error).rpartition(":")[2]}


def test_names_are_collected_no_longer_once_they_are_too_many():
    words = np.array([f"w{k}" for k in range(3000)], dtype=object)
    facts = [ColumnFacts(name, True, "float32") for name in ("number", "word")]
    whole = Table.from_columns({"number": np.arange(3000) / 7, "word": words})
    for each in facts:
        for _ in range(2):
            each.add(whole, np.ones(3000, bool), np.ones(3000, bool))
        assert len(each.names) == len(ColumnFacts.joined([each] * 2).names) == 1001


def test_classes_that_are_too_many_are_not_counted(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,y\n" + "".join(f"{k},w{k % 1500}\n" for k in range(3000)))
    with pytest.raises(DataError, match="more than 1000 classes, expected at most 1000"):
        prepared(path, 2)
