"""started.json: what a run was asked to do and on which data, written before its first step.

It is what `--resume` reads; config.json, which makes a folder a run, comes only at the end.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from jaxgd._atomic import write_text
from jaxgd._environment import environment
from jaxgd.data import Table, read
from jaxgd.runs import folder as names
from jaxgd.runs.plan import AnyPlan, is_streamed
from jaxgd.runs.reading import RunError, with_new_settings
from jaxgd.runs.settings import Settings
from jaxgd.runs.streams import open_stream
from jaxgd.runs.writing import VERSION, data_facts
from jaxgd.scaling import hosts

_FIELDS = {"version", "command", "settings", "data", "environment"}
_NAMED = ("rows", "columns", "fingerprint")


class Started(NamedTuple):
    """A run that was begun: its command, its settings, and what is known of its data."""

    command: str
    settings: Settings
    data: dict[str, Any]

    def table(self, moved_to: str | None = None) -> Any:
        """The run's data, read again, from another place if it is there now: a table, or a stream.

        Raises:
          RunError: it is not what the run began with; the message names what differs.
          DataError: it cannot be read.
        """
        place = moved_to or self.data["path"]
        if is_streamed(self.settings):
            stream = open_stream(replace(self.settings, data=place))
            self._check(stream.file_rows, len(stream.names), stream.fingerprint)
            return stream
        where, recorded = place or self.settings.data, self.data["fingerprint"]
        table = _read(where)
        if not isinstance(table, Table) and table.fingerprint != recorded:
            table = read(where)  # an earlier version, which knew no shares, may have recorded it
        known = isinstance(table, Table) and table.is_known_as(recorded)
        self._check(table.num_rows, len(table.names), recorded if known else table.fingerprint)
        table = table.as_recorded(recorded) if isinstance(table, Table) else table
        return replace(table, source=self.data["source"])

    def _check(self, *found: Any) -> None:
        now = dict(zip(_NAMED, found, strict=True))
        changed = [
            f"{name} {self.data[name]}, now {now[name]}" for name in _NAMED if now[name] != self.data[name]
        ]
        if changed:
            raise RunError(
                f"{self.data['source']}: the data has changed since the run began: {'; '.join(changed)}. "
                "Give back the old data, or begin another run."
            )


def _read(where: str) -> Any:
    """The table, or of several processes the share of this one."""
    if hosts.num_processes() == 1:
        return read(where)
    from jaxgd.runs.shared_plan import read_together

    return read_together(where)


def write_started(folder: Path, plan: AnyPlan, command: str) -> None:
    """Write started.json. Raises OSError."""
    content = {
        "version": VERSION,
        "command": command,
        "settings": plan.settings.to_dict(),
        "data": data_facts(plan),
        "environment": environment(),
    }
    write_text(folder / names.STARTED, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_started(folder: Path) -> Started:
    """What was begun in a folder. Raises RunError."""
    path = folder / names.STARTED
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{folder}: nothing to resume there (no {names.STARTED}).") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({error}).") from error
    if not isinstance(content, dict) or set(content) != _FIELDS or content["version"] != VERSION:
        raise RunError(f"{path}: expected the fields {', '.join(sorted(_FIELDS))}, version {VERSION}.")
    try:
        settings = Settings.from_dict(with_new_settings(content["settings"]))
        facts = {name: content["data"][name] for name in (*_NAMED, "path", "source")}
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: {error}") from error
    return Started(str(content["command"]), settings, facts)
