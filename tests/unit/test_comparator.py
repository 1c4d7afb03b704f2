"""The comparator: what it refuses, what it measures, where it points."""

import numpy as np
import pytest

from jaxgd.parity import Tolerance, compare
from jaxgd.parity.comparator import ulp_distance

LOOSE = Tolerance(norm=1e9)
NAN, INF = float("nan"), float("inf")


def test_equal_trees_are_bit_equal():
    tree = {"dense": {"kernel": np.arange(6.0).reshape(2, 3), "bias": None}, "count": 3}
    result = compare(tree, {"count": 3, "dense": {"bias": None, "kernel": np.arange(6.0).reshape(2, 3)}})
    assert result.passed
    assert result.bit_equal
    assert (result.norm_error, result.ulps, result.worst, result.count) == (0.0, 0, None, 7)
    assert str(result) == "equal"


@pytest.mark.parametrize(
    ("expected", "got", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), "value: expected shape (2, 3), got (3, 2), its transpose"),
        (np.ones((2, 2, 1)), np.ones((2, 2)), "value: expected shape (2, 2, 1), got (2, 2)"),
        (np.ones((2, 1)), np.ones((2, 5)), "value: expected shape (2, 1), got (2, 5)"),
        (np.ones(3), np.float64(1), "value: expected shape (3,), got ()"),
        ({"a": np.ones(1)}, {"b": np.ones(1)}, "a: expected a leaf, got none"),
        ({"a": np.ones(1)}, {"a": np.ones(1), "b": np.ones(1)}, "b: expected no leaf, got one"),
        ({"a": None}, {"a": np.ones(2)}, "a: expected None, got an array of shape (2,)"),
        ([np.ones(1, "f4")], [np.ones(1, "f8")], "0: expected float32, got float64"),
        (
            np.array([1.0, NAN]),
            np.array([1.0, 2.0]),
            "value: [1]: expected np.float64(nan), got np.float64(2.0)",
        ),
        (
            np.array([1.0, 2.0]),
            np.array([NAN, 2.0]),
            "value: [0]: expected np.float64(1.0), got np.float64(nan)",
        ),
        (np.array([INF]), np.array([-INF]), "value: [0]: expected np.float64(inf), got np.float64(-inf)"),
        (np.array([INF]), np.array([NAN]), "value: [0]: expected np.float64(inf), got np.float64(nan)"),
    ],
)
def test_another_form_is_a_difference_at_any_tolerance(expected, got, message):
    result = compare(expected, got, LOOSE)
    assert not result.passed
    assert result.norm_error == INF
    assert str(result) == message


def test_nan_and_infinity_in_the_same_place_are_equal():
    values = np.array([NAN, INF, -INF, 2.0])
    assert compare(values, values.copy(), Tolerance(bit_equal=True)).passed
    changed = values.copy()
    changed[3] = 3.0
    result = compare(values, changed, Tolerance(norm=0.4))
    assert not result.passed
    assert result.norm_error == 0.5


def test_errors_and_the_worst_element():
    expected = {"big": np.array([100.0, 1.0]), "small": np.array([[1e-3, 2e-3]])}
    got = {"big": np.array([100.0, 1.1]), "small": np.array([[1e-3, 2.1e-3]])}
    leaf = compare(expected, got, Tolerance(norm=0.04))
    assert leaf.norm_error == pytest.approx(0.05)
    assert leaf.element_error == pytest.approx(0.1)
    assert str(leaf.worst) == "small[0, 1]: expected 0.002, got 0.0021"
    assert not leaf.passed
    tree = compare(expected, got, Tolerance(norm=0.04, scope="tree"))
    assert tree.norm_error == pytest.approx(1e-3)
    assert tree.worst.path == "big"
    assert tree.passed


def test_a_floor_is_the_least_scale():
    assert not compare(np.zeros(2), np.array([0.0, 1e-9]), Tolerance(norm=1e-6)).passed
    assert compare(np.zeros(2), np.array([0.0, 1e-9]), Tolerance(norm=1e-6, floor=1e-2)).passed


def test_one_unit_in_the_last_place_is_not_bit_equal():
    one = np.float32([1.0, -2.0])
    for direction in (np.float32(9), np.float32(-9)):
        other = one.copy()
        other[1] = np.nextafter(one[1], direction)
        result = compare(one, other, Tolerance(norm=1.0, bit_equal=True))
        assert result.ulps == 1
        assert not result.passed


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_ulps_count_floats_across_zero(dtype):
    tiny = np.nextafter(np.zeros(1, dtype), np.ones(1, dtype))
    assert ulp_distance(tiny, -tiny) == 2
    assert ulp_distance(np.zeros(1, dtype), -np.zeros(1, dtype)) == 0
    assert ulp_distance(np.ones(1, dtype), np.ones(1, dtype) + np.finfo(dtype).eps) == 1


def test_ulps_of_the_largest_float64_of_both_signs():
    largest = np.finfo("f8").max
    assert ulp_distance(np.array([largest]), np.array([-largest])) == 2 * int(np.array(largest).view("i8"))


def test_a_small_difference_below_the_scale_still_breaks_bit_equality():
    expected, got = np.array([1.0, 0.0]), np.array([1.0, 5e-324])
    result = compare(expected, got, Tolerance(bit_equal=True))
    assert not result.passed
    assert not result.bit_equal


def test_empty_arrays_and_integers():
    assert compare(np.zeros((0, 3)), np.zeros((0, 3))).passed
    assert compare(np.int64(3), np.int32(3), Tolerance(bit_equal=True)).passed
    assert not compare(np.int64(3), np.int32(4), Tolerance(bit_equal=True)).passed
