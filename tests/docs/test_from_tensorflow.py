"""docs/from-tensorflow.md: both sides of every row and of every pair of blocks give the same numbers."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pairs import assert_same, both_sides, run_cell, table_rows

import jaxgd

PAGE = (Path(__file__).parents[2] / "docs/from-tensorflow.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*)\n((?:(?!^## ).*\n)*)", PAGE, flags=re.MULTILINE))
PAIR = re.compile(
    r"<!-- tensorflow -->\n```python\n(.*?)```.*?<!-- jaxgd -->\n```python\n(.*?)```", re.DOTALL
)
PAIRS = {name: PAIR.findall(text) for name, text in SECTIONS.items() if "<!-- tensorflow -->" in text}
OPTIMIZERS = table_rows(SECTIONS["Optimizers"])


def sides():
    """Both sides' names, with the vectors that the page speaks of."""
    vectors = {"w": np.float32([0.5, -1.0, 2.0]), "v": np.float32([1.0, 0.25, -0.5]), "np": np}
    return tuple(names | vectors for names in both_sides())


@pytest.mark.parametrize("section", ["The tape", "Gradients, applied"])
def test_every_row_gives_the_same_numbers(section):
    left, right = sides()
    rows = table_rows(SECTIONS[section])
    assert len(rows) >= 7
    for tensorflow_cell, jaxgd_cell in rows:
        assert_same(run_cell(tensorflow_cell, left), run_cell(jaxgd_cell, right), jaxgd_cell)


@pytest.mark.parametrize("row", OPTIMIZERS, ids=lambda row: row[1].strip("`").split("(")[0].split(".")[-1])
def test_three_steps_of_every_optimizer_are_equal(row):
    left, right = sides()
    variables = [left["keras"].Variable(value) for value in (left["x"][:4], left["w"])]
    theirs, ours = run_cell(row[0], left), run_cell(row[1], right)
    params = {"dense": {"kernel": right["x"][:4], "bias": right["w"]}}
    state = ours.init(params)
    for number in (1.0, 2.0, 3.0):
        grads = [np.sin(number * each.numpy()) for each in variables]
        theirs.apply([left["tf"].constant(each) for each in grads], variables)
        params, state = ours.rule.apply(
            {"dense": dict(zip(("kernel", "bias"), grads, strict=True))}, state, params
        )
    assert_same([each.numpy() for each in variables], params, row[1])


def test_every_optimizer_of_the_package_has_a_row():
    classes = {re.match(r"`keras\.optimizers\.(\w+)", row[0])[1] for row in OPTIMIZERS}
    assert set(jaxgd.optimizers.class_names()) <= classes


@pytest.mark.parametrize("section", [name for name in PAIRS if name != "MirroredStrategy"])
def test_both_blocks_end_with_the_same_numbers(section):
    compare_blocks(section)


def compare_blocks(section):
    """Run both blocks of a section; what each calls `losses` is compared."""
    ((theirs, ours),) = PAIRS[section]
    left, right = sides()
    exec(compile(theirs, section, "exec"), left)
    exec(compile(ours, section, "exec"), right)
    expected, got = ([np.asarray(each) for each in names["losses"]] for names in (left, right))
    assert_same(expected, got, section)


IN_ITS_OWN_PROCESS = """
import os
os.environ |= {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "TF_CPP_MIN_LOG_LEVEL": "3"}
from test_from_tensorflow import compare_blocks
compare_blocks("MirroredStrategy")
"""


def test_two_devices_are_equal_to_two_replicas():
    command = [sys.executable, "-c", IN_ITS_OWN_PROCESS]
    run = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr


def test_no_block_is_left_out():
    assert sum(len(pairs) for pairs in PAIRS.values()) == PAGE.count("```python") / 2
