"""Tables: what each format becomes, how columns are typed, encoded and decoded, worked by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import jaxgd
from jaxgd.data import DataError, Encoding, EncodingColumn, Table, prepare, read, split_rows

FRUIT = "size,color,ripe,price\n1,red,true,0.5\n2,blue,false,1.5\n3,red,true,2.5\n"


@pytest.fixture
def write(tmp_path):
    """Writes text to a file of the given name and returns its path."""

    def write_file(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_file


def one_column(values):
    return Table.from_columns({"a": values, "target": [0.5 + row for row in range(len(values))]})


# Reading


def test_csv_columns_have_the_types_of_their_cells(write):
    table = read(write("fruit.csv", FRUIT))
    assert table.names == ("size", "color", "ripe", "price")
    assert [column.dtype for column in table.columns] == [np.int64, object, np.bool_, np.float64]
    assert table["size"].tolist() == [1, 2, 3]
    assert table["color"].tolist() == ["red", "blue", "red"]
    assert table["ripe"].tolist() == [True, False, True]
    assert table["price"].tolist() == [0.5, 1.5, 2.5]
    assert (table.num_rows, len(table), table.format) == (3, 3, "csv")


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "-2", "+3"], np.int64, [1, -2, 3]),
        (["1", "2.5", ".5"], np.float64, [1.0, 2.5, 0.5]),
        (["1e3", "5.", "-1E-2"], np.float64, [1000.0, 5.0, -0.01]),
        ([" 1 ", "2", "3"], np.int64, [1, 2, 3]),
        (["True", "FALSE", "true"], np.bool_, [True, False, True]),
        (["true", "NA", "false"], object, ["true", None, "false"]),
        (["a", "", "null"], object, ["a", None, None]),
        (["007", "12", "13"], object, ["007", "12", "13"]),
        (["1_000", "2", "3"], object, ["1_000", "2", "3"]),
        (["0x1", "2", "3"], object, ["0x1", "2", "3"]),
        (["9223372036854775807", "0", "1"], np.int64, [2**63 - 1, 0, 1]),
        (["9223372036854775808", "0", "1"], np.float64, [2.0**63, 0.0, 1.0]),
        (["yes", "no", "yes"], object, ["yes", "no", "yes"]),
        (["None", "?", "x"], object, ["None", "?", "x"]),
    ],
)
def test_a_text_column_is_typed_by_all_of_its_cells(write, cells, dtype, values):
    table = read(write("t.csv", "a,b\n" + "".join(f"{cell},0\n" for cell in cells)))
    assert table["a"].dtype == dtype
    assert table["a"].tolist() == values


@pytest.mark.parametrize("marker", ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", " "])
def test_missing_markers_are_gaps_in_numbers(write, marker):
    column = read(write("t.csv", f"a,b\n1,x\n{marker},x\n"))["a"]
    assert column.dtype == np.float64
    assert column[0] == 1.0
    assert np.isnan(column[1])


def test_decimals_are_rounded_as_python_rounds_them(write):
    values = np.random.RandomState(0).standard_normal(2000) * 10.0 ** np.arange(-100, 100).repeat(10)
    table = read(write("t.csv", "a,b\n" + "".join(f"{value!r},0\n" for value in values.tolist())))
    assert table["a"].tolist() == values.tolist()


def test_csv_keeps_quoted_separators_line_ends_and_a_byte_order_mark(write):
    text = b'\xef\xbb\xbf"a",b\r\n"x, ""y""\nz",1\r\n\r\nw,2\r\n'
    table = read(write("t.csv", text))
    assert table["a"].tolist() == ['x, "y"\nz', "w"]
    assert table["b"].tolist() == [1, 2]


def test_a_header_of_counted_numbers_is_a_header(write):
    assert read(write("t.csv", "0,1\n5,6\n")).names == ("0", "1")


def test_more_rows_than_are_read_at_once(write, monkeypatch):
    monkeypatch.setattr("jaxgd.data.text_files._ROWS_AT_ONCE", 7)
    table = read(write("t.csv", "a,b\n" + "".join(f"{row},{row}.5\n" for row in range(100))))
    assert table["a"].tolist() == list(range(100))
    assert table["b"].dtype == np.float64


def test_equal_content_is_equal_in_csv_tsv_and_parquet(write, tmp_path):
    csv = read(write("fruit.csv", FRUIT))
    tsv = read(write("fruit.TSV", FRUIT.replace(",", "\t")))
    pl.DataFrame({name: csv[name].tolist() for name in csv.names}).write_parquet(tmp_path / "fruit.parquet")
    parquet = read(tmp_path / "fruit.parquet")
    assert csv.fingerprint == tsv.fingerprint == parquet.fingerprint
    assert parquet.format == "parquet"


def test_parquet_types(tmp_path):
    frame = pl.DataFrame(
        {
            "small": pl.Series([1, 2], dtype=pl.Int8),
            "gaps": pl.Series([1, None], dtype=pl.Int64),
            "large": pl.Series([2**64 - 1, 1], dtype=pl.UInt64),
            "float": pl.Series([0.5, None], dtype=pl.Float32),
            "decimal": pl.Series(["1.5", "2.5"]).cast(pl.Decimal(10, 2)),
            "flag": [True, None],
            "word": ["a", None],
            "kind": pl.Series(["a", "b"], dtype=pl.Categorical),
            "day": pl.Series([0, 1], dtype=pl.Int32).cast(pl.Date),
            "nothing": pl.Series([None, None], dtype=pl.Null),
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet")
    assert table["small"].dtype == np.int64
    np.testing.assert_array_equal(table["gaps"], [1.0, np.nan])
    assert table["large"].tolist() == [2.0**64, 1.0]
    np.testing.assert_array_equal(table["float"], [0.5, np.nan])
    assert table["decimal"].tolist() == [1.5, 2.5]
    assert table["flag"].tolist() == ["true", None]
    assert table["word"].tolist() == ["a", None]
    assert table["kind"].tolist() == ["a", "b"]
    assert table["day"].tolist() == ["1970-01-01", "1970-01-02"]
    assert np.isnan(table["nothing"]).all()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(("x_name", "y_name"), [("x", "y"), ("X", "Y"), ("features", "target")])
def test_npz_holds_x_and_y(tmp_path, save, x_name, y_name):
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    save(tmp_path / "t.npz", **{x_name: np.asfortranarray(x), y_name: np.array(["a", "b", "a"]), "extra": x})
    table = read(tmp_path / "t.npz")
    assert table.names == ("x0", "x1", "y")
    assert table["x1"].tolist() == [1.0, 3.0, 5.0]
    assert table["y"].tolist() == ["a", "b", "a"]


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f2", "<i4", ">i2", "u1", "?"])
def test_npy_of_every_plain_type(tmp_path, dtype):
    array = np.array([[0, 1, 1], [1, 0, 0]]).astype(dtype)
    np.save(tmp_path / "t.npy", array)
    table = read(tmp_path / "t.npy")
    assert table.names == ("column_0", "column_1", "column_2")
    assert [column.tolist() for column in table.columns] == array.astype(float).T.tolist()
    assert all(column.dtype in (np.int64, np.float64) for column in table.columns)


def test_a_column_of_labels_and_npz_without_labels(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.ones((4, 1)), y=np.array([[0], [1], [0], [1]]))
    assert read(tmp_path / "t.npz")["y"].tolist() == [0, 1, 0, 1]
    np.savez(tmp_path / "u.npz", x=np.ones((4, 1)))
    assert read(tmp_path / "u.npz").names == ("x0",)
    with pytest.raises(DataError, match="x alone"):
        prepare(read(tmp_path / "u.npz"))


# Tables


def test_fingerprint_sees_names_types_values_and_gaps():
    contents = [
        {"a": [1, 2]},
        {"b": [1, 2]},
        {"a": [1, 3]},
        {"a": [1.0, 2.0]},
        {"a": ["1", "2"]},
        {"a": ["12", None]},
        {"a": [None, "12"]},
        {"a": ["1", "2"], "b": ["3", "4"]},
        {"a": [True, False]},
        {"a": [1.0, None]},
    ]
    prints = [Table.from_columns(content).fingerprint for content in contents]
    assert len(set(prints)) == len(contents)
    assert prints == [Table.from_columns(content).fingerprint for content in contents]
    assert all(len(text) == 64 for text in prints)


def test_describe_counts_distinct_and_missing_cells():
    table = Table.from_columns({"a": [1.5, None, 1.5, 2.0], "b": ["x", "y", None, "x"], "c": [True] * 4})
    rows = [(row.name, row.kind, row.distinct, row.missing, row.example) for row in table.describe()]
    assert rows == [
        ("a", "number", 2, 1, "1.5"),
        ("b", "category", 2, 1, "x"),
        ("c", "category", 1, 0, "True"),
    ]


def test_columns_cannot_be_written_to_and_rows_can_be_taken():
    table = Table.from_columns({"a": [1, 2, 3]})
    with pytest.raises(ValueError, match="read-only"):
        table["a"][0] = 9
    assert table.take([2, 0])["a"].tolist() == [3, 1]
    with pytest.raises(DataError, match="outside"):
        table.take([3])


def test_a_table_leaves_the_callers_array_writable():
    values = np.array([1.0, 2.0])
    table = Table.from_columns({"a": values})
    values[0] = 9.0
    assert table["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "no columns"),
        ({"a": []}, "no rows"),
        ({"a": [1], "b": [1, 2]}, r"'b': 2 rows, expected 1"),
        ({"": [1]}, "column 1 has no name"),
        ({"a": np.ones((2, 2))}, "expected one dimension"),
        ({"a": [1 + 2j]}, "complex128"),
        ({"a": ["x", 1]}, "row 2: expected text, got int"),
        ({"a": [[1], [1, 2]]}, "one value a row"),
    ],
)
def test_a_table_refuses_what_is_no_table(columns, message):
    with pytest.raises(DataError, match=message):
        Table.from_columns(columns)


def test_an_unknown_column_is_answered_with_the_nearest():
    with pytest.raises(DataError, match="Did you mean 'color'"):
        Table.from_columns({"color": ["red"]})["colour"]


# Targets and tasks


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a", "b"), "b"),
        (("Target", "b"), "Target"),
        (("y", "a"), "y"),
        (("y", "CLASS", "a"), "CLASS"),
        (("class", "label", "b"), "label"),
        (("label", "target", "b"), "target"),
    ],
)
def test_the_default_target(names, expected):
    table = Table.from_columns({name: [0.5, 1.5] for name in names})
    assert prepare(table).encoding.target == expected


def test_two_names_that_differ_in_case_are_not_guessed_between():
    with pytest.raises(DataError, match="say which is the target"):
        prepare(Table.from_columns({"y": [1.0, 2.0], "Y": [1.0, 2.0], "a": [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("values", "task", "classes", "y"),
    [
        (["no", "yes", "no", "yes"], "binary", ("no", "yes"), [0, 1, 0, 1]),
        ([True, False, True, True], "binary", ("false", "true"), [1, 0, 1, 1]),
        (["c", "a", "b", "a"], "multiclass", ("a", "b", "c"), [2, 0, 1, 0]),
        ([10, 9, 10, 9], "binary", ("9", "10"), [1, 0, 1, 0]),
        ([-1, 1, -1, 1], "binary", ("-1", "1"), [0, 1, 0, 1]),
        ([2, 10, 0, 2, 10, 0], "multiclass", ("0", "2", "10"), [1, 2, 0, 1, 2, 0]),
        ([0, 1], "binary", ("0", "1"), [0, 1]),
        ([0.0, 1.0, 0.0, 1.0], "binary", ("0", "1"), [0, 1, 0, 1]),
        ([1.0, 2.0, 1.0, 2.0], "regression", (), [1.0, 2.0, 1.0, 2.0]),
        ([0.0, 1.0, 2.0] * 4, "regression", (), [0.0, 1.0, 2.0] * 4),
        ([1, 2, 3, 4, 5], "regression", (), [1.0, 2.0, 3.0, 4.0, 5.0]),
        (list(range(21)) * 3, "regression", (), [float(v) for v in list(range(21)) * 3]),
        (list(range(20)) * 2, "multiclass", tuple(map(str, range(20))), list(range(20)) * 2),
    ],
)
def test_the_task_follows_from_the_targets_values(values, task, classes, y):
    prepared = prepare(Table.from_columns({"a": list(range(len(values))), "target": values}))
    assert prepared.encoding.task == task
    assert prepared.encoding.classes == classes
    assert prepared.y.tolist() == y
    assert prepared.y.dtype == (np.float32 if task == "regression" else np.int32)
    assert prepared.encoding.encode_target(Table.from_columns({"target": values})).tolist() == y


def test_a_task_can_be_forced():
    table = Table.from_columns({"a": [1, 2, 3, 4], "y": [0, 1, 0, 1]})
    assert prepare(table, task="regression").y.dtype == np.float32
    assert prepare(table, task="multiclass").encoding.num_outputs == 2
    floats = Table.from_columns({"a": [1, 2, 3], "y": [0.0, 1.0, 5.0]})
    assert prepare(floats, task="multiclass").encoding.classes == ("0", "1", "5")


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.5, 1.5, 1.5], {}, "the target is constant"),
        ([1, 1, 1], {"task": "binary"}, "only one class"),
        (["a", "a", "a"], {}, "only one class"),
        (["a", "b", "c"], {"task": "binary"}, "expected two classes.*got 3"),
        (["a", "b", "c"], {"task": "regression"}, "row 1: expected a number, got 'a'"),
        ([True, False, True], {"task": "regression"}, "expected numbers, got true"),
        ([0.5, 1.5, 2.5], {"task": "multiclass"}, "numbers with fractions"),
        ([1.0, float("inf"), 2.0], {"task": "multiclass"}, "fractions"),
        ([0, 2**31, 0], {"task": "binary"}, "beyond int32"),
        ([0, -(2**31) - 1, 0], {"task": "binary"}, "beyond int32"),
        ([1.0, float("inf"), 2.0], {}, "1 infinite values .the first in row 2"),
        ([1.0, 1e39, 2.0], {}, r"row 2: 1e\+39 is too large for float32"),
        ([1.0, None, 2.0], {}, "1 missing of 3.*missing='mean' or missing='drop'"),
        ([1.0, None, 2.0], {"missing": "mean"}, "no stand-in"),
        ([1.0, 2.0, 3.0], {"task": "binry"}, "Did you mean 'binary'"),
        ([1.0, 2.0, 3.0], {"missing": "men"}, "Did you mean 'mean'"),
        ([1.0, 2.0, 3.0], {"target": "taget"}, "Did you mean 'target'"),
        ([1.0, 2.0, 3.0], {"exclude": ["b"]}, "unknown column in exclude 'b'"),
        ([1.0, 2.0, 3.0], {"exclude": ["a"]}, "no column besides the target"),
        ([1.0, 2.0, 3.0], {"exclude": ["target"]}, "the target 'target' is excluded"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(values, options, message):
    with pytest.raises(DataError, match=message):
        prepare(Table.from_columns({"a": [1.0, 2.0, 3.0], "target": values}), **options)


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_negative_labels_are_refused_in_array_files_only(tmp_path, kind):
    data = np.array([[1, -1], [2, 0], [3, -1], [4, 0]])
    path = tmp_path / f"t.{kind}"
    np.save(path, data) if kind == "npy" else np.savez(path, x=data[:, :1], y=data[:, 1])
    with pytest.raises(DataError, match="2 negative labels"):
        prepare(read(path))
    assert prepare(read(path), task="regression").y.tolist() == [-1.0, 0.0, -1.0, 0.0]


def test_too_many_classes_or_categories_are_identifiers():
    names = [f"row {row}" for row in range(1001)]
    with pytest.raises(DataError, match="more than 1000 classes, expected at most 1000"):
        prepare(Table.from_columns({"a": np.arange(1001), "target": names}))
    with pytest.raises(DataError, match=r"more than 1000 categories.*exclude=\['a'\]"):
        prepare(Table.from_columns({"a": names, "target": np.arange(1001) / 2}))


# Encoding


def test_numbers_stay_and_categories_become_zeros_and_ones(write):
    prepared = prepare(read(write("fruit.csv", FRUIT)))
    encoding = prepared.encoding
    assert prepared.x.dtype == np.float32
    assert prepared.x.tolist() == [[1, 0, 1, 0, 1], [2, 1, 0, 1, 0], [3, 0, 1, 0, 1]]
    assert encoding.feature_names == ("size", "color=blue", "color=red", "ripe=false", "ripe=true")
    assert encoding.numeric_mask().tolist() == [True, False, False, False, False]
    assert (encoding.num_features, encoding.num_outputs) == (5, 1)
    assert prepared.rows.tolist() == [0, 1, 2]


def test_new_rows_in_another_order_with_unknown_categories_and_extra_columns(write):
    encoding = prepare(read(write("fruit.csv", FRUIT))).encoding
    new = read(write("new.csv", "extra,ripe,color,size\nz,true,green,7\nz,true,red,8\n"))
    assert encoding.encode(new).tolist() == [[7, 0, 0, 0, 1], [8, 0, 1, 0, 1]]
    assert encoding.count_unknown(new) == {"color": 1}
    with pytest.raises(DataError, match="unknown column 'price'"):
        encoding.encode_target(new)
    with pytest.raises(DataError, match="unknown column 'size'"):
        encoding.encode(read(write("less.csv", "ripe,color\ntrue,red\n")))


def test_a_category_is_the_same_whatever_type_the_new_file_gives_it():
    table = Table.from_columns(
        {"a": ["1", "2.50", "x", "007"], "b": [True, False, True, True], "y": [1.5, 2, 3, 4]}
    )
    encoding = prepare(table).encoding
    assert encoding.columns[0].categories == ("1", "2.5", "007", "x")
    new = Table.from_columns({"a": [1.0, 2.5, 7.0, 1.0], "b": ["true", "false", "maybe", "true"]})
    assert encoding.encode(new)[:, :4].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert encoding.count_unknown(new) == {"a": 1, "b": 1}


def test_numbers_written_as_text_are_numbers_to_a_number_column():
    encoding = prepare(one_column([10, 12, 11])).encoding
    assert encoding.encode(Table.from_columns({"a": ["08", "09"]})).tolist() == [[8.0], [9.0]]
    with pytest.raises(DataError, match="column 'a', row 2: expected a number, got 'ten'"):
        encoding.encode(Table.from_columns({"a": ["08", "ten"]}))
    with pytest.raises(DataError, match="expected numbers, got true"):
        encoding.encode(Table.from_columns({"a": [True]}))


def test_numbers_can_be_made_categories():
    prepared = prepare(one_column([3, 10, 3]), categories=["a"])
    assert prepared.encoding.columns[0].categories == ("3", "10")
    assert prepared.x.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_a_few_words_among_numbers_are_mistakes(write):
    rows = [str(row) for row in range(9)]
    path = write("t.csv", "a,y\n" + "".join(f"{cell},0.5\n" for cell in [*rows, "o5"]) + "1,1.5\n")
    with pytest.raises(
        DataError, match=r"column 'a', row 10: expected a number as in 10 of 11 cells, got 'o5'"
    ):
        prepare(read(path))
    assert prepare(read(path), categories=["a"]).x.shape == (11, 10)
    half = prepare(one_column(["1", "2", "x", "y"]))
    assert half.encoding.columns[0].kind == "category"


def test_codes_with_leading_zeros_and_words_are_categories():
    cells = [f"{row:03d}" for row in range(30)] + ["A01"]
    assert prepare(one_column(cells)).encoding.columns[0].kind == "category"


def test_missing_cells_are_an_error_that_says_how_to_go_on():
    with pytest.raises(DataError, match=r"column 'a': 1 missing of 3 .the first in row 2.*missing='mean'"):
        prepare(one_column([1.0, None, 2.0]))
    encoding = prepare(one_column([1.0, 2.0])).encoding
    with pytest.raises(DataError, match="1 missing of 2"):
        encoding.encode(Table.from_columns({"a": [1.0, None]}))


def test_missing_mean_stands_for_numbers_now_and_later():
    table = Table.from_columns({"a": [1.0, None, 4.0], "b": ["u", None, "v"], "y": [0.5, 1.5, 2.5]})
    prepared = prepare(table, missing="mean")
    assert prepared.x.tolist() == [[1.0, 1, 0], [2.5, 0, 0], [4.0, 0, 1]]
    new = Table.from_columns({"a": [None, None], "b": ["v", None]})
    assert prepared.encoding.encode(new).tolist() == [[2.5, 0, 1], [2.5, 0, 0]]
    assert prepared.encoding.count_unknown(new) == {}


def test_missing_drop_leaves_out_rows_and_restores_integer_labels():
    table = Table.from_columns(
        {"a": [1, 2, None, 4, 5, 6], "y": [0.0, None, 1.0, 1.0, 0.0, 1.0], "b": [None] * 6}
    )
    prepared = prepare(table, missing="drop", exclude=["b"])
    assert prepared.rows.tolist() == [0, 3, 4, 5]
    assert prepared.x.tolist() == [[1], [4], [5], [6]]
    assert prepared.encoding.task == "binary"
    assert prepared.y.tolist() == [0, 1, 0, 1]
    with pytest.raises(DataError, match="every row has a missing cell"):
        prepare(table, target="y", missing="drop")
    with pytest.raises(DataError, match="leave them out first"):
        prepared.encoding.encode(table)


def test_a_column_of_nothing_has_no_mean():
    table = Table.from_columns({"a": [None, float("nan")], "y": [0.5, 1.5]})
    with pytest.raises(DataError, match=r"every cell is missing. Give exclude=\['a'\]"):
        prepare(table, missing="mean")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, float("-inf")], "1 infinite values .the first in row 2"),
        ([1.0, -1e39], "too large for float32"),
    ],
)
@pytest.mark.parametrize("missing", ["error", "mean", "drop"])
def test_numbers_that_float32_does_not_hold_are_refused(values, message, missing):
    with pytest.raises(DataError, match=message):
        prepare(one_column(values), missing=missing)
    with pytest.raises(DataError, match=message):
        prepare(one_column([1.0, 2.0]), missing=missing).encoding.encode(Table.from_columns({"a": values}))


def test_an_unknown_class_is_an_error():
    encoding = prepare(Table.from_columns({"a": [1, 2], "y": ["no", "yes"]})).encoding
    with pytest.raises(DataError, match="row 2: class 'maybe', expected one of no, yes"):
        encoding.encode_target(Table.from_columns({"y": ["no", "maybe"]}))


def test_an_encoding_too_large_to_hold_is_refused_before_it_is_made():
    column = EncodingColumn("a", "category", tuple(map(str, range(1000))))
    table = Table.from_columns({"a": np.zeros(3_000_000, dtype=np.int64)})
    with pytest.raises(DataError, match="needs 12,000,000,000 bytes"):
        Encoding((column,), "y", "regression").encode(table)


# Decoding


TWO, THREE = ("no", "yes"), ("a", "b", "c")


@pytest.mark.parametrize(
    ("task", "classes", "predictions", "expected"),
    [
        ("regression", (), [[1.5], [2.5]], [1.5, 2.5]),
        ("regression", (), [1.5, 2.5], [1.5, 2.5]),
        ("binary", TWO, [[0.5], [0.51]], ["no", "yes"]),
        ("binary", TWO, [[0.9, 0.1], [0.2, 0.8]], ["no", "yes"]),
        ("binary", TWO, [1, 0], ["yes", "no"]),
        ("multiclass", THREE, [[0.1, 0.2, 0.7], [5.0, -1.0, 0.0]], ["c", "a"]),
        ("multiclass", THREE, [2, 1], ["c", "b"]),
    ],
)
def test_predictions_in_the_words_of_the_target(task, classes, predictions, expected):
    assert Encoding((), "y", task, classes).decode(np.array(predictions)).tolist() == expected


@pytest.mark.parametrize(
    ("task", "classes", "predictions", "message"),
    [
        ("regression", (), [[1.0, 2.0]], "expected numbers"),
        ("binary", TWO, [float("nan")], "1 are NaN"),
        ("binary", TWO, [[0.1, 0.2, 0.7]], "predictions"),
        ("multiclass", THREE, [[0.1, 0.9]], r"expected shape \[rows, 3\]"),
        ("multiclass", THREE, [0.5, 0.5], r"expected shape \[rows, 3\]"),
        ("multiclass", THREE, [0, 3], r"outside \[0, 3\)"),
        ("multiclass", THREE, [-1], r"outside \[0, 3\)"),
    ],
)
def test_predictions_that_are_none_are_refused(task, classes, predictions, message):
    with pytest.raises(DataError, match=message):
        Encoding((), "y", task, classes).decode(np.array(predictions))


def test_labels_survive_encoding_and_decoding(write):
    prepared = prepare(read(write("fruit.csv", FRUIT)), target="color")
    assert prepared.encoding.decode(prepared.y).tolist() == ["red", "blue", "red"]


# JSON


def test_an_encoding_survives_json_bit_for_bit():
    table = Table.from_columns({"a": [0.1, None, 0.7], "b": ["ü", "v", "ü"], "y": ["no", "yes", "no"]})
    encoding = prepare(table, missing="mean").encoding
    again = Encoding.from_json(encoding.to_json())
    assert again == encoding
    assert hash(again) == hash(encoding)
    assert again.columns[0].mean == (0.1 + 0.7) / 2
    np.testing.assert_array_equal(again.encode(table), encoding.encode(table))


GOOD = json.loads(
    prepare(Table.from_columns({"a": [1, 2], "b": ["u", "v"], "y": [1.5, 2.5]})).encoding.to_json()
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version"),
        ({"columns": {}}, "columns: expected a list"),
        ({"columns": [GOOD["columns"][0]] * 2}, "distinct names"),
        ({"columns": [{**GOOD["columns"][0], "kind": "text"}]}, "number or category"),
        ({"columns": [{**GOOD["columns"][0], "categories": ["u"]}]}, "those of a number"),
        ({"columns": [{**GOOD["columns"][1], "categories": []}]}, "those of a category"),
        ({"columns": [{**GOOD["columns"][1], "categories": ["u", "u"]}]}, "distinct names"),
        ({"columns": [{**GOOD["columns"][0], "mean": "1"}]}, "a finite number or null"),
        ({"columns": [{**GOOD["columns"][0], "mean": float("nan")}]}, "a finite number or null"),
        ({"columns": [{**GOOD["columns"][0], "mean": True}]}, "a finite number or null"),
        ({"columns": [{**GOOD["columns"][0], "name": 1}]}, "name: expected text"),
        ({"columns": [3]}, "column 0: expected the fields"),
        ({"target": None}, "target: expected text"),
        ({"task": "ranking"}, "task: expected one of"),
        ({"task": ["binary"]}, "task: expected one of"),
        ({"missing": "guess"}, "missing: expected one of"),
        ({"classes": ["a", "b"]}, "classes of a regression"),
        ({"task": "binary"}, "classes of a binary"),
        ({"surprise": 1}, "expected the fields"),
    ],
)
def test_a_damaged_encoding_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        Encoding.from_json(json.dumps({**GOOD, **change}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '"a"', "1e999"])
def test_text_that_is_no_encoding_is_refused(text):
    with pytest.raises(DataError, match="encoding"):
        Encoding.from_json(text)


# Splits


@pytest.mark.parametrize(
    ("n", "fraction", "held_out"), [(10, 0.2, 2), (5, 0.5, 3), (2, 0.01, 1), (2, 0.99, 1), (7, 0.25, 2)]
)
def test_a_split_holds_all_rows_once(n, fraction, held_out):
    train, rest = split_rows(n, fraction, seed=3)
    assert len(rest) == held_out
    assert sorted([*train, *rest]) == list(range(n))
    assert train.tolist() == sorted(train)
    assert rest.tolist() == sorted(rest)


def test_a_split_follows_from_its_seed():
    first, again, other = (split_rows(100, 0.3, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_stratified_split_keeps_the_shares_and_a_row_of_each_label():
    labels = np.array(["a"] * 60 + ["b"] * 30 + ["c"] * 9 + ["d"])
    train, held_out = split_rows(100, 0.2, seed=0, stratify=labels)
    names, counts = np.unique(labels[held_out], return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {"a": 12, "b": 6, "c": 2}
    assert set(labels[train]) == {"a", "b", "c", "d"}


def test_a_stratified_split_never_takes_all_of_a_label():
    labels = np.array([0, 0, 1, 1, 2, 2])
    train, held_out = split_rows(6, 0.9, seed=0, stratify=labels)
    assert sorted(labels[train]) == sorted(labels[held_out]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1, 0.5, 0), DataError, "expected at least 2"),
        ((5, 0.0, 0), ValueError, "fraction"),
        ((5, 1.0, 0), ValueError, "fraction"),
        ((5, 0.5, -1), ValueError, "seed"),
        ((5, 0.5, 2**32), ValueError, "seed"),
        ((5.0, 0.5, 0), TypeError, "n: expected an integer"),
        ((3, 0.5, 0, [1, 2]), DataError, "stratify: expected shape"),
        ((3, 0.5, 0, [1, 2, 3]), DataError, "none can be held out"),
    ],
)
def test_splits_that_cannot_be(arguments, error, message):
    with pytest.raises(error, match=message):
        split_rows(*arguments)


# Imports


def test_importing_the_package_loads_neither_polars_nor_sklearn():
    code = "import sys, jaxgd.data; print([m for m in ('polars', 'sklearn') if m in sys.modules])"
    root = Path(jaxgd.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.stdout.strip() == "[]", done.stderr
