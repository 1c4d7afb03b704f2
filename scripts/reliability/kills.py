"""A run, killed again and again by SIGKILL and resumed each time: is it the run that nobody killed?

    python scripts/reliability/kills.py --kills 30
    python scripts/reliability/kills.py --kills 30 --sweep

Every other kill comes from outside, at a random moment; the rest come from inside the writing of a
checkpoint: half way through the bytes, before or after they are flushed, before or after the file has its
name, and while old ones are removed. Compared at the end, bit for
bit: parameters, state, history and the model file; of a sweep every member's, and how it ended.

The processes are forks of one that has imported everything, but started nothing of JAX yet.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import jax
import numpy as np

import jaxgd
from jaxgd import keras_files, layers, optimizers, schedules, training
from jaxgd.checkpoints import tree_digest

ROWS, FEATURES = 100, 4
LONGEST_SWEEP = 8000
"""Epochs: one sweep takes some two dozen kills."""
Work: TypeAlias = Callable[[Path, Callable[[], object]], dict[str, Any]]
PLACES = ("half written", "before flush", "after flush", "before rename", "after rename", "removing")


def main() -> None:
    """Print the findings as JSON; exit with 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sweep", action="store_true", help="a sweep by successive halving, not one run")
    options = parser.parse_args()
    if options.sweep:
        work = partial(sweep, epochs=min(400 * options.kills, LONGEST_SWEEP))
    else:
        work = partial(train, epochs=max(400, 14 * options.kills))
    with tempfile.TemporaryDirectory() as folder:
        findings = campaign(Path(folder), work, options.kills, options.seed)
    print(json.dumps(findings))
    sys.exit(0 if findings["bit_equal"] and findings["kills"] >= options.kills else 1)


def campaign(folder: Path, work: Work, kills: int, seed: int) -> dict[str, Any]:
    """One run without kills, and as many with kills as it takes: one that comes to its end begins anew."""
    jax.config.update("jax_compilation_cache_dir", str(folder / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    chance = random.Random(seed)
    expected = finished(folder / "expected", work)
    places: list[str] = []
    compared: list[bool] = []
    while len(places) < kills:
        before, here = len(places), folder / f"killed-{len(compared)}"
        while len(places) < kills and attempt(here, work, next_place(len(places)), chance):
            places.append(next_place(len(places)))
        compared.append(finished(here, work) == expected)
        if len(places) == before:
            break  # it ends before anything can kill it
    return {
        "kills": len(places),
        "runs": len(compared),
        "places": dict(Counter(places)),
        "bit_equal": all(compared),
        "compared": sorted(expected),
        "epochs": expected["epochs"],
    }


def next_place(count: int) -> str:
    """Where the kill after so many is: every other one comes from outside."""
    return PLACES[count // 2 % len(PLACES)] if count % 2 else "outside"


def attempt(folder: Path, work: Work, place: str, chance: random.Random) -> bool:
    """Whether the run was killed; False if it came to its end."""
    countdown, delay = chance.randint(1, 6), chance.uniform(0.0, 0.05)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        if place != "outside":
            Killer(place, countdown).arm()
        in_child(folder, work, lambda: os.write(writer, b"."))
    os.close(writer)
    os.read(reader, 1)
    if place == "outside":
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(reader)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def finished(folder: Path, work: Work) -> dict[str, Any]:
    """The digests of a run that comes to its end, in a process of its own."""
    child = os.fork()
    if not child:
        in_child(folder, work, lambda: None)
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"the run ended with status {status}")
    return json.loads((folder / "digests.json").read_text())


def in_child(folder: Path, work: Work, on_progress: Callable[[], object]) -> None:
    """Run, write the digests, end."""
    code = 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "digests.json").write_text(json.dumps(work(folder, on_progress)))
        code = 0
    finally:
        os._exit(code)


def rows() -> tuple[np.ndarray, np.ndarray]:
    """x and y."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    y = (x @ rng.normal(size=(FEATURES, 1)) + 0.1 * rng.normal(size=(ROWS, 1))).astype(np.float32)
    return x, y


def sweep(folder: Path, on_progress: Callable[[], object], epochs: int) -> dict[str, Any]:
    """A sweep by successive halving, in step, some of it diverging, and the digests of its members."""
    model = jaxgd.sequential([layers.dense(8, "relu"), layers.dropout(0.1), layers.dense(1)], FEATURES)
    table = jaxgd.sweep(
        model,
        *rows(),
        grid={"learning_rate": [1e-3, 1e-2, 3e-2, 1e30]},
        seeds=3,
        epochs=epochs,
        batch_size=16,
        validation_split=0.2,
        halving=jaxgd.sweeps.Halving(2, epochs // 4),
        plan=("vmap", 4),
        lanes=2,
        journal=folder / "journal",
        checkpoint_every=0.0,
        progress=lambda report: None if report.seconds_left is None else on_progress() and None,
    )
    return {"every member": [digest_of_member(each) for each in table], "epochs": epochs}


def digest_of_member(member: Any) -> str:
    """Of everything that the table says of a member."""
    ended = member.status, member.steps, member.diverged_at
    return f"{ended} {tree_digest(member.params)} {tree_digest(dict(member.history))}"


def train(folder: Path, on_progress: Callable[[], object], epochs: int) -> dict[str, Any]:
    """A run with everything that could be lost, and the digests of what came of it."""
    stack = [layers.dense(8, "relu"), layers.batch_normalization()]
    model = jaxgd.sequential([*stack, layers.dropout(0.2), layers.dense(1)], FEATURES)
    rate = schedules.exponential_decay(1e-2, 50, 0.97)
    optimizer = optimizers.adam(rate, use_ema=True, gradient_accumulation_steps=2)
    result = training.fit(
        model,
        *rows(),
        optimizer=optimizer,
        metrics=["mae"],
        epochs=epochs,
        batch_size=16,
        validation_split=0.2,
        early_stopping=training.EarlyStopping(
            "val_loss", patience=10, start_from_epoch=epochs - 80, restore_best_weights=True
        ),
        checkpoint=training.Checkpoint(folder / "checkpoint", every_steps=7),
        progress=lambda report: on_progress() and None,
    )
    compiled = keras_files.KerasTraining("mse", optimizer, result.state.opt_state, ("mae",))
    keras_files.save(folder / "model.keras", model, result.params, compiled)
    return {
        "params": tree_digest(result.params),
        "state": tree_digest(result.state),
        "history": tree_digest(dict(result.history)),
        "model file": digest_of_members(folder / "model.keras"),
        "epochs": result.history.epochs,
        "best epoch": result.best_epoch,
    }


class Killer:
    """Lets this process kill itself at one place in the writing of a checkpoint, the countdown-th time."""

    def __init__(self, place: str, countdown: int) -> None:
        self.place, self.countdown = place, countdown

    def reached(self, place: str) -> None:
        """End here, if this is the place and the time."""
        self.countdown -= place == self.place
        if not self.countdown:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
        """`function`, with a place before it and one behind it."""

        def called(*args: Any, **options: Any) -> Any:
            self.reached(before)
            result = function(*args, **options)
            self.reached(after)
            return result

        return called

    def opened(self, file: Any) -> Any:
        """A file whose content is written in two halves, with a place between."""
        write = file.write

        def halves(content: bytes) -> None:
            write(content[: len(content) // 2])
            file.flush()
            self.reached("half written")
            write(content[len(content) // 2 :])

        return SimpleNamespace(write=halves, flush=file.flush, fileno=file.fileno)

    def arm(self) -> None:
        """Put the places into this process."""
        fdopen = os.fdopen

        @contextmanager
        def halving(*args: Any) -> Iterator[Any]:
            with fdopen(*args) as file:
                yield self.opened(file)

        setattr(os, "fdopen", halving)  # noqa: B010
        os.fsync = self.around(os.fsync, "before flush", "after flush")
        os.replace = self.around(os.replace, "before rename", "after rename")
        Path.unlink = self.around(Path.unlink, "removing", "removed")


def digest_of_members(path: Path) -> str:
    """Of everything in a model file but the moment at which it was written."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(contents.pop("metadata.json"))
    del metadata["date_saved"]
    whole = json.dumps(metadata, sort_keys=True).encode() + b"".join(contents.values())
    return hashlib.sha256(whole).hexdigest()[:16]


if __name__ == "__main__":
    main()
