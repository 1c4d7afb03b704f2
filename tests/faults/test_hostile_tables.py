"""Files that are wrong, damaged or hostile: each gives a DataError that says what and where, no more."""

import base64
import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxgd.data import EXTENSIONS, DataError, prepare, read

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
SLOW_FUZZ = settings(FUZZ, max_examples=40)  # each damaged Parquet file starts a process, a tenth of a second


@pytest.fixture
def refuse(tmp_path):
    """Writes a file, and asserts that reading it is refused with a message that names it."""

    def check(name, content, message, **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(DataError, match=message) as caught:
            read(path, **options)
        assert str(path) in str(caught.value)

    return check


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def npy_with_header(header, data=b"", version=1):
    text = header.encode("latin-1")
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def npz(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def parquet(columns):
    stream = io.BytesIO()
    pl.DataFrame(columns).write_parquet(stream)
    return stream.getvalue()


X, Y = npy(np.arange(12.0).reshape(6, 2)), npy(np.array([0, 1, 0, 1, 1, 0]))
VALID = {
    ".csv": b"size,color,target\n" + b"".join(b"%d.5,%s,%d\n" % (row, b"red", row % 2) for row in range(8)),
    ".tsv": b'size\t"co\nlor"\ttarget\n1\tred\tno\n2\tblue\tyes\n3\tred\tno\n',
    ".parquet": parquet(
        {"a": [1.5, 2.5, 3.5], "b": ["u", "v", None], "c": [True, False, True], "y": [0, 1, 0]}
    ),
    ".npz": npz([("x.npy", X), ("y.npy", Y)], zipfile.ZIP_DEFLATED),
    ".npy": npy(np.array([[1, 0], [2, 1], [3, 0], [4, 1]])),
}


# Paths


@pytest.mark.parametrize("name", ["missing.csv", "no/such/folder.npz", "x" * 300 + ".csv", "nul\0byte.csv"])
def test_a_path_to_nothing(name):
    with pytest.raises(DataError, match=r"no such file|cannot be read"):
        read(name)


def test_a_folder(tmp_path):
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    with pytest.raises(DataError, match="is a directory"):
        read(folder)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="is not a regular file"):
        read(tmp_path / "pipe.csv")


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_file_that_may_not_be_opened(tmp_path, monkeypatch, extension):
    path = tmp_path / f"t{extension}"
    path.write_bytes(VALID[extension])

    def refuse_to_open(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse_to_open)
    monkeypatch.setattr(io, "open", refuse_to_open)
    with pytest.raises(DataError, match="Permission denied"):
        read(path)


@pytest.mark.parametrize("name", ["t.xlsx", "t.txt", "t", "t.csv.gz"])
def test_an_unknown_ending(refuse, name):
    refuse(name, "a,b\n1,2\n", r"unknown ending .*\.csv, \.tsv, \.parquet, \.npz, \.npy")


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_an_empty_file(refuse, extension):
    refuse(f"t{extension}", b"", "the file is empty")


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_file_larger_than_allowed(refuse, extension):
    refuse(f"t{extension}", VALID[extension], "expected at most 20", max_bytes=20)


def test_what_is_no_path():
    with pytest.raises(TypeError):
        read(5)  # pyright: ignore[reportArgumentType]


# CSV


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n", "a header and no rows"),
        ("\n\n\n", "only blank lines"),
        ("a,b\n1,2\n1\n", "line 3: 1 fields, expected 2"),
        ("a,b\n1,2,3\n", "line 2: 3 fields, expected 2"),
        ('a,b\n"x\ny",1\n3\n', "line 4: 1 fields, expected 2"),
        ("a,a\n1,2\n", "column 2 is called 'a'"),
        ("a, a\n1,2\n", "column 2 is called 'a'"),
        (",b\n1,2\n", "column 1 has no name"),
        ("a;b\n1;2\n", "separated by ',', got 'a;b'"),
        ("1.5,2\n3,4\n", "expected the names of columns, got numbers"),
        ('a,b\n"1,2\n', "unexpected end of data"),
        ('a,b\n"1"x,2\n', "line 2: ',' expected after"),
        (b"a,b\n\xff,2\n", "expected UTF-8 text, got byte 0xff"),
        ("a,b\n1,2\n".encode("utf-16"), "expected UTF-8 text"),
        (b"a\0b,c\n1,2\n", "binary data"),
        ("a,b\n" + "x" * 200_000 + ",1\n", "line 2: field larger than field limit"),
    ],
)
def test_a_csv_that_is_wrong(refuse, content, message):
    refuse("t.csv", content, message)


def test_a_tab_separated_file_read_as_csv_and_the_reverse(refuse):
    refuse("t.csv", "a\tb\n1\t2\n", "separated by ','")
    refuse("t.tsv", "a,b\n1,2\n", r"separated by '\\t'")


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1e999"])
def test_infinity_in_a_csv_names_the_column(tmp_path, word):
    path = tmp_path / "t.csv"
    path.write_text(f"a,b,y\n1,2,0.5\n1,{word},1.5\n")
    with pytest.raises(DataError, match=r"t.csv, column 'b': 1 infinite values .the first in row 2"):
        prepare(read(path))


def test_a_signalling_nan_is_a_nan_like_any_other(tmp_path):
    """Warnings are errors in these tests: widening such a float32 used to give one."""
    bits = np.array([[0x7F800001, 0x3F800000], [0x3F800000, 0x3F800000]], np.uint32)
    np.save(tmp_path / "t.npy", bits.view(np.float32))
    assert np.isnan(read(tmp_path / "t.npy")["column_0"]).tolist() == [True, False]


def test_nan_in_arrays_names_the_column_and_the_count(tmp_path):
    x = np.ones((4, 3))
    x[1:3, 2] = np.nan
    np.savez(tmp_path / "t.npz", x=x, y=np.arange(4.0))
    with pytest.raises(DataError, match=r"column 'x2': 2 missing of 4 .the first in row 2"):
        prepare(read(tmp_path / "t.npz"))
    np.save(tmp_path / "t.npy", np.where(np.isnan(x), np.inf, x))
    with pytest.raises(DataError, match="column 'column_2': 2 infinite"):
        prepare(read(tmp_path / "t.npy"))


# NPY


HEADER = "{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x93NUMPY", "expected a NumPy array"),
        (b"a,b\n1,2\n" * 9, "expected a NumPy array"),
        (b"\x93NUMPY\x09\x00" + bytes(99), "expected a NumPy array"),
        (VALID[".npy"][:40], "header is truncated"),
        (VALID[".npy"][:-1], r"63 bytes of data, expected 64 for \(4, 2\)"),
        (VALID[".npy"] + b"\0", "at least|more than"),
        (npy(np.array([[{}, 1]], dtype=object), allow_pickle=True), "pickled Python objects"),
        (npy(np.zeros((2, 2), dtype=[("a", "f8")])), "expected a plain array"),
        (npy(np.ones(5)), r"two dimensions \[rows, columns\], got shape \(5,\)"),
        (npy(np.ones((2, 2, 2))), "two dimensions"),
        (npy(np.ones(())), "two dimensions"),
        (npy(np.ones((0, 3))), "no rows or no columns"),
        (npy(np.ones((3, 0))), "no rows or no columns"),
        (npy(np.ones((2, 2), dtype=complex)), "got complex128"),
        (npy(np.zeros((2, 2), dtype="M8[s]")), "expected a plain array|expected numbers"),
        (npy(np.array([["a", "b"]])), "expected numbers, got text"),
        (npy(np.zeros((2, 2), dtype="S3")), "expected numbers"),
        (npy(np.zeros((2, 2), dtype="V3")), "expected numbers"),
        (npy_with_header(HEADER.format(descr="<f8", shape="(1000000000000, 1000)")), "expected at most"),
        (npy_with_header(HEADER.format(descr="<f8", shape="(1000000, 2)")), "0 bytes of data"),
        (npy_with_header(HEADER.format(descr="<f8", shape="(-1, 2)")), "expected a plain array"),
        (npy_with_header(HEADER.format(descr="<f8", shape="(2, " * 999)), "expected a plain array"),
        (npy_with_header(HEADER.format(descr="<f99", shape="(2, 2)")), "unknown type"),
        (
            npy_with_header(HEADER.format(descr="<f8", shape="(" + "9" * 380 + ", 2)")),
            "expected at most|plain",
        ),
        (npy_with_header("{'descr': '<f8', " + "(" * 5000), "expected a plain array"),
        (npy_with_header("{'descr': '<f8'" + " " * 5000 + "x"), "expected a plain array"),
        (npy_with_header("__import__('os').abort()"), "expected a plain array"),
        (npy_with_header("{" + "'descr': '<f8', " * 3 + "}"), "expected a plain array"),
        (npy_with_header(" " * 20_000, version=2), "longer than 10000 bytes"),
        (pickle.dumps([1, 2, 3]) * 9, "expected a NumPy array"),
    ],
)
def test_an_npy_that_is_wrong(refuse, content, message):
    refuse("t.npy", content, message)


def test_a_pickle_is_never_run(refuse, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    refuse("t.npy", npy(np.array([[Bomb()]], dtype=object), allow_pickle=True), "pickled")
    refuse("t.npz", npz([("x.npy", npy(np.array([[Bomb()]], dtype=object), allow_pickle=True))]), "pickled")
    assert not (tmp_path / "ran").exists()


def test_headers_of_version_2_and_in_another_order_are_read(tmp_path):
    header = "{'shape': (2, 1), 'descr': '<f8', 'fortran_order': True}\n"
    (tmp_path / "t.npy").write_bytes(npy_with_header(header, np.array([1.0, 2.0]).tobytes(), version=2))
    assert read(tmp_path / "t.npy")["column_0"].tolist() == [1.0, 2.0]


# NPZ


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "expected the arrays x and y, got no array"),
        ([("a.npy", X), ("b.npy", Y)], "expected the arrays x and y, got a, b"),
        ([("x.npy", X), ("X.npy", X), ("y.npy", Y)], "got x, X"),
        ([("x.npy", X), ("y.npy", npy(np.arange(5)))], "5 rows, but x has 6"),
        ([("x.npy", npy(np.arange(6.0))), ("y.npy", Y)], r"two dimensions .*got shape \(6,\)"),
        ([("x.npy", X), ("y.npy", npy(np.ones((6, 2))))], r"one value a row, got shape \(6, 2\)"),
        ([("x.npy", X), ("y.npy", npy(np.array(3)))], r"one value a row, got shape \(\)"),
        ([("../x.npy", X), ("y.npy", Y)], "unexpected member '../x.npy'"),
        ([("/x.npy", X)], "unexpected member"),
        ([("x.npy", X), ("run.py", b"1")], "unexpected member 'run.py'"),
        ([("x.npy", X), ("x", X)], "unexpected member 'x'"),
        ([("x.npy", X[:-9]), ("y.npy", Y)], "bytes of data"),
        ([("x.npy", X), ("y.npy", b"hello, world")], "array 'y': expected a NumPy array"),
        ([("x.npy", npy(np.array([["a"]])))], "expected numbers, got text"),
        ([("x.npy", npy_with_header(HEADER.format(descr="<f8", shape="(99999999999, 9)")))], "at most"),
    ],
)
def test_an_npz_that_is_wrong(refuse, members, message):
    refuse("t.npz", npz(members), message)


def test_a_member_met_twice(refuse):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = npz([("x.npy", X), ("x.npy", X)])
    refuse("t.npz", content, "two members are called 'x.npy'")


def test_other_compressions_and_encrypted_members(refuse):
    refuse("t.npz", npz([("x.npy", X)], zipfile.ZIP_BZIP2), "a compression other than deflate")
    encrypted = bytearray(npz([("x.npy", X)]))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(signature) + offset] |= 1
    refuse("t.npz", bytes(encrypted), "encrypted")


def test_a_zip_bomb_costs_no_memory(refuse):
    shape = (2**27, 1)
    header = npy_with_header(HEADER.format(descr="<f8", shape=shape))
    bomb = npz([("x.npy", header + bytes(2**24))], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**16
    tracemalloc.start()
    refuse("t.npz", bomb, "expected at most 268,435,456", max_bytes=2**28)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_small_types_are_counted_at_the_size_they_grow_to(refuse):
    refuse("t.npy", npy(np.zeros((1000, 8), dtype=np.int8)), "needs 64,000 bytes", max_bytes=10_000)


def test_text_that_is_not_unicode(refuse):
    data = np.array([0x110000] * 6, dtype="<u4").tobytes()
    labels = npy_with_header(HEADER.format(descr="<U1", shape="(6,)"), data)
    refuse("t.npz", npz([("x.npy", X), ("y.npy", labels)]), "not Unicode")


def test_labels_beyond_int64(tmp_path):
    y = np.array([2**64 - 1, 0, 2**64 - 1, 0], dtype=np.uint64)
    np.savez(tmp_path / "t.npz", x=np.ones((4, 1)), y=y)
    with pytest.raises(DataError, match="beyond int32"):
        prepare(read(tmp_path / "t.npz"), task="binary")


# Parquet


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PAR1", "not a Parquet file"),
        (b"PAR1PAR1", "not a Parquet file"),
        (b"PAR1" + b"\xff" * 64 + b"PAR1", "not a Parquet file"),
        (VALID[".parquet"][:-1], "truncated"),
        (VALID[".csv"], "expected a Parquet file"),
        (parquet({"a": [[1, 2]], "y": [1]}), "column 'a': expected numbers, bools, text or dates, got List"),
        (parquet({"a": [{"b": 1}], "y": [1]}), "got Struct"),
        (parquet({"a": [b"x"], "y": [1]}), "got Binary"),
        (parquet({"a": pl.Series([], dtype=pl.Int64)}), "no rows"),
        (parquet({}), "no columns"),
        (parquet({"": [1.0], "y": [1]}), "column 1 has no name"),
    ],
)
def test_a_parquet_that_is_wrong(refuse, content, message):
    refuse("t.parquet", content, message)


# One column of three integers; byte 41, a length in the column's only page, changed from 6 to 7.
ABORTS = base64.b85decode(
    "P(e~L6$BL^6(CF%1Qh@P009610000000RI30000002Kfg5)~3G6$cd%6$TXs00062000980RsXR1Q|5|1`rt-"
    "0bvyY76uk>7H%d&CI|o-"
    "92P<qG!_5=02KlmEJy@$Z*O!J0ss{RB?1@$VE`5e85|iLCa?h<6$BYI00s~l7y)4w02T%oZWeAPLM8|R7N!9e6aW@(76v8=7H$*("
    "02v$@3_(&-"
    "Pggo~V`yb<VHl_ZFE1}IFEd#|K|w)9K|w)5ICd{DFL+TwK|w)9K|w`9K|w)FK|ymtLqS1HK|xVLD^M>lFL!rAK|w)DK|yChK|w)9"
    "K|w`9K|w)9K|w)5H&8DxFM4M|K|w)hK|w)5M?pbBK|w`BK|w)LK|)DELP0@MK|)1ALqS17K|yyxK|w)5K~PjLFE2SkK|w)5K~X_L"
    "K|yChLs3CRK|yChK~X_LK}SVF02oeCZ){<5b08>id30!RZYdykWpZ<AZ*CwmE-"
    "@}JAShyWX>4R5H)c67GGb&iW@cnEH)duyGGs9{GB-G3Fgal|IW=ZxGG;enWn?)rDH$9b000150RR9{K~ga"
)


def test_damage_at_which_the_decoder_aborts(refuse):
    refuse("t.parquet", ABORTS, "not a Parquet file that can be read")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os; os.abort()", "the decoder stopped with status -6"),
        ("raise MemoryError", "the decoder stopped with status 1"),
        ("print('garbage')", "the decoder made no sense of it"),
        ("", "the decoder made no sense of it"),
    ],
)
def test_a_decoder_that_fails_is_told_from_one_that_reads(refuse, tmp_path, monkeypatch, program, message):
    (tmp_path / "decoder.py").write_text(program)
    monkeypatch.setattr("jaxgd.data.parquet._DECODER", tmp_path / "decoder.py")
    refuse("t.parquet", VALID[".parquet"], message)


def test_a_long_word_in_every_row_is_counted_once_a_row(refuse):
    content = parquet({"a": ["x" * 10_000] * 10_000})
    assert len(content) < 50_000
    refuse("t.parquet", content, "needs 100,000,000 bytes", max_bytes=10_000_000)


def test_a_name_with_a_star_is_one_file(tmp_path):
    for name in ("t1.parquet", "t*.parquet"):
        (tmp_path / name).write_bytes(parquet({"a": [len(name)]}))
    assert read(tmp_path / "t*.parquet")["a"].tolist() == [10]


def test_rows_that_compress_to_nothing_are_counted(refuse):
    content = parquet({"a": np.zeros(1_000_000), "b": np.zeros(1_000_000)})
    assert len(content) < 20_000
    refuse("t.parquet", content, "needs 16,000,000 bytes, expected at most 100,000", max_bytes=100_000)


# Anything


@st.composite
def mutated(draw, content):
    """A valid file with some bytes changed, and a piece cut out, repeated or cut off."""
    data = bytearray(content)
    for _ in range(draw(st.integers(0, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    start, stop = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
    how = draw(st.sampled_from(["keep", "keep", "cut", "repeat", "end"]))
    pieces = {"keep": data, "cut": data[:start] + data[stop:], "repeat": data[:stop] + data[start:]}
    return bytes(pieces.get(how, data[:start]))


def read_and_prepare(folder, extension, content, missing):
    """What a user does with any file. Anything but a DataError ends the test."""
    path = folder / f"fuzz{extension}"
    path.write_bytes(content)
    try:
        table = read(path, max_bytes=2**24)
        table.describe()
        prepared = prepare(table, missing=missing)
    except DataError:
        return
    assert np.isfinite(prepared.x).all()
    assert np.isfinite(prepared.y).all()
    assert len(prepared.x) == len(prepared.y) == len(prepared.rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("extension", EXTENSIONS)
@FUZZ
@given(content=st.binary(max_size=300), missing=st.sampled_from(["error", "mean", "drop"]))
def test_random_bytes(folder, extension, content, missing):
    read_and_prepare(folder, extension, content, missing)


@pytest.mark.parametrize("extension", [extension for extension in EXTENSIONS if extension != ".parquet"])
@FUZZ
@given(data=st.data(), missing=st.sampled_from(["error", "mean", "drop"]))
def test_valid_files_with_damage(folder, extension, data, missing):
    read_and_prepare(folder, extension, data.draw(mutated(VALID[extension])), missing)


@SLOW_FUZZ
@given(content=mutated(VALID[".parquet"]), missing=st.sampled_from(["error", "mean", "drop"]))
def test_a_valid_parquet_with_damage(folder, content, missing):
    read_and_prepare(folder, ".parquet", content, missing)


@FUZZ
@given(
    data=st.lists(st.text("0123456789.,-+eE\n\"' \tafinNItruel\0é", max_size=12), max_size=30).map("".join),
    header=st.sampled_from(["a,b\n", "a,target\n", ""]),
    missing=st.sampled_from(["error", "mean", "drop"]),
)
def test_text_that_looks_like_a_table(folder, data, header, missing):
    read_and_prepare(folder, ".csv", (header + data).encode(), missing)


@FUZZ
@given(
    cells=st.lists(
        st.sampled_from(
            ["0", "1", "2", "-1", "1.5", "", "nan", "inf", "1e39", "007", "true", "x", "1e300", "9" * 25]
        ),
        min_size=2,
        max_size=24,
    ),
    options=st.fixed_dictionaries(
        {
            "missing": st.sampled_from(["error", "mean", "drop"]),
            "task": st.sampled_from([None, "regression", "binary", "multiclass"]),
            "categories": st.sampled_from([(), ("a",)]),
        }
    ),
)
def test_every_way_to_prepare_any_cells(folder, cells, options):
    rows = list(zip(cells[::2], cells[1::2], strict=False))
    path = folder / "cells.csv"
    path.write_text("a,target\n" + "".join(f"{first},{second}\n" for first, second in rows))
    try:
        prepared = prepare(read(path), **options)
    except DataError:
        return
    assert np.isfinite(prepared.x).all()
    assert np.isfinite(prepared.y).all()
    np.testing.assert_array_equal(prepared.encoding.encode(read(path).take(prepared.rows)), prepared.x)
