"""A run on rows of many files: planned, found again, and its first rows."""

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from jaxgd import data
from jaxgd.data.streams import Stream, Wishes, stream_alike, stream_of
from jaxgd.runs.plan import AnyPlan, Facts, Measures, planned_network, targets
from jaxgd.runs.reading import Run, RunError
from jaxgd.runs.settings import Settings


@dataclass(frozen=True, eq=False, kw_only=True)
class StreamPlan(AnyPlan):
    """A run on rows that are read block by block.

    Attributes:
      stream: all rows.
    """

    stream: Stream

    @property
    def encoding(self) -> data.Encoding:
        return self.stream.encoding

    @cached_property
    def facts(self) -> Facts:  # pyright: ignore[reportIncompatibleMethodOverride]
        stream, training = self.stream, self.stream.only("training").num_rows
        return Facts(
            source=self.settings.data,
            path=os.path.abspath(self.settings.data),
            rows=stream.file_rows,
            columns=len(stream.names),
            fingerprint=stream.fingerprint,
            kept=stream.num_rows,
            training=training,
            held_out=stream.num_rows - training,
            left_out=stream.skipped,
        )

    def training_data(self) -> tuple[Any, None]:
        return self._part("training"), None

    def held_out_data(self) -> Any:
        """Arrays, if they are not more than a window; else a source."""
        if not self.facts.held_out:
            return None
        source = self._part("held-out")
        return _collected(source, source.num_rows) if source.num_rows <= self._most else source

    def some_rows(self, count: int, held_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
        part = self.stream.only("held-out" if held_out else "training")
        return _collected(replace(part, targets=_as_they_are), count)

    def row_numbers(self, rows: np.ndarray) -> list[int]:
        return [int(row) for row in rows]

    @property
    def _most(self) -> int:
        """Held-out rows that are kept in memory."""
        return self.settings.window or 65_536

    def _part(self, part: str) -> Stream:
        encoding, loss = self.encoding, self.loss
        return replace(self.stream.only(part), targets=lambda y: targets(y, encoding, loss))


def make_stream_plan(settings: Settings, stream: Stream | None = None) -> StreamPlan:
    """All that a run needs; the files are looked through once, unless they were already.

    Raises:
      TypeError, ValueError: a setting, or data (`DataError`), that cannot be used.
    """
    found = open_stream(settings) if stream is None else stream

    def measures() -> Measures:
        if found.scanned is None:
            raise ValueError(f"{settings.data}: was not looked through.")
        of_target = found.scanned.target
        return Measures(found.mean, found.variance, float(of_target.mean[0]), float(of_target.variance[0]))

    network = planned_network(settings, found.encoding, measures)
    return StreamPlan(settings=settings, stream=found, **network)


def open_stream(settings: Settings) -> Stream:
    """The rows that settings name. Raises DataError."""
    wishes = wishes_of(settings)
    return stream_of(
        settings.data, wishes, settings.on_bad_file, settings.window, rows_cache=settings.rows_cache
    )


def wishes_of(settings: Settings) -> Wishes:
    """How the rows are to be understood."""
    return Wishes(
        target=settings.target,
        task=settings.task,
        missing=settings.missing,
        categories=settings.categories,
        exclude=settings.exclude,
        dtype=settings.array_dtype,
        share=settings.validation_split,
        seed=settings.seed if settings.split_seed is None else settings.split_seed,
    )


def plan_of_run(run: Run) -> StreamPlan:
    """The plan of a streamed run, its files looked through again.

    Raises:
      RunError: they have changed since.
      DataError: they cannot be read.
    """
    recorded = run.config["data"]
    plan = make_stream_plan(replace(run.settings, data=recorded["path"], from_model=None))
    if plan.facts.fingerprint != recorded["fingerprint"]:
        raise RunError(f"{recorded['path']}: the data is not what the run was trained on (fingerprint).")
    return replace(plan, loss=run.loss)


def own_rows(run: Run) -> Stream:
    """The held-out rows of a streamed run, or its training rows if none were held out, with their targets.

    Raises:
      RunError, DataError: as `plan_of_run`.
    """
    plan = plan_of_run(run)
    part = plan.stream.only("held-out" if plan.facts.held_out else "training")
    return replace(part, targets=lambda y: targets(y, run.encoding, run.loss))


def rows_like(run: Run, where: str, on_bad_file: str = "stop", with_target: bool = True) -> Stream:
    """Rows of files, encoded as those of a run were. Raises DataError."""
    rows = stream_alike(
        where,
        run.encoding,
        with_target=with_target,
        dtype=run.settings.array_dtype,
        window=run.settings.window,
        on_bad_file=on_bad_file,
    )
    return replace(rows, targets=lambda y: targets(y, run.encoding, run.loss))


def _as_they_are(y: np.ndarray) -> np.ndarray:
    return y


def _collected(source: Stream, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first rows of a source as arrays."""
    x, y, found = [], [], 0
    for block in range(len(source.block_rows)):
        rows = source.read(block)
        x.append(rows["x"][: count - found])
        y.append(rows["y"][: count - found])
        found += len(x[-1])
        if found >= count:
            break
    return np.concatenate(x), np.concatenate(y)
