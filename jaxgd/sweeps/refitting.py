"""The best settings of a sweep trained once more on all rows."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxgd import optimizers
from jaxgd.checkpoints import describe
from jaxgd.model import Sequential
from jaxgd.sweeps.axes import changed_model, changed_optimizer
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.table import SweepTable
from jaxgd.training.checkpointing import Checkpoint
from jaxgd.training.fit import fit


def refitted(
    table: SweepTable, models: Mapping[str, Sequential], x: Any, y: Any, arguments: Mapping[str, Any]
) -> SweepTable:
    """The table with a `FitResult` of the best settings on all of x and y, nothing held out.

    The settings are those with the best mean over seeds and folds, the seed that of their best member. Where
    early stopping chose the epoch, as many epochs are taken as the members kept on average. With a journal
    the run is saved beside it, and goes on from there.
    """
    if table.interrupted:
        return table
    best = table.by_settings()[0]
    if best.mean is None:
        return table
    settings = best.members[0].settings
    member = min(best.members, key=lambda each: table.ranking.key(each.value(table.monitor)))
    asked = {
        "model": changed_model(models[settings.get("model", next(iter(models)))], settings),
        "x": x,
        "y": y,
        "loss": settings.get("loss", arguments["loss"]),
        "optimizer": changed_optimizer(arguments["optimizer"], settings),
        "epochs": epochs_kept(best.members),
        "batch_size": settings.get("batch_size", arguments["batch_size"]),
        "shuffle": settings.get("shuffle", arguments["shuffle"]),
        "metrics": arguments["metrics"],
        "weighted_metrics": arguments["weighted_metrics"],
        "sample_weight": arguments["sample_weight"],
        "class_weight": arguments["class_weight"],
        "seed": member.seed,
    }
    result = fit(**asked, checkpoint=_saving(asked, arguments))
    return replace(table, refitted=result)


def epochs_kept(members: Sequence[Member]) -> int:
    """The epochs whose parameters were kept, on average over the members, rounded."""
    kept = [
        member.best_epoch + 1 if member.restored and member.best_epoch is not None else member.epochs
        for member in members
    ]
    return round(float(np.mean(kept)))


def _saving(asked: Mapping[str, Any], arguments: Mapping[str, Any]) -> Checkpoint | None:
    """Where the run is saved: a folder of its own, as a larger grid or other data make another run of it."""
    journal = arguments["journal"]
    if journal is None:
        return None
    optimizer = optimizers.get(asked["optimizer"])
    whole = describe({**asked, "optimizer": [optimizer.rule.class_name, optimizer.settings]})
    key = hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:12]
    return Checkpoint(f"{os.fspath(journal)}.refit-{key}", every=arguments["checkpoint_every"])
