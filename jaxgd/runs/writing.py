"""The run folder: what is written into it. `config.json` comes last, for it makes a folder a run."""

import datetime
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from jaxgd import keras_files
from jaxgd._atomic import tidy, write_text
from jaxgd._environment import environment, flags
from jaxgd.keras_files import KerasTraining
from jaxgd.runs import folder as names
from jaxgd.runs.history_file import write_history
from jaxgd.runs.plan import AnyPlan
from jaxgd.runs.training import Outcome, in_data

VERSION = 2


def check_savable(plan: AnyPlan) -> None:
    """Raises ValueError for what a `.keras` file has no place for, before it is trained."""
    training = KerasTraining(plan.loss, plan.optimizer, None, plan.metrics)
    with tempfile.TemporaryDirectory() as folder:
        keras_files.save(Path(folder, names.MODEL), plan.model, plan.params, training)


def write_run(folder: Path, outcome: Outcome, command: str) -> dict[str, Any]:
    """Write model, history and configuration; the checkpoints are there already.

    Args:
      folder: exists; a run in it is the same run, with fewer epochs.
      outcome: of the plan.
      command: that makes the run again.

    Returns: the content of config.json.
    Raises:
      OSError: something cannot be written.
    """
    plan, result = outcome.plan, outcome.result
    tidy(folder, names.FILES)
    training = KerasTraining(plan.loss, plan.optimizer, result.state.opt_state, plan.metrics)
    keras_files.save(folder / names.MODEL, plan.model, result.params, training, date_saved=_date())
    write_history(folder / names.HISTORY, result.history, result.history.numbers)
    config = describe(outcome, command)
    write_text(folder / names.CONFIG, json.dumps(config, indent=2, allow_nan=False) + "\n")
    return config


def _date() -> datetime.datetime | None:
    """The date that stands in the model file: now, or SOURCE_DATE_EPOCH for files that are equal."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.datetime.fromtimestamp(int(given), datetime.UTC) if given.isdecimal() else None


def describe(outcome: Outcome, command: str) -> dict[str, Any]:
    """Everything about a run that is not an array, as JSON takes it."""
    plan = outcome.plan
    return {
        "version": VERSION,
        "command": command,
        "settings": plan.settings.to_dict(),
        "inferred": inferred(plan),
        "data": data_facts(plan),
        "encoding": json.loads(plan.encoding.to_json()),
        "environment": {
            **environment(),
            "flags": flags(),
            "dtype": plan.model.dtype,
            "precision": plan.model.precision,
        },
        "results": results(outcome),
    }


def inferred(plan: AnyPlan) -> dict[str, Any]:
    """What the settings left open and the data decided."""
    encoding, facts = plan.encoding, plan.facts
    kinds = [column.kind for column in encoding.columns]
    rate: Any = plan.optimizer.settings["learning_rate"]
    if callable(rate):  # a schedule, where this run begins
        rate = rate(0 if plan.opt_state is None else plan.opt_state.count)
    return {
        "target": encoding.target,
        "task": encoding.task,
        "classes": list(encoding.classes),
        "numbers": kinds.count("number"),
        "categories": kinds.count("category"),
        "features": encoding.num_features,
        "rows": facts.kept,
        "rows_dropped": facts.rows - facts.kept,
        "training_rows": facts.training,
        "held_out_rows": facts.held_out,
        "layers": [repr(layer) for layer in plan.model.layers],
        "output_activation": plan.output_activation,
        "loss": plan.loss.name,
        "metrics": [str(getattr(each, "name", each)) for each in plan.metrics],
        "optimizer": plan.optimizer.name,
        "learning_rate": float(rate),
    }


def results(outcome: Outcome) -> dict[str, Any]:
    """How the run ended, in numbers; what is not finite is null, as JSON has no word for it."""
    plan, result = outcome.plan, outcome.result
    values = {name: finite(value) for name, value in outcome.metrics.items()}
    is_held_out = outcome.metrics_of == "held-out"
    loss = outcome.last("loss")
    return {
        "epochs": result.history.epochs,
        "kept_epoch": outcome.kept_epoch,
        "steps": int(result.state.step),
        "stopped_early": result.stopped_early,
        "interrupted": result.interrupted,
        "divergence": None if outcome.divergence is None else outcome.divergence.to_dict(),
        "restored": [in_data(plan, each).to_dict() for each in result.restored],
        "loss": None if loss is None else finite(loss),
        "val_loss": values["loss"] if is_held_out else None,
        "metrics_of": outcome.metrics_of,
        "metrics": {name: value for name, value in values.items() if name != "loss"},
        "evaluated_loss": values["loss"],
        "seconds": {name: round(value, 4) for name, value in result.seconds.items()},
        "steps_per_second": round(int(result.state.step) / max(result.seconds["run"], 1e-9), 1),
        "compilations": result.compilations,
    }


def finite(value: float) -> float | None:
    """The number, or None where it is NaN or infinite."""
    return value if math.isfinite(value) else None


def data_facts(plan: AnyPlan) -> dict[str, Any]:
    """Which data a run is of."""
    facts = plan.facts
    names = ("source", "path", "rows", "columns", "fingerprint")
    found = {name: getattr(facts, name) for name in names}
    return {**found, "left_out": dict(facts.left_out)} if facts.left_out else found
