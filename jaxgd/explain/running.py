"""A run of a few steps in which every step is kept: parameters, losses, and the pass laid open."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import backprop, random
from jaxgd._checks import check_integer
from jaxgd._types import Array, Params, PyTree
from jaxgd.backprop import Trace
from jaxgd.explain.subject import Subject
from jaxgd.optimizers import Optimizer
from jaxgd.training import TrainState, make_step
from jaxgd.training.preparing import new_state

MAX_STEPS = 1000


@dataclass(frozen=True, eq=False)
class Run:
    """Steps of gradient descent on one batch.

    Attributes:
      params: the tree of parameters, each leaf [steps + 1, ...]: before each step, and after the last.
      losses: float[steps + 1], the training loss of the batch at them; the last with the last step's key.
    """

    params: PyTree
    losses: np.ndarray

    def at(self, step: int) -> Params:
        """The parameters before a step."""
        return jax.tree.map(lambda leaf: leaf[step], self.params)


@dataclass(frozen=True, eq=False)
class StepTaken:
    """One step: the pass at the parameters before it, and what the update made of them.

    Attributes:
      number: of the step, counted from 0.
      trace: forward and backward by the explicit chain rule.
      before, after: the parameters.
      new_loss: of the same batch after the update, with the same dropout.
    """

    number: int
    trace: Trace
    before: Params
    after: Params
    new_loss: float


def run_steps(subject: Subject, optimizer: Optimizer, steps: int) -> Run:
    """Train on the whole batch, `steps` times.

    Raises:
      ValueError: fewer than one step, or more than can be kept.
    """
    check_integer("steps", steps, 1)
    if steps > MAX_STEPS:
        raise ValueError(f"steps: expected at most {MAX_STEPS}, every one is kept, got {steps}.")
    step = make_step(subject.objective, optimizer)
    state = new_state(subject.model, optimizer, subject.seed, subject.params)

    @jax.jit
    def run(state: TrainState, batch: dict[str, Any]) -> tuple[PyTree, Array]:
        def body(state: TrainState, _: None) -> tuple[TrainState, tuple[PyTree, Array]]:
            following, loss, _ = step(state, batch)
            return following, (state.params, loss)

        last, (params, losses) = jax.lax.scan(body, state, None, length=steps)
        key = random.at_step(last.key, steps - 1)
        final = subject.objective(last.params, batch, key)[0]
        joined = jax.tree.map(lambda leaf, end: jnp.concatenate([leaf, end[None]]), params, last.params)
        return joined, jnp.append(losses, final)

    params, losses = jax.device_get(run(state, subject.batch))
    return Run(params, np.asarray(losses))


def take_steps(subject: Subject, steps: int = 1) -> list[StepTaken]:
    """The steps of a run, each laid open.

    Args:
      subject: what to train.
      steps: how many.

    Raises:
      ValueError: fewer than one step, or more than can be kept.
    >>> from jaxgd.explain import example
    >>> first, second = take_steps(example(rows=8), 2)
    >>> first.new_loss == float(second.trace.loss), first.new_loss < float(first.trace.loss)
    (True, True)
    """
    run = run_steps(subject, subject.optimizer, steps)
    return list(open_steps(subject, run, range(steps)))


def open_steps(subject: Subject, run: Run, numbers: Any) -> Iterator[StepTaken]:
    """Some steps of a run, laid open."""
    for number in numbers:
        before, after, key = run.at(number), run.at(number + 1), key_at(subject, number)
        yield StepTaken(number, trace_at(subject, before, key), before, after, loss_at(subject, after, key))


def key_at(subject: Subject, number: int) -> Any:
    """What dropout and noise draw from in a step."""
    return random.at_step(subject.model.key(subject.seed), number)


def trace_at(subject: Subject, params: Params, key: Any) -> Trace:
    """The pass forward and backward of a training step, by the explicit chain rule."""
    arrays: Params = jax.tree.map(jnp.asarray, params)
    several = len(subject.targets) > 1
    of_output = {each.output: each for each in subject.losses}
    heads = [of_output.get(place) for place in range(len(subject.targets))]
    losses = [None if head is None else head.loss for head in heads]
    return backprop.trace(
        subject.model,
        arrays,
        subject.inputs,
        list(subject.targets) if several else subject.targets[0],
        losses if several else losses[0],
        loss_weights=[1.0 if head is None else head.weight for head in heads],
        training=True,
        key=key,
    )


def loss_at(subject: Subject, params: Params, key: Any) -> float:
    """The training loss of the batch."""
    arrays: Params = jax.tree.map(jnp.asarray, params)
    return float(subject.objective(arrays, subject.batch, key)[0])
