"""From the argument `devices` of `fit` to a layout, and which rows a process reads."""

import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgd._checks import check_integer, wrong
from jaxgd._types import PyTree
from jaxgd.checkpoints import differences, tree_digest
from jaxgd.checkpoints.rows import row_facts, show_rows
from jaxgd.scaling import Forecast, HostsError, Layout, ScalingWarning, forecast, hosts
from jaxgd.scaling.forecast import counts_up_to
from jaxgd.scaling.layout import check_exist
from jaxgd.training.inputs import first_validation_row
from jaxgd.training.own_rows import OwnRows
from jaxgd.training.placed_rows import Data, own_range, place_rows

AUTO = "auto"
_SAMPLE = 1024
"""Rows that every process reads, to see whether all were given the same."""
_ALL = "all rows"


class Part(NamedTuple):
    """Which of some rows a process has."""

    total: int
    first: int = 0
    rows: int | None = None
    """None for all."""


class Given(NamedTuple):
    """The rows of `fit`'s arguments that this process reads: all of them, if it is alone."""

    x: Any
    y: Any
    sample_weight: Any
    validation_data: Any
    validation_split: float
    training: Part | None = None
    validation: Part | None = None
    checksums: Mapping[str, str | None] = MappingProxyType({})
    """Of rows that all processes have read: by what they are of."""


class Chosen(NamedTuple):
    """A layout, None for the one device that JAX takes, and the forecast that it was chosen by."""

    layout: Layout | None = None
    forecast: Forecast | None = None

    @property
    def num_devices(self) -> int:
        """Of the run."""
        return 1 if self.layout is None else self.layout.num_devices


def check_devices(devices: Any) -> Any:
    """`devices`. Raises TypeError or ValueError for what is none, or more of them than there are."""
    if devices is None or devices == AUTO or isinstance(devices, Layout):
        return devices
    if isinstance(devices, str):
        raise wrong("devices", devices, "a number of devices, 'auto' or a jaxgd.scaling.Layout")
    check_exist(check_integer("devices", devices, 1))
    return devices


def hosts_layout(devices: Any) -> Layout | None:
    """The layout of several processes, all of whose devices take part; None for one process."""
    if hosts.num_processes() == 1:
        return None
    there = jax.device_count()
    model = devices.model if isinstance(devices, Layout) else 1
    asked = devices.num_devices if isinstance(devices, Layout) else devices
    if asked not in (None, AUTO, there):
        raise HostsError(f"devices: {hosts.num_processes()} processes have {there} together, got {asked}.")
    if jax.local_device_count() % model:
        raise wrong("devices.model", model, f"a divisor of the {jax.local_device_count()} of each process")
    return Layout(there // model, model, "sharded")


def own_rows_of(total: int) -> tuple[int, int]:
    """The first of so many rows that this of several processes trains on, and the first beyond.

    It is where `fit` without `devices` divides them.
    """
    layout = hosts_layout(None)
    return (0, total) if layout is None else own_range(total, layout)


def choose_layout(devices: Any, params: PyTree, batch_size: int, data: PyTree) -> Chosen:
    """Where a run of one process lies; warns if more devices are forecast to gain nothing."""
    if devices is None or devices == 1 or (devices == AUTO and jax.device_count() == 1):
        return Chosen()
    if isinstance(devices, Layout):
        return Chosen(devices)
    kernels = [leaf.shape for leaf in jax.tree.leaves(params) if np.ndim(leaf) == 2]
    counts = counts_up_to(jax.device_count()) if devices == AUTO else [1, devices]
    expected = forecast(kernels, batch_size, counts)
    if expected.best == 1:
        warnings.warn(
            f"devices={devices!r}: more than one gains nothing here; forecast of the products of a step: "
            f"{expected}.",
            ScalingWarning,
            stacklevel=4,  # where `fit` was called, by way of its decorator
        )
    count = expected.best if devices == AUTO else devices
    return Chosen(None if count == 1 else Layout(count, rows=_rows_form(data)), expected)


def check_watch(watch: Any, layout: Layout | None) -> None:
    """Raises ValueError if a look would need the other processes, which do not look."""
    if watch is not None and layout is not None and layout.model > 1 and layout.num_processes > 1:
        raise ValueError(
            "watch: expected every parameter on every process, got kernels whose columns several processes "
            "share; watch a run with Layout(model=1)."
        )


def _rows_form(data: PyTree) -> str:
    """Rows on every device, unless they would fill half of its memory."""
    limit = (jax.devices()[0].memory_stats() or {}).get("bytes_limit")
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(data))
    return "sharded" if limit and size > limit / 2 else "replicated"


def given_rows(
    layout: Layout | None,
    x: Any,
    y: Any,
    sample_weight: Any,
    validation_data: Sequence[Any] | None,
    validation_split: float,
) -> Given:
    """What this process reads of the arguments of `fit`; a memory-mapped array is read there alone.

    Raises:
      TypeError: with several processes, what has no shape and cannot be cut.
    """
    if layout is None:
        return Given(x, y, sample_weight, validation_data, validation_split)
    rows = (x, y, sample_weight)
    _check_arrays(rows)
    total = _length(rows)
    validating, num_validating = validation_data, 0
    if validation_data is not None:
        _check_arrays(validation_data)
        num_validating = _length(validation_data)
    elif validation_split:
        first = first_validation_row(total, validation_split)
        validating, num_validating = _cut(rows, first, total), total - first
        total = first
    x, y, sample_weight = _cut(rows, *_read(total, layout))
    return Given(
        x,
        y,
        sample_weight,
        None if validating is None else _cut(tuple(validating), *_read(num_validating, layout)),
        0.0,
        _part(total, layout),
        None if validating is None else _part(num_validating, layout),
        _checksums((rows, validation_data)),
    )


def _check_arrays(rows: Any) -> None:
    for leaf in jax.tree.leaves(rows):
        if not np.ndim(leaf) or not hasattr(leaf, "shape"):
            raise TypeError(f"x, y: expected arrays with several processes, got {type(leaf).__name__}.")


def _length(rows: Any) -> int:
    return min(leaf.shape[0] for leaf in jax.tree.leaves(rows))


def _read(total: int, layout: Layout) -> tuple[int, int]:
    """The rows to read: those that are its own, or the first one, for its shape, where none is."""
    first, last = own_range(total, layout)
    return (first, last) if last > first else (0, 1)


def _part(total: int, layout: Layout) -> Part:
    first, last = own_range(total, layout)
    return Part(total, first, last - first)


def _cut(rows: Any, first: int, last: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[first:last], rows)


def _checksums(rows: Any) -> dict[str, str | None]:
    """Of what every process was given: of a sample, and of all rows if they are in memory anyway."""
    in_memory = all(_is_in_memory(leaf) for leaf in jax.tree.leaves(rows))
    return {
        "sample of the rows": tree_digest(jax.tree.map(_sampled, rows)),
        _ALL: tree_digest(rows) if in_memory else None,
    }


def _is_in_memory(leaf: Any) -> bool:
    """Whether looking at all rows reads no file: a mapped array is one, or a view of one, or is no array."""
    while isinstance(leaf, np.ndarray):
        if isinstance(leaf, np.memmap):
            return False
        if leaf.base is None:
            return True
        leaf = leaf.base
    return isinstance(leaf, jax.Array | bytes | bytearray)


def _sampled(leaf: Any) -> np.ndarray:
    if isinstance(leaf, OwnRows):
        return leaf.sample()
    places = np.unique(np.linspace(0, leaf.shape[0] - 1, _SAMPLE).astype(np.int64))
    return np.asarray(leaf[places])


def describe_rows(given: Given, training: Any, validation: Any) -> dict[str, Any]:
    """What the data of a run is, in plain values: the same for any number of processes."""
    texts: dict[str, Any] = {}
    for name, data, part in (
        ("training", training, given.training),
        ("validation", validation, given.validation),
    ):
        if data is None:
            texts[name] = None
            continue
        facts = row_facts(data) if part is None else row_facts(data, part.first, part.rows)
        texts[name] = show_rows([facts] if part is None else hosts.meet("the data", facts))
    return texts


def check_same(given: Given, identity: Any, epochs: int) -> None:
    """Raises HostsError, by name, if the processes were given another run or other data."""
    mine = {**identity, "epochs": epochs, **given.checksums}
    all_of_them = hosts.meet("the start of the run", mine)
    if any(each.get(_ALL) is None for each in all_of_them):  # one of them has a file mapped
        all_of_them = [{**each, _ALL: None} for each in all_of_them]
    hosts.check_equal("the start of the run", all_of_them, differences)


def placed(
    given: Given, layout: Layout, training: dict[str, Any], validation: dict[str, Any] | None
) -> tuple[Data, Data | None]:
    """The rows on the devices of a layout."""

    def one(data: dict[str, Any], part: Part | None) -> Data:
        return place_rows(data, len(data["x"]) if part is None else part.total, layout)

    of_validation = None if validation is None else one(validation, given.validation)
    return one(training, given.training), of_validation
