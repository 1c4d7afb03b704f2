"""Sums whose bits do not depend on who has added what, and what of a table is made of them."""

from math import fsum

import numpy as np
import pytest
from exchanging import in_turn

from jaxgd.data import Table
from jaxgd.data.sums import moments
from jaxgd.data.table import fingerprint_of
from jaxgd.runs.plan import make_plan
from jaxgd.runs.settings import Settings
from jaxgd.runs.training import precision_of


def parts_of(values, cuts):
    """The moments as each of several processes finds them, of its rows alone."""
    pieces = np.split(values, cuts)
    return in_turn(len(pieces), lambda number, exchange: moments(pieces[number], exchange))


@pytest.fixture
def values():
    """Means far from zero, sizes far apart, gaps, a constant, and rows over several blocks of the sum."""
    rng = np.random.default_rng(0)
    found = rng.normal(size=(40_000, 5)) * [1, 1e-9, 1e12, 3, 0] + [1e6, 0, 1, -2, 7]
    found[rng.random(len(found)) < 0.1, 3] = np.nan
    return found


def test_the_mean_and_the_variance_are_right(values):
    found = moments(values)
    for column, of in enumerate(values.T):
        present = of[~np.isnan(of)]
        mean = fsum(present) / len(present)
        assert found.extent.rows[column] == len(present)
        assert found.extent.low[column] == present.min()
        assert found.extent.high[column] == present.max()
        assert found.mean[column] == pytest.approx(mean, rel=1e-15, abs=1e-15 * np.abs(present).max())
        assert found.variance[column] == pytest.approx(fsum((present - mean) ** 2) / len(present), rel=1e-13)


@pytest.mark.parametrize("cuts", [[1], [20_000], [0, 5, 39_999]])
def test_any_division_of_the_rows_gives_the_same_bits(values, cuts):
    alone = moments(values)
    for each in parts_of(values, cuts):
        assert np.array_equal(each.mean, alone.mean)
        assert np.array_equal(each.variance, alone.variance)


def test_any_order_of_the_rows_gives_the_same_bits(values):
    assert np.array_equal(moments(values[::-1]).mean, moments(values).mean)
    assert not np.array_equal(values[::-1].sum(axis=0), values.sum(axis=0)), "which a plain sum does not"


@pytest.mark.parametrize("values", [np.zeros((3, 1)), np.full((3, 1), 5e-324), np.full((4, 1), 3e38)])
def test_numbers_of_no_size_and_of_the_largest(values):
    found = moments(values)
    assert found.mean[0] == pytest.approx(values[0, 0], rel=1e-15, abs=1e-200)
    assert found.variance[0] == 0


@pytest.mark.parametrize("value", [np.inf, -np.inf, -1e151])
def test_numbers_whose_squares_have_no_sum_are_refused(value):
    values = np.array([[1.0, 2.0], [np.nan, value], [3.0, 4.0]])
    with pytest.raises(ValueError, match=r"below 2\*\*500"):
        moments(values)
    with pytest.raises(ValueError, match=r"below 2\*\*500"):
        parts_of(values, [1])
    assert np.isfinite(moments(np.array([[1.0], [1e150]])).variance).all()


def test_a_column_without_a_number_has_no_mean():
    assert np.isnan(moments(np.full((4, 1), np.nan)).mean[0])


def test_a_fingerprint_is_put_together_of_parts():
    columns = {"n": [1, 2, 3], "x": [1.5, None, 2.5], "word": ["a", None, "b"], "flag": [True, False, True]}
    whole = Table.from_columns(columns)
    parts = [whole.take([0]), whole.take([1, 2])]
    sums = [parts[0].column_sums(), parts[1].column_sums(first=1)]
    assert fingerprint_of(whole.names, whole.kinds, 3, sums) == whole.fingerprint
    sums = [parts[0].column_sums(first=1), parts[1].column_sums(first=2)]
    assert fingerprint_of(whole.names, whole.kinds, 3, sums) != whole.fingerprint, "rows in another place"


def test_what_an_earlier_version_recorded_is_known():
    table = Table.from_columns({"n": [1, 2]})
    assert table.is_known_as(table.fingerprint)
    assert not table.is_known_as("0" * 64)
    assert table.is_known_as(table._former_fingerprint)
    assert table._former_fingerprint.startswith("51bd7b56")


def test_what_was_begun_with_sums_in_the_order_of_rows_goes_on_with_them():
    """Its means and variances are NumPy's, to the last bit; those of today are not, in some column."""
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(300, 9)) * 7 + 100).astype(np.float32).astype(np.float64)
    gaps = np.where(np.arange(300) % 7, values[:, 0], np.nan)
    names = [f"x{k}" for k in range(8)]
    table = Table.from_columns({"gaps": gaps, **dict(zip([*names, "y"], values.T, strict=True))})
    settings = Settings(data="t.csv", hidden=(), missing="mean", validation_split=0.0, dtype="float64")

    def known(fingerprint):
        with precision_of("float64"):
            plan = make_plan(settings, table.as_recorded(fingerprint))
            statistics = [plan.params["normalization"][name].tolist()[1:] for name in ("mean", "variance")]
        last = plan.model.layers[-1]
        return [plan.encoding.columns[0].mean, *statistics, last.scale, last.offset]

    x, y = values[:, :8], values[:, 8]
    numpys = [np.nanmean(gaps), x.mean(axis=0).tolist(), x.var(axis=0).tolist(), np.sqrt(y.var()), y.mean()]
    former, now = known(table._former_fingerprint), known(table.fingerprint)
    assert former == numpys
    assert now != numpys
