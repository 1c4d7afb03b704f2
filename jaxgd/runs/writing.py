"""The run folder: what is written into it. `config.json` comes last, for it makes a folder a run."""

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from jaxgd import keras_files
from jaxgd.keras_files import KerasTraining
from jaxgd.runs import folder as names
from jaxgd.runs.atomic import write_text
from jaxgd.runs.checkpoint import save_checkpoint
from jaxgd.runs.environment import environment
from jaxgd.runs.history_file import write_history
from jaxgd.runs.plan import Plan
from jaxgd.runs.training import Outcome

VERSION = 1


def check_savable(plan: Plan) -> None:
    """Raises ValueError for what a `.keras` file has no place for, before it is trained."""
    training = KerasTraining(plan.loss, plan.optimizer, None, plan.metrics)
    with tempfile.TemporaryDirectory() as folder:
        keras_files.save(Path(folder, names.MODEL), plan.model, plan.params, training)


def write_run(folder: Path, outcome: Outcome, command: str) -> dict[str, Any]:
    """Write model, checkpoint, history and configuration.

    Args:
      folder: exists, without a run in it.
      outcome: of the plan.
      command: that makes the run again.

    Returns: the content of config.json.
    Raises:
      OSError: something cannot be written.
    """
    plan, result = outcome.plan, outcome.result
    training = KerasTraining(plan.loss, plan.optimizer, result.state.opt_state, plan.metrics)
    keras_files.save(folder / names.MODEL, plan.model, result.params, training)
    save_checkpoint(folder / names.CHECKPOINT, result.state)
    write_history(folder / names.HISTORY, result.history)
    config = describe(outcome, command)
    write_text(folder / names.CONFIG, json.dumps(config, indent=2, allow_nan=False) + "\n")
    return config


def describe(outcome: Outcome, command: str) -> dict[str, Any]:
    """Everything about a run that is not an array, as JSON takes it."""
    plan = outcome.plan
    return {
        "version": VERSION,
        "command": command,
        "settings": plan.settings.to_dict(),
        "inferred": inferred(plan),
        "data": _data(plan),
        "encoding": json.loads(plan.prepared.encoding.to_json()),
        "environment": {**environment(), "dtype": plan.model.dtype, "precision": plan.model.precision},
        "results": results(outcome),
    }


def inferred(plan: Plan) -> dict[str, Any]:
    """What the settings left open and the data decided."""
    encoding = plan.prepared.encoding
    kinds = [column.kind for column in encoding.columns]
    rate = plan.optimizer.settings["learning_rate"]
    return {
        "target": encoding.target,
        "task": encoding.task,
        "classes": list(encoding.classes),
        "numbers": kinds.count("number"),
        "categories": kinds.count("category"),
        "features": encoding.num_features,
        "rows": len(plan.prepared.y),
        "rows_dropped": plan.table.num_rows - len(plan.prepared.y),
        "training_rows": len(plan.training_rows),
        "held_out_rows": len(plan.held_out_rows),
        "layers": [repr(layer) for layer in plan.model.layers],
        "output_activation": plan.output_activation,
        "loss": plan.loss.name,
        "metrics": list(plan.metrics),
        "optimizer": plan.optimizer.name,
        "learning_rate": float(rate),
    }


def results(outcome: Outcome) -> dict[str, Any]:
    """How the run ended, in numbers; what is not finite is null, as JSON has no word for it."""
    result = outcome.result
    values = {name: finite(value) for name, value in outcome.metrics.items()}
    is_held_out = outcome.metrics_of == "held-out"
    loss = outcome.last("loss")
    return {
        "epochs": result.history.epochs,
        "kept_epoch": outcome.kept_epoch,
        "steps": int(result.state.step),
        "stopped_early": result.stopped_early,
        "interrupted": result.interrupted,
        "divergence": None if result.divergence is None else _divergence(outcome),
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


def _divergence(outcome: Outcome) -> dict[str, Any]:
    found = outcome.result.divergence
    if found is None:
        return {}
    rows = [int(outcome.plan.prepared.rows[outcome.plan.training_rows[row]]) for row in found.rows]
    return {
        "epoch": found.epoch,
        "step": found.step,
        "layer": found.layer,
        "quantity": found.quantity,
        "rows": rows,
    }


def _data(plan: Plan) -> dict[str, Any]:
    given = plan.settings.data
    is_file = plan.table.format not in ("embedded", "memory")
    return {
        "source": plan.table.source,
        "path": os.path.abspath(given) if is_file else None,
        "rows": plan.table.num_rows,
        "columns": len(plan.table.names),
        "fingerprint": plan.table.fingerprint,
    }
