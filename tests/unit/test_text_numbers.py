"""Text that is parsed as numbers is what the way over words finds: cells, kinds, facts and errors."""

import numpy as np
import pytest

from jaxgd.data.errors import DataError
from jaxgd.data.streams import stream
from jaxgd.data.streams.text_files import TextFiles
from jaxgd.data.streams.text_numbers import says_what_it_means

CELLS = [
    *("1", "-2", "+3", "0", "-0", "0.5", "-0.5", ".5", "5.", "1e-05", "1.5E+00", "007", "-007", "+00"),
    *("00.5", "", "NA", "nan", "NaN", "-nan", "inf", "-Infinity", "1_000", "0x1", "1e", "e5", "1d5", "true"),
    *("FALSE", "9223372036854775807", "9223372036854775808", "9007199254740993", "1e400", "1e-400", " 4"),
    *('"5"', "word"),
]


def test_any_cell_is_found_to_be_what_words_say(tmp_path, monkeypatch):
    """Each cell stands in a block of its own, behind one of whole and one of broken numbers."""
    monkeypatch.setattr("jaxgd.data.streams.text_files._BLOCK_BYTES", 64)
    found = {}
    for quick in (True, False):
        if not quick:
            monkeypatch.setattr(TextFiles, "read_likely", lambda *given: None)
        for number, cell in enumerate(CELLS):
            path, ends = tmp_path / f"{number}.csv", "\r\n" if number % 2 else "\n"
            rows = [f"{k},{k / 4},{k % 3 % 2}" for k in range(24)]
            rows[16] = f"{cell},4.25,1"
            rows[20] = f"1,{cell},1"
            path.write_text(ends.join(["a,b,label", *rows]) + ends, newline="")
            found.setdefault(cell, []).append(outcome(path))
    differing = {cell: pair for cell, pair in found.items() if pair[0] != pair[1]}
    assert not differing
    assert sum(isinstance(pair[0], str) for pair in found.values()) not in (0, len(CELLS))


def outcome(path):
    """What is known of a file, or the error that it is."""
    try:
        rows = stream([path], "label", missing="mean", task="binary")
    except DataError as error:
        return str(error)
    blocks = [rows.read(block)["x"].tobytes() for block in range(len(rows.block_rows))]
    return rows.encoding, rows.files.kinds, rows.mean.tobytes(), rows.variance.tobytes(), blocks


def test_numbers_are_not_read_as_words(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxgd.data.streams.text_files._BLOCK_BYTES", 200)
    rows = "".join(f"{k},{k / 8},{k % 2}\n" for k in range(100))
    (tmp_path / "0.csv").write_text(f"a,b,label\n{rows}")
    words = []
    slow = TextFiles.read_columns
    monkeypatch.setattr(TextFiles, "read_columns", lambda *given: words.append(given[3]) or slow(*given))
    source = stream(tmp_path, "label", task="binary")
    assert len(source.block_rows) > 4
    assert len(words) == 1, "the first block alone, of which nothing is known"
    np.testing.assert_array_equal(source.mean, [49.5, 49.5 / 8])


@pytest.mark.parametrize(
    ("text", "separator", "sure"),
    [
        (b"0.5,10,1e-05,-0,0\n0,2.001\n", ",", True),
        (b"1,2\n01,2", ",", False),
        (b"+01,2", ",", False),
        (b"1\t-02", "\t", False),
        (b'1,"2"', ",", False),
        (b"1, 2", ",", False),
        (b"1,\t2", ",", False),
        (b"100,1.00,-100\r\n0", ",", True),
        (b"0,1\r\n00,1", ",", False),
        (b"", ",", True),
        (b"0", ",", True),
    ],
)
def test_what_a_parser_of_numbers_may_not_be_given(text, separator, sure):
    assert says_what_it_means(text, separator) is sure
