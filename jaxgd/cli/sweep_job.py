"""A sweep of the command line: what was asked for, its folder, and what is written at the end."""

import json
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxgd import data, reports, runs
from jaxgd._atomic import write_bytes, write_text
from jaxgd._checks import check_integer, check_real
from jaxgd.reports.sweep import sweep_picture
from jaxgd.runs.folder import CHECKPOINT, REPORT
from jaxgd.runs.settings import Settings
from jaxgd.runs.sweep_trials import check_axes, make_trials, settings_of
from jaxgd.runs.training import assess, train_plan
from jaxgd.sweeps import Halving, Range, Summary, SweepTable, random_search
from jaxgd.sweeps.campaign import Campaign
from jaxgd.sweeps.parsing import parse_grid
from jaxgd.sweeps.ranking import make_ranking
from jaxgd.sweeps.refitting import epochs_kept
from jaxgd.sweeps.space import product
from jaxgd.sweeps.standing import held
from jaxgd.sweeps.sweep import devices_of, lanes_of
from jaxgd.training import Checkpoint

CONFIG, TABLE, PICTURE, JOURNAL, BEST = "sweep.json", "sweep.csv", "sweep.png", "journal.txt", "best"
_VERSION = 1
_KEPT = ("grid", "seeds", "folds", "samples", "halving", "monitor", "refit")
_MIB = 2**20


@dataclass(frozen=True)
class Job:
    """A sweep that was asked for.

    Attributes:
      settings: of every member, but for the axes.
      asked: {option: value} of what the sweep is.
      how: {option: value} of how it is run; may be another when it is resumed.
      out: where it goes; None for the next free number.
      folder: that holds it already, when it is resumed.
      fingerprint: of the data, when it is resumed.
    """

    settings: Settings
    asked: Mapping[str, Any]
    how: Mapping[str, Any]
    out: str | None = None
    folder: Path | None = None
    fingerprint: str | None = None

    @property
    def halving(self) -> Halving | None:
        """From FACTOR:EPOCHS. Raises ValueError."""
        text = self.asked["halving"]
        if text is None:
            return None
        factor, _, first = text.partition(":")
        try:
            return Halving(float(factor), int(first or 1))
        except ValueError as error:
            raise ValueError(
                f"halving: expected FACTOR:EPOCHS such as 3:2, got {text!r} ({error})."
            ) from None


def begin(given: Mapping[str, Any], of_run: set[str], how: tuple[str, ...]) -> Job:
    """A new sweep from the command's options. Raises TypeError or ValueError."""
    settings = Settings(**{name: value for name, value in given.items() if name in of_run})
    settings.check()
    return Job(
        settings,
        {name: given[name] for name in _KEPT},
        {name: given[name] for name in how},
        given["out"],
    )


def read_job(folder: Path, how: Mapping[str, Any]) -> Job:
    """The sweep that a folder holds. Raises ValueError for a folder without one."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        asked = {name: config["asked"][name] for name in _KEPT}
        settings = Settings.from_dict(config["settings"])
        fingerprint = str(config["fingerprint"])
        version = config["version"]
    except FileNotFoundError as error:
        raise ValueError(f"{folder}: no sweep there (no {CONFIG}).") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: damaged ({error!r}); begin another sweep.") from error
    if version != _VERSION:
        raise ValueError(f"{path}: version {version!r}, expected {_VERSION}.")
    return Job(settings, asked, how, folder=folder, fingerprint=fingerprint)


@contextmanager
def claimed(job: Job) -> Iterator[Path]:
    """The sweep's folder: that of the job, which no other process may use then, or a new one.

    Raises:
      FolderInUseError, OSError: it is in use, or cannot be made.
    """
    if job.folder is not None:
        with held(job.folder / JOURNAL):
            yield job.folder
        return
    if job.out is not None and (Path(job.out) / CONFIG).exists():
        raise FileExistsError(f"{job.out}: holds a sweep already; choose another folder, or --resume it.")
    with runs.claim_folder(job.out, job.settings.data, base="sweeps") as folder:
        yield folder


def campaign_of(job: Job, folder: Path) -> Campaign:
    """The sweep, planned and ready to run; its configuration is in the folder then.

    Raises:
      TypeError, ValueError: an option or data that cannot be used.
      OSError: the folder cannot be written.
    """
    asked = job.asked
    combinations = _combinations(asked)
    table = data.read(job.settings.data)
    if job.fingerprint is not None and not table.is_known_as(job.fingerprint):
        raise ValueError(f"{table.source}: the data has changed since the sweep began; begin another one.")
    table = table if job.fingerprint is None else table.as_recorded(job.fingerprint)
    first = job.settings.seed
    seeds = range(first, first + check_integer("seeds", asked["seeds"], 1))
    trials = make_trials(job.settings, table, combinations, seeds, asked["folds"])
    campaign = Campaign(
        trials,
        make_ranking(trials, asked["monitor"], "auto"),
        choice=_choice(job.how["plan"]),
        lanes=lanes_of(job.how["lanes"], len(trials), job.how["devices"]),
        devices=devices_of(job.how["devices"]),
        memory_budget=_bytes(job.how["memory_budget"]),
        keep="best",
        pad=True,
        halving=job.halving,
        journal=folder / JOURNAL,
        checkpoint_every=job.how["checkpoint_every"],
    )
    if job.folder is None:
        config = {
            "version": _VERSION,
            "asked": dict(asked),
            "settings": _with_absolute_path(job.settings).to_dict(),
            "fingerprint": table.fingerprint,
        }
        write_text(folder / CONFIG, json.dumps(config, indent=2, allow_nan=False) + "\n")
    return campaign


def _combinations(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of all members. Raises ValueError."""
    axes = parse_grid(asked["grid"])
    check_axes(list(axes))
    if not axes and asked["seeds"] == 1 and asked["folds"] is None:
        raise ValueError("grid: expected at least one axis, several --seeds or --folds; nothing varies.")
    if asked["samples"] is not None:
        return random_search(axes, asked["samples"])
    for name, values in axes.items():
        if isinstance(values, Range):
            raise ValueError(f"grid: {name}: how many? {name}=low..high:{values.scale}:5, or --samples.")
    return product(axes)


def _choice(text: str) -> Any:
    form, _, width = text.partition(":")
    if width and not width.isdigit():
        raise ValueError(f"plan: expected a form with its width such as vmap:64, got {text!r}.")
    return (form, int(width)) if width else form


def _bytes(mebibytes: float | None) -> int | None:
    return None if mebibytes is None else int(check_real("memory_budget", mebibytes, 0.0) * _MIB)


def _with_absolute_path(settings: Settings) -> Settings:
    path = Path(settings.data)
    return replace(settings, data=str(path.resolve())) if path.exists() else settings


def finish(job: Job, folder: Path, table: SweepTable, stopped: Callable[[], object]) -> Path | None:
    """Write table and picture, and train the best settings into a run folder; None if there are none.

    Args:
      job, folder, table: of the sweep.
      stopped: whether the training shall end now; a sweep that is resumed goes on with it.

    Raises:
      OSError: the folder cannot be written.
    """
    write_text(folder / TABLE, table.csv())
    write_bytes(folder / PICTURE, sweep_picture(table, f"{Path(job.settings.data).stem}: {table.monitor}"))
    summary = table.by_settings()[0]
    if table.interrupted or summary.mean is None:
        return None
    best = folder / BEST
    is_there = runs.is_run(best)  # the sweep was resumed after its end
    if not is_there and not _train_best(job, best, best_settings(job, table, summary), stopped):
        return None
    if not (best / REPORT).exists():
        reports.write_report(best)
    return best


def _train_best(job: Job, best: Path, settings: Settings, stopped: Callable[[], object]) -> bool:
    """Train into a run folder, or go on there; whether it came to its end."""
    command = command_of(settings)
    plan = runs.make_plan(settings)
    with ExitStack() as stack:
        if not _was_begun(best, settings):
            stack.enter_context(runs.claim_folder(str(best), settings.data))
            runs.write_started(best, plan, command)
        every = Checkpoint(best / CHECKPOINT, every=job.how["checkpoint_every"])
        result = train_plan(plan, lambda _: not stopped(), every)
        if result.interrupted:
            return False
        runs.write_run(best, assess(plan, result), command)
    return True


def _was_begun(best: Path, settings: Settings) -> bool:
    """Whether the run of these settings is in the folder; one of others, or a damaged one, is removed."""
    if not best.exists():
        return False
    try:
        if runs.read_started(best).settings == settings:
            return True
    except runs.RunError:
        pass
    shutil.rmtree(best)
    return False


def best_settings(job: Job, table: SweepTable, summary: Summary) -> Settings:
    """Of the best member; with folds of the best combination, its best seed; with --refit on all rows."""
    member = table.best
    if job.asked["folds"] is not None or job.asked["refit"]:
        member = min(
            summary.members, key=lambda each: (*table.ranking.key(each.value(table.monitor)), each.number)
        )
    settings = settings_of(job.settings, member.settings, member.seed)
    if not job.asked["refit"]:
        return settings
    return replace(settings, epochs=epochs_kept(summary.members), validation_split=0.0, patience=None)


def command_of(settings: Settings) -> str:
    """The `jaxgd train` that makes a run of these settings."""
    return shlex.join(["jaxgd", "train", *settings.words()])
