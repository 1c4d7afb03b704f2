"""Each process parses its share of a table; plan and run are those of one process that parses all of it."""

import json

import pytest
from processes import results, start
from sharing import CASES, ROWS, TRAINED, distance, found, write_tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder)
    return folder


@pytest.fixture(scope="module")
def alone(tables):
    """{whether a run is carried out: what one process finds}."""
    plans = {name: found(tables, name, False) for name in CASES}
    whole = {True: {**plans, TRAINED: found(tables, TRAINED, True)}, False: plans}
    return {train: json.loads(json.dumps(each)) for train, each in whole.items()}


@pytest.fixture(scope="module", params=[2, 4])
def together(request, tables):
    """What each of several processes finds; two of them also carry a run out."""
    return results(start(request.param, tables, program="sharing.py", train=request.param == 2))


def test_every_process_knows_what_one_would(alone, together):
    for name in CASES:
        for each in together:
            assert each[name]["same"] == alone[len(together) == 2][name]["same"], name


def test_each_process_has_read_its_own_rows(together):
    """Its share, and those at either end that the division gives it: more where gaps leave out late rows."""
    for name in CASES:
        read = [each[name]["read"] for each in together]
        assert ROWS <= sum(read) < 1.3 * ROWS, name
        assert max(read) < 1.5 * ROWS / len(read), name


def test_the_run_is_that_of_one_process(alone, together):
    """Losses and metrics of a float64 run, and its parameters, to the order of sums over rows."""
    for each in together if len(together) == 2 else []:
        assert distance(each[TRAINED]["close"], alone[True][TRAINED]["close"]) < 1e-12
