"""Folders of files as sources of rows: the same encoding and the same rows as the table in one file."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

import jaxgd
from jaxgd import data
from jaxgd.data.errors import DataError
from jaxgd.data.streams import Wishes, is_many, stream, stream_alike, stream_of
from jaxgd.data.streams.division import held_out
from jaxgd.data.streams.facts import Moments
from jaxgd.data.streams.files import Files

CUTS = [0, 120, 121, 260, 400]


def table(rows=400):
    rng = np.random.default_rng(11)
    frame = pl.DataFrame(
        {
            "size": rng.normal(3.0, 2.0, rows),
            "rooms": rng.integers(0, 5, rows),
            "color": rng.choice(["red", "blue", "green", "007"], rows),
            "new": rng.choice([True, False], rows),
            "gaps": rng.normal(size=rows),
            "label": rng.choice(["x", "y", "z"], rows),
        }
    )
    gap = pl.int_range(0, rows) % 17 == 3
    gone = [pl.when(gap).then(None).otherwise(pl.col(name)).alias(name) for name in ("gaps", "color")]
    return frame.with_columns(gone)


def write(frame, path, kind):
    if kind == "parquet":
        frame.write_parquet(path, row_group_size=50)
    else:
        frame.write_csv(path, separator="\t" if kind == "tsv" else ",")


def write_parts(frame, folder, kind):
    folder.mkdir()
    for number, (first, last) in enumerate(pairwise(CUTS)):
        write(frame[first:last], folder / f"part-{number}.{kind}", kind)
    return folder


def rows_of(source):
    blocks = [source.read(block) for block in range(len(source.block_rows))]
    assert tuple(len(each["x"]) for each in blocks) == source.block_rows
    return tuple(np.concatenate([each[name] for each in blocks]) for name in ("x", "y"))


@pytest.mark.parametrize(
    ("kind", "missing", "target"),
    [
        ("csv", "mean", "label"),
        ("csv", "drop", "rooms"),
        ("tsv", "mean", "size"),
        ("parquet", "drop", "label"),
        ("parquet", "mean", "rooms"),
        ("parquet", "drop", "size"),
    ],
)
def test_a_folder_is_encoded_as_the_table_in_one_file(tmp_path, kind, missing, target):
    frame = table()
    write(frame, tmp_path / f"whole.{kind}", kind)
    whole = data.prepare(data.read(tmp_path / f"whole.{kind}"), target, missing=missing)
    parts = stream(write_parts(frame, tmp_path / "parts", kind), target, missing=missing)
    x, y = rows_of(parts)
    assert np.array_equal(x, whole.x)
    assert np.array_equal(y.ravel(), whole.y)
    ours, theirs = parts.encoding, whole.encoding
    assert (ours.task, ours.classes, ours.feature_names) == (
        theirs.task,
        theirs.classes,
        theirs.feature_names,
    )
    for one, other in zip(ours.columns, theirs.columns, strict=True):
        assert one.categories == other.categories
        assert (one.mean is None) == (other.mean is None)
        assert one.mean is None or one.mean == pytest.approx(other.mean, rel=1e-6)  # x is float32
    numeric = theirs.numeric_mask()
    exact = whole.x.astype(np.float64)
    np.testing.assert_allclose(parts.mean, np.where(numeric, exact.mean(axis=0), 0.0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(parts.variance, np.where(numeric, exact.var(axis=0), 1.0), rtol=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_in_files_are_read_by_position(tmp_path, order, monkeypatch):
    monkeypatch.setattr("jaxgd.data.streams.npy_files._BLOCK_BYTES", 400)
    rng = np.random.default_rng(2)
    whole = np.concatenate([rng.normal(size=(90, 3)), rng.integers(0, 3, (90, 1))], axis=1)
    for number, part in enumerate(np.split(whole, [31, 62])):
        np.save(tmp_path / f"{number}.npy", np.asarray(part, order=order))
    source = stream(str(tmp_path / "*.npy"), task="multiclass")
    x, y = rows_of(source)
    assert len(source.block_rows) > 3
    assert np.array_equal(x, whole[:, :3].astype(np.float32))
    assert np.array_equal(y, whole[:, 3])


def test_held_out_rows_are_decided_by_their_number_alone(tmp_path):
    folder = write_parts(table(), tmp_path / "parts", "parquet")
    wishes = Wishes("label", missing="drop", share=0.25, seed=4)
    whole = stream_of(folder, wishes)
    training, out = whole.only("training"), whole.only("held-out")
    assert training.num_rows + out.num_rows == whole.num_rows
    x, inside, outside = (rows_of(each)[0] for each in (whole, training, out))
    assert sorted(map(tuple, np.concatenate([inside, outside]))) == sorted(map(tuple, x))
    assert np.array_equal(held_out(0, 50, 0.25, 4)[20:], held_out(20, 30, 0.25, 4))
    assert not np.array_equal(held_out(0, 50, 0.25, 4), held_out(0, 50, 0.25, 5))
    share = held_out(0, 100_000, 0.25, 4).mean()
    assert abs(share - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 100_000)
    np.testing.assert_allclose(training.mean[0], inside[:, 0].astype(np.float64).mean(), rtol=1e-6)
    first = next(row for row in range(400) if held_out(row, 1, 0.25, 4)[0] and row % 17 != 3)
    assert out.row_number(0, 0) == first


def test_moments_block_by_block_are_those_of_all_values():
    values = np.random.default_rng(3).normal(1e6, 1.0, 1000)
    moments = Moments()
    for part in np.split(values, [1, 10, 400]):
        moments.add(part)
    assert moments.count == 1000
    assert moments.mean == pytest.approx(values.mean(), rel=1e-14)
    assert moments.squares / 1000 == pytest.approx(
        values.var(), rel=1e-9
    )  # 1e6 ** 2 * 2**-52 is 2e-4 of 1000
    assert (moments.low, moments.high) == (values.min(), values.max())


def test_weights_are_a_column(tmp_path):
    frame = table().with_columns(pl.lit(2.0).alias("w")).drop("gaps", "color")
    source = stream(write_parts(frame, tmp_path / "parts", "parquet"), "label", sample_weight="w")
    assert "w" not in source.encoding.feature_names
    assert (source.read(0)["sample_weight"] == 2.0).all()


def test_a_streamed_fit_is_that_of_the_concatenated_files(tmp_path):
    folder = write_parts(table().drop("color", "new", "gaps"), tmp_path / "parts", "parquet")
    source = stream(folder, "label", window=96)
    x, y = rows_of(source)
    model = jaxgd.mlp([2, 4, 3], output_activation="softmax")
    settings = {"loss": "sparse_categorical_crossentropy", "epochs": 2, "shuffle": False, "batch_size": 32}
    streamed, whole = jaxgd.fit(model, source, **settings), jaxgd.fit(model, x, y, **settings)
    np.testing.assert_allclose(streamed.history["loss"], whole.history["loss"], rtol=2e-6)
    params = streamed.params
    expected = jaxgd.evaluate(model, params, x, y, loss=settings["loss"], metrics=["accuracy"])
    found = jaxgd.evaluate(model, params, source, loss=settings["loss"], metrics=["accuracy"])
    assert found["accuracy"] == expected["accuracy"]
    assert found["loss"] == pytest.approx(expected["loss"], rel=2e-6)
    alike = stream_alike(folder, source.encoding, with_target=False)
    outputs = np.concatenate(list(jaxgd.predict(model, params, alike)))
    np.testing.assert_allclose(outputs, jaxgd.predict(model, params, x), rtol=2e-6)


def test_text_files_keep_quotes_blank_lines_and_a_last_line_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxgd.data.streams.text_files._BLOCK_BYTES", 40)
    text = 'name,n,label\n"a, ""b""",1,u\n\n"two\nlines",2,v\r\nplain,3,u\n"a, ""b""",4,v\nplain,5,u'
    for number in range(2):
        (tmp_path / f"{number}.csv").write_bytes(text.encode())
    (tmp_path / "whole.txt").write_text("not looked at")
    source = stream(tmp_path, "label")
    assert source.num_rows == 10
    assert len(source.block_rows) > 2
    assert source.encoding.columns[0].categories == ('a, "b"', "plain", "two\nlines")
    assert rows_of(source)[0][:5, 3].tolist() == [1, 2, 3, 4, 5]


def test_types_of_text_come_from_all_cells_of_all_files(tmp_path):
    (tmp_path / "0.csv").write_text("a,b,c,label\n1,true,1,x\n2,false,2,y\n")
    (tmp_path / "1.csv").write_text("a,b,c,label\n1.5,true,x,x\n2,false,y,y\n")
    source = stream(tmp_path)
    kinds = {column.name: (column.kind, column.categories) for column in source.encoding.columns}
    assert kinds == {
        "a": ("number", ()),
        "b": ("category", ("false", "true")),
        "c": ("category", ("1", "2", "x", "y")),
    }


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1] * 9, "binary"),
        (list(range(12)), "regression"),
        ([0.5, 1.5] * 6, "regression"),
        ([3, 4, 5] * 4, "multiclass"),
    ],
)
def test_the_task_is_that_of_the_table(tmp_path, values, task):
    frame = pl.DataFrame({"x": np.arange(len(values), dtype=float), "y": values})
    frame[:5].write_parquet(tmp_path / "0.parquet")
    frame[5:].write_parquet(tmp_path / "1.parquet")
    assert (
        stream(tmp_path).encoding.task
        == task
        == data.prepare(data.Table.from_columns(frame.to_dict())).encoding.task
    )


def test_what_stands_for_many_files(tmp_path):
    assert is_many(tmp_path)
    assert is_many([tmp_path / "a.csv"])
    assert not is_many(tmp_path / "a.csv")
    with pytest.raises(DataError, match="no such file or folder"):
        stream(tmp_path / "missing")


@pytest.mark.parametrize("kind", ["parquet", "csv", "npy"])
@pytest.mark.parametrize("part", ["all", "held-out"])
def test_one_row_says_what_all_rows_are_like(tmp_path, kind, part, monkeypatch):
    """Names, dtypes and shapes, without a row being read."""
    rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    frame = pl.DataFrame(rows, schema=["a", "b", "weight", "y"]).with_columns(pl.col("weight").abs())
    if kind == "npy":
        np.save(tmp_path / "rows.npy", rows)
    else:
        write(frame, tmp_path / f"rows.{kind}", kind)
    weight = {} if kind == "npy" else {"weight": "weight"}
    source = stream_of(tmp_path, Wishes(share=0.4, task="regression", **weight)).only(part)
    read, plain = [], Files.plain

    def counted(files, file, place, *rest):
        read.append(place.rows)
        return plain(files, file, place, *rest)

    monkeypatch.setattr(Files, "plain", counted)
    row = source.sample()
    assert read == []
    block = source.read(0)
    assert {name: (each.shape[1:], each.dtype) for name, each in row.items()} == {
        name: (each.shape[1:], each.dtype) for name, each in block.items()
    }
    assert all(len(each) == 1 for each in row.values())
