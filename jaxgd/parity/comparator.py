"""Whether two trees of arrays are equal, how far apart they are, and where.

Nothing is transposed, broadcast or converted on the way: another shape, another float type, a missing leaf
is a difference. NaN equals NaN in the same place only, an infinity only the same infinity.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

_TINY = 1e-300
_INTEGER_OF = {2: np.int16, 4: np.int32, 8: np.int64}


@dataclass(frozen=True)
class Tolerance:
    """When two trees count as equal.

    Attributes:
      norm: largest |difference| allowed, relative to the largest |expected| of the scope.
      scope: "leaf" measures each array against its own largest value, "tree" all against the largest of all.
      floor: the scale of a scope is at least this.
      bit_equal: no difference at all is allowed, whatever `norm` says.
      same_dtype: whether the arrays' float types must be the same.
    """

    norm: float = 0.0
    scope: Literal["leaf", "tree"] = "leaf"
    floor: float = 0.0
    bit_equal: bool = False
    same_dtype: bool = True


@dataclass(frozen=True)
class Worst:
    """The element that differs most, relative to its scope's scale."""

    path: str
    index: tuple[int, ...]
    expected: float
    got: float

    def __str__(self) -> str:
        place = f"{self.path}[{', '.join(map(str, self.index))}]" if self.index else self.path or "value"
        return f"{place}: expected {self.expected!r}, got {self.got!r}"


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
      passed: whether the tolerance holds.
      norm_error: max |difference| / max |expected|; infinite where shapes, NaN or infinities differ.
      element_error: max of |difference| / |expected| element by element, where expected is not 0.
      ulps: the largest distance in units of the last place, -1 if the trees cannot be compared so.
      bit_equal: whether all values are the same numbers (0 and -0 are).
      worst: the element with the largest error, None if nothing differs.
      problem: what is wrong with the form (shape, dtype, leaf, NaN), or "".
      count: how many numbers were compared.
    """

    passed: bool
    norm_error: float
    element_error: float
    ulps: int
    bit_equal: bool
    worst: Worst | None
    problem: str
    count: int

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        if self.worst is None:
            return "equal"
        return f"error {self.norm_error:.3g} ({self.ulps} ulp) at {self.worst}"


def compare(expected: Any, got: Any, tolerance: Tolerance = Tolerance()) -> Comparison:
    """Compare a tree of arrays with the one it should equal.

    Args:
      expected: the reference: nested mappings and sequences of arrays, numbers or None.
      got: the same structure.
      tolerance: when it passes.

    Returns: a `Comparison`; nothing is raised for a difference of any kind.

    >>> compare({"a": np.ones(2)}, {"a": np.array([1.0, 1.5])}, Tolerance(norm=0.1)).worst.path
    'a'
    >>> str(compare(np.ones((2, 3)), np.ones((3, 2))))
    'value: expected shape (2, 3), got (3, 2), its transpose'
    """
    theirs, ours = dict(leaves(expected)), dict(leaves(got))
    problem = _form_problem(theirs, ours, tolerance)
    if problem:
        return Comparison(False, np.inf, np.inf, -1, False, None, problem, 0)
    return _measure(theirs, ours, tolerance)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, np.ndarray | None]]:
    """The leaves of a tree with their paths "a/b/0", mappings in the order of their keys."""
    if isinstance(tree, Mapping):
        for key in sorted(tree, key=str):
            yield from leaves(tree[key], _join(path, key))
    elif isinstance(tree, list | tuple):
        for position, item in enumerate(tree):
            yield from leaves(item, _join(path, position))
    else:
        yield path, None if tree is None else np.asarray(tree)


def _join(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)


def _form_problem(theirs: Mapping[str, Any], ours: Mapping[str, Any], tolerance: Tolerance) -> str:
    """The first thing that keeps the two from being compared number by number, or ""."""
    missing, extra = sorted(theirs.keys() - ours.keys()), sorted(ours.keys() - theirs.keys())
    if missing:
        return f"{missing[0] or 'value'}: expected a leaf, got none"
    if extra:
        return f"{extra[0] or 'value'}: expected no leaf, got one"
    for path in theirs:
        problem = _leaf_problem(theirs[path], ours[path], tolerance)
        if problem:
            return f"{path or 'value'}: {problem}"
    return ""


def _leaf_problem(expected: np.ndarray | None, got: np.ndarray | None, tolerance: Tolerance) -> str:
    if expected is None or got is None:
        return "" if expected is got else f"expected {_form(expected)}, got {_form(got)}"
    if expected.shape != got.shape:
        hint = ", its transpose" if expected.shape == got.shape[::-1] else ""
        return f"expected shape {expected.shape}, got {got.shape}{hint}"
    floats = expected.dtype.kind == "f" and got.dtype.kind == "f"
    if tolerance.same_dtype and floats and expected.dtype != got.dtype:
        return f"expected {expected.dtype}, got {got.dtype}"
    return _nonfinite_problem(expected, got)


def _form(leaf: np.ndarray | None) -> str:
    return "None" if leaf is None else f"an array of shape {leaf.shape}"


def _nonfinite_problem(expected: np.ndarray, got: np.ndarray) -> str:
    """Where one is NaN or infinite and the other is not the same."""
    wide, mine = _wide(expected), _wide(got)
    same = np.isfinite(wide) & np.isfinite(mine) | (wide == mine) | (np.isnan(wide) & np.isnan(mine))
    if same.all():
        return ""
    index = tuple(int(i) for i in np.argwhere(~same)[0])
    return f"{list(index)}: expected {wide[index]!r}, got {mine[index]!r}"


def _wide(leaf: np.ndarray) -> np.ndarray:
    return np.asarray(leaf, np.float64)


def _measure(theirs: Mapping[str, Any], ours: Mapping[str, Any], tolerance: Tolerance) -> Comparison:
    """The errors of two trees of one form."""
    pairs = [(path, each, ours[path]) for path, each in theirs.items() if each is not None and each.size]
    whole = max((_largest(each) for _, each, _ in pairs), default=0.0)
    norm, element, ulps, worst = 0.0, 0.0, 0, None
    for path, expected, got in pairs:
        difference = _difference(expected, got)
        scale = max(whole if tolerance.scope == "tree" else _largest(expected), tolerance.floor, _TINY)
        element = max(element, _elementwise(difference, expected))
        ulps = max(ulps, ulp_distance(expected, got))
        error = float(difference.max()) / scale
        if error > norm:
            norm, worst = error, _worst(path, difference, expected, got)
    equal = norm == 0.0 and ulps == 0
    passed = equal if tolerance.bit_equal else norm <= tolerance.norm
    return Comparison(passed, norm, element, ulps, equal, worst, "", sum(each.size for _, each, _ in pairs))


def _largest(leaf: np.ndarray) -> float:
    finite = _wide(leaf)[np.isfinite(_wide(leaf))]
    return float(np.abs(finite).max(initial=0.0))


def _difference(expected: np.ndarray, got: np.ndarray) -> np.ndarray:
    """|expected - got|, 0 where both are the same infinity or NaN."""
    wide, mine = _wide(expected), _wide(got)
    finite = np.isfinite(wide)
    return np.abs(np.where(finite, wide, 0.0) - np.where(finite, mine, 0.0))


def _elementwise(difference: np.ndarray, expected: np.ndarray) -> float:
    size = np.abs(_wide(expected))
    counts = np.isfinite(size) & (size > 0)
    return float((difference[counts] / size[counts]).max(initial=0.0))


def _worst(path: str, difference: np.ndarray, expected: np.ndarray, got: np.ndarray) -> Worst:
    index = tuple(int(i) for i in np.unravel_index(int(difference.argmax()), difference.shape))
    return Worst(path, index, _wide(expected)[index].item(), _wide(got)[index].item())


def ulp_distance(expected: np.ndarray, got: np.ndarray) -> int:
    """The largest number of floats that lie between two arrays of one float type; 0 and -0 are the same.

    >>> ulp_distance(np.float32([1.0]), np.nextafter(np.float32([1.0]), np.float32(2.0)))
    1
    """
    if (
        expected.dtype != got.dtype
        or expected.dtype.kind != "f"
        or expected.dtype.itemsize not in _INTEGER_OF
    ):
        return 0 if np.array_equal(_wide(expected), _wide(got), equal_nan=True) else -1
    finite = np.isfinite(expected) & np.isfinite(got)
    one, other = _ordered(expected[finite]), _ordered(got[finite])
    distance = (np.maximum(one, other) - np.minimum(one, other)).view(np.uint64)
    return int(distance.max(initial=0))


def _ordered(leaf: np.ndarray) -> np.ndarray:
    """int64, consecutive for consecutive floats."""
    integer = _INTEGER_OF[leaf.dtype.itemsize]
    bits = np.ascontiguousarray(leaf).view(integer).astype(np.int64)
    return np.where(bits < 0, np.iinfo(integer).min - bits, bits)
