"""The ladder: jaxgd held against a recorded training run, from the weights up to `predict`.

It stops at the first rung that breaks, because every later one would only repeat it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax

from jaxgd import layers
from jaxgd.keras_files.weights import placed
from jaxgd.optimizers import OptimizerState
from jaxgd.parity import flips, run_rungs, rungs
from jaxgd.parity.known_differences import KNOWN
from jaxgd.parity.replay import Replay, Truth
from jaxgd.parity.rung import Rung
from jaxgd.parity.trace.recording import Recording
from jaxgd.schedules import Schedule

NAMES = ("training", "weights", "forward", "loss", "gradients", "statistics", "update", "updates",
         "trajectory", "fit", "evaluate", "predict")  # fmt: skip


_DRAW = (layers.Dropout, layers.GaussianNoise, layers.GaussianDropout, layers.AlphaDropout)


@dataclass(frozen=True)
class Ladder:
    """What a climb found.

    Attributes:
      name, framework, dtype: of the recording.
      rungs: those that were reached, in order.
    """

    name: str
    framework: str
    dtype: str
    rungs: tuple[Rung, ...]

    @property
    def passed(self) -> bool:
        """Whether no rung broke."""
        return self.broken is None

    @property
    def broken(self) -> Rung | None:
        """The first rung that broke."""
        return next((rung for rung in self.rungs if rung.status == "failed"), None)

    def __str__(self) -> str:
        title = f"{self.name}: {self.dtype}, recorded by {self.framework}"
        return "\n".join([title, *(f"  {rung}" for rung in self.rungs)])


def climb(
    recording: Recording,
    *,
    loaded: Mapping[str, Any] | None = None,
    loaded_state: OptimizerState | None = None,
) -> Ladder:
    """Hold jaxgd against a recording.

    Args:
      recording: from Keras live, or read from a trace.
      loaded: parameters that jaxgd read from the model's file, to be held against the recorded start.
      loaded_state: the optimizer's state that jaxgd read there.

    Raises:
      TraceError: a recording that jaxgd cannot replay.
    """
    with jax.enable_x64(recording.dtype == "float64"):
        found = tuple(_up_to_the_first_broken(_rungs(recording, loaded, loaded_state)))
    framework = str(recording.facts.get("framework", "an unnamed framework"))
    return Ladder(recording.name, framework, recording.dtype, found)


def _up_to_the_first_broken(found: Iterator[Rung]) -> Iterator[Rung]:
    for rung in found:
        yield rung
        if rung.status == "failed":
            return


def _rungs(
    recording: Recording, loaded: Mapping[str, Any] | None, loaded_state: OptimizerState | None
) -> Iterator[Rung]:
    yield rungs.training(recording)
    replay = Replay(recording)
    truth = _truth(recording, replay)
    yield rungs.weights(replay, loaded, loaded_state)
    yield rungs.forward(replay)
    yield rungs.loss(replay)
    yield _explained(replay, rungs.gradients(replay), flips.explain_gradients)
    yield rungs.statistics(replay)
    yield rungs.one_update(replay)
    yield rungs.all_updates(replay)
    own_run = _explained(
        replay, run_rungs.trajectory(replay, truth), partial(flips.explain_trajectory, truth=truth)
    )
    yield own_run
    yield _after_rewriting(replay, own_run, _after_flip(own_run, run_rungs.fit(replay, truth)))
    yield run_rungs.evaluate(replay)
    yield run_rungs.predict(replay)


def _explained(replay: Replay, rung: Rung, explain: Callable[[Replay, Rung], Rung]) -> Rung:
    return explain(replay, rung) if rung.status == "failed" and replay.recording.dtype == "float32" else rung


def _after_flip(own_run: Rung, rung: Rung) -> Rung:
    """`fit` takes the same steps as the trajectory: what a flip did there, it does here."""
    if rung.status == "failed" and own_run.status == "flipped":
        return Rung(rung.name, "flipped", f"as the trajectory; {rung.message}", rung.error)
    return rung


def _after_rewriting(replay: Replay, own_run: Rung, rung: Rung) -> Rung:
    """`fit` of Keras is a graph, in which TensorFlow rewrites a schedule: a known difference, of its size."""
    known = next(each for each in KNOWN if each.id == "schedule-rewritten-in-a-graph")
    excused = rung.status == "failed" and own_run.status == "passed" and _has_schedule(replay)
    if excused and rung.error is not None and not known.verdict(rung.error):
        return Rung(rung.name, "flipped", f"known difference {known.id}: {known.reason}", rung.error)
    return rung


def _has_schedule(replay: Replay) -> bool:
    def is_schedule(each: Any) -> bool:
        return isinstance(each, Schedule)

    return any(map(is_schedule, jax.tree.leaves(replay.state(), is_leaf=is_schedule)))


def _truth(recording: Recording, replay: Replay) -> Truth | None:
    """The float64 run of a float32 recording; None where random layers would draw other numbers."""
    draws = any(isinstance(layer, _DRAW) for _, _, layer, _ in placed(replay.model))
    return None if recording.dtype == "float64" or draws else Truth(recording)
