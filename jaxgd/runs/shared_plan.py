"""A run of several processes, each of which has read its share of a table."""

import os
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from jaxgd import data
from jaxgd.data.shares import SharedRows, SharedTable, prepare_shared, read_shared
from jaxgd.data.shares.files import Process
from jaxgd.data.shares.preparing import Share
from jaxgd.runs.plan import AnyPlan, Facts, measured, planned_network, targets
from jaxgd.runs.settings import Settings
from jaxgd.runs.streams import wishes_of
from jaxgd.scaling import hosts
from jaxgd.training.own_rows import OwnRows
from jaxgd.training.spreading import own_rows_of

_PATIENCE = 3600.0
"""Seconds in which the slowest process must have read its share; one that is lost is noticed before."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SharedPlan(AnyPlan):
    """A run on rows of which this process has a share.

    Attributes:
      shared: the rows of this process, and what is known of all.
    """

    shared: SharedRows
    found: Facts

    @property
    def encoding(self) -> data.Encoding:
        return self.shared.encoding

    @cached_property
    def facts(self) -> Facts:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.found

    def training_data(self) -> tuple[OwnRows, OwnRows]:
        return self._own(self.shared.training)

    def held_out_data(self) -> tuple[OwnRows, OwnRows] | None:
        share = self.shared.held_out
        return None if share is None else self._own(share)

    def some_rows(self, count: int, held_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Of this process's rows: of the first process they are the first of all, but perhaps fewer."""
        share = self.shared.held_out if held_out else self.shared.training
        if share is None:
            return self.shared.training.x[:0], self.shared.training.y[:0]
        return share.x[:count], share.y[:count]

    def row_numbers(self, rows: np.ndarray) -> list[int]:
        return self.shared.training_rows[rows].tolist()

    def _own(self, share: Share) -> tuple[OwnRows, OwnRows]:
        y = targets(share.y, self.encoding, self.loss)
        identity = self.found.fingerprint
        return tuple(OwnRows(each, share.first, share.total, identity) for each in (share.x, y))  # pyright: ignore


def read_together(path: str) -> data.Table | SharedTable:
    """The table of a path, of which each of several processes reads its share. Raises as `data.read`."""
    exchange = partial(hosts.meet, "reading the data", timeout=_PATIENCE)
    table = read_shared(path, Process(hosts.process_id(), hosts.num_processes(), exchange))
    exchange("has read")  # a whole table, which others may not have yet
    return table


def make_shared_plan(settings: Settings, table: SharedTable) -> SharedPlan:
    """All that a run needs. Raises as `make_plan`, and HostsError if another process cannot go on."""
    shared = prepare_shared(table, wishes_of(settings), hosts.gather, own_rows_of)
    x, y = shared.training.x, shared.training.y
    measures = partial(measured, x, y, shared.encoding, table.process.exchange)
    network = planned_network(settings, shared.encoding, measures)
    table.process.exchange("has its rows")  # others may still read what came to them by the division
    held_out = 0 if shared.held_out is None else shared.held_out.total
    found = Facts(
        source=table.source,
        path=os.path.abspath(settings.data),
        rows=table.num_rows,
        columns=len(table.names),
        fingerprint=table.fingerprint,
        kept=shared.kept,
        training=shared.training.total,
        held_out=held_out,
        read_here=table.rows_read,
    )
    return SharedPlan(settings=settings, shared=shared, found=found, **network)
