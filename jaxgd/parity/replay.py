"""jaxgd's side of a recording: the same quantities, computed from the recorded weights, rows and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxgd
from jaxgd import random
from jaxgd._statistics import merge, partition
from jaxgd._types import Array, Params, PyTree
from jaxgd.keras_files.weights import named_leaves
from jaxgd.optimizers import OptimizerState
from jaxgd.parity.trace.recording import Recording, flat, nested
from jaxgd.parity.trace.setup import declared_params, initial_state, make_setup, params_at, shapes_of
from jaxgd.parity.walk import walk
from jaxgd.training import TrainState, make_step
from jaxgd.training.batching import take
from jaxgd.training.bundle import Bundle, bundled
from jaxgd.training.inputs import check_targets

ROUNDING = {"float64": 1e-12, "float32": 2e-6}
"""Relative error allowed of one step."""
_DYNAMIC_SCALE = "shared/dynamic_scale"


class Replay:
    """jaxgd, given what a recording was given. Every quantity is computed once, when it is asked for.

    Args:
      recording: what to replay.
      dtype: another dtype than the recording's, to know the truth.

    Raises:
      TraceError: a recording that jaxgd cannot replay.
    """

    def __init__(self, recording: Recording, dtype: str | None = None) -> None:
        self.recording = recording
        self.setup = make_setup(recording, dtype)
        self.model = self.setup.model
        self.wide = self.model.policy.params
        self.params = params_at(recording, self.model, 0)
        self.opt_state = initial_state(recording, self.setup, self.params)
        self.objective = self.setup.objective
        inputs, outputs = len(self.model.input_names), len(self.model.output_names)
        each = {"x": inputs, "y": outputs, "sample_weight": outputs}
        self.arrays = {
            name: recording.each(f"data/{name}", count)
            for name, count in each.items()
            if recording.has(f"data/{name}")
        }
        self.data = self._data()
        self.schedule = jnp.asarray(recording.arrays["schedule"], jnp.int32)
        self.is_padded = bool((recording.arrays["schedule"] < 0).any())

    def _data(self) -> dict[str, Any]:
        """Rows, as training takes them: several inputs or outputs as a `Bundle`."""
        ready = {
            name: bundled([None if one is None else jnp.asarray(one, self.wide) for one in arrays])
            for name, arrays in self.arrays.items()
            if name != "y"
        }
        return {**ready, "y": check_targets(self.objective, bundled(self.arrays["y"]))}

    @property
    def stacked(self) -> Params:
        """The recorded parameters of all steps, [steps + 1, ...]."""
        shapes, recorded = shapes_of(self.model), flat(self.recording.tree("params"))
        return nested({path: jnp.asarray(array, shapes[path].dtype) for path, array in recorded.items()})

    def complete(self, params: Params) -> Params:
        """Recorded parameters with the leaves that stand in the model's configuration."""
        return nested({**declared_params(self.model), **named_leaves(params)})

    def batch(self, data: Mapping[str, Any], rows: Array) -> dict[str, Array]:
        """One recorded batch."""
        batch = dict(take(data, rows))
        return {**batch, "row_mask": rows >= 0} if self.is_padded else batch

    def key_at(self, step: Array | int) -> Any:
        """Where the layers draw from in one recorded step."""
        return None if self.setup.key is None else random.at_step(self.setup.key, self.setup.key.count + step)

    def scale_state(self, step: Array) -> OptimizerState:
        """The optimizer's state as far as the scale of the loss depends on it."""
        scales = self.recording.arrays.get(f"state/{_DYNAMIC_SCALE}")
        if scales is None:
            return self.opt_state
        shared = {**self.opt_state.shared, "dynamic_scale": jnp.asarray(scales)[step]}
        return self.opt_state._replace(shared=shared)

    @cached_property
    def at_recorded_params(self) -> dict[str, Any]:
        """Loss, gradients and new statistics of every step, each at the recorded parameters."""

        def one(step: Array, stacked: Params, data: Any) -> dict[str, Any]:
            return self.one_step(self.complete(_at(stacked, step)), step, data)

        def program(stacked: Params, data: Any) -> dict[str, Any]:
            return jax.lax.map(lambda step: one(step, stacked, data), jnp.arange(self.recording.steps))

        found = jax.jit(program)(self.stacked, self.data)
        return {name: flat(value) if isinstance(value, Mapping) else np.asarray(value)
                for name, value in found.items()}  # fmt: skip

    def one_step(self, params: Params, step: Array, data: Any) -> dict[str, Any]:
        """Loss, gradients (of the scaled loss) and new statistics of one recorded step."""
        moving, fixed = partition(params, self.model.trainable(params))
        batch, key = self.batch(data, self.schedule[step]), self.key_at(step)
        state = self.scale_state(step)

        def scaled(moving: PyTree) -> tuple[Array, tuple[Array, Any]]:
            loss, aux = self.objective(merge(moving, fixed), batch, key)
            return self.setup.optimizer.rule.scale_loss(loss, state), (loss, dict(aux.statistics))

        grads, (loss, statistics) = jax.grad(scaled, has_aux=True)(moving)
        return {"loss": loss, "grads": grads, "statistics": statistics}

    @cached_property
    def updates(self) -> dict[str, dict[str, np.ndarray]]:
        """Parameters and state after every update when the gradients are the recorded ones, [steps, ...]."""
        moving, _ = partition(self.params, self.model.trainable(self.params))
        grads = self._recorded_grads(moving)
        constrain = self.model.constrain if self.model.has_constraints else None

        def body(carry: Any, grad: PyTree) -> tuple[Any, Any]:
            moved, state = self.setup.optimizer.rule.apply(grad, carry[1], carry[0], constrain=constrain)
            return (moved, state), {"params": moved, "state": self.setup.state_values(state)}

        _, found = jax.jit(lambda carry, grads: jax.lax.scan(body, carry, grads))(
            (moving, self.opt_state), grads
        )
        return {"params": flat(found["params"]), "state": flat(found["state"])}

    def _recorded_grads(self, moving: PyTree) -> PyTree:
        """The recorded gradients; zero where none was recorded, None where nothing is trained."""

        def of(path: Any, value: Any) -> Array:
            recorded = self.recording.arrays.get(
                f"grads/{jax.tree_util.keystr(path, simple=True, separator='/')}"
            )
            zeros = np.zeros((self.recording.steps, *value.shape))
            return jnp.asarray(zeros if recorded is None else recorded, value.dtype)

        return jax.tree_util.tree_map_with_path(of, moving)

    @cached_property
    def noise(self) -> tuple[str, ...]:
        """Trained leaves whose recorded gradients are all within rounding of zero, such as a bias before a
        BatchNormalization. An optimizer that divides by the gradient's size moves them by that rounding, so
        their path is no two programs' the same, and nothing else depends on it.
        """
        sizes = {path: float(np.abs(grad).max(initial=0.0))
                 for path, grad in flat(self.recording.tree("grads")).items()}  # fmt: skip
        largest = max(sizes.values())
        return tuple(path for path, size in sizes.items() if size <= ROUNDING[self.recording.dtype] * largest)

    @cached_property
    def trajectory(self) -> dict[str, Any]:
        """Parameters [steps, ...] and losses of a run of its own from the recorded start; what `fit` gives.

        Leaves in `noise` are set to their recorded values after each step.
        """
        step = make_step(self.objective, self.setup.optimizer)
        recorded = {
            path: jnp.asarray(self.recording.arrays[f"params/{path}"][1:], self.wide) for path in self.noise
        }

        def body(state: TrainState, inputs: Any) -> tuple[TrainState, Any]:
            rows, pinned = inputs
            state, loss, _ = step(state, self.batch(self.data, rows))
            state = replace(state, params=_pinned(state.params, pinned))
            return state, {"params": state.params, "losses": loss}

        program = jax.jit(lambda state, inputs: jax.lax.scan(body, state, inputs))
        last, found = program(self.state(), (self.schedule, recorded))
        moving, fixed = partition(last.params, self.model.trainable(last.params))
        final = merge(self.setup.optimizer.rule.finalize(moving, last.opt_state), fixed)
        return {"params": flat(found["params"]), "losses": np.asarray(found["losses"]), "final": flat(final)}

    def state(self) -> TrainState:
        """The state before the first recorded step."""
        draws = 0 if self.setup.key is None else int(self.setup.key.count)
        return TrainState(jnp.int32(draws), self.params, self.opt_state, self.setup.key)

    def fit(self) -> Any:
        """What `jaxgd.fit` gives from the recorded start, rows in order."""
        facts = self.recording.facts
        return jaxgd.fit(
            self.model, **self._rows(), shuffle=False,
            epochs=int(facts["epochs"]), batch_size=int(facts["batch_size"]), state=self.state(),
            **self.setup.compiled, optimizer=self.setup.optimizer,
        )  # fmt: skip

    def evaluate(self) -> dict[str, Any]:
        """What `jaxgd.evaluate` gives at the last recorded parameters."""
        return jaxgd.evaluate(
            self.model, params_at(self.recording, self.model, -1), **self._rows(),
            batch_size=int(self.recording.facts["batch_size"]), **self.setup.compiled,
        )  # fmt: skip

    def predict(self) -> dict[str, np.ndarray]:
        """What `jaxgd.predict` gives at the last recorded parameters: {path: an output}."""
        params = params_at(self.recording, self.model, -1)
        y = jaxgd.predict(self.model, params, self._rows()["x"])
        each = list(y.values()) if isinstance(y, Mapping) else y if isinstance(y, list) else [y]
        return numbered("predict", each)

    def _rows(self) -> dict[str, Any]:
        """Rows as a user gives them."""
        rows = {name: each if len(each) > 1 else each[0] for name, each in self.arrays.items()}
        return {"sample_weight": None, **rows}

    def layer_outputs(self) -> dict[str, np.ndarray]:
        """Each layer's output at inference, for the rows of the first recorded step."""

        def program(params: Params, x: Any) -> dict[str, Array]:
            outputs: dict[str, Array] = {}
            for call in walk(self.model, params, x, training=False, key=None):
                outputs |= numbered(call.place, list(call.y) if isinstance(call.y, tuple) else [call.y])
            return outputs

        x = self.data["x"][self.first_rows]
        return flat(jax.jit(program)(self.params, x.arrays if isinstance(x, Bundle) else x))

    @property
    def first_rows(self) -> np.ndarray:
        """The rows of the first recorded step."""
        rows = np.asarray(self.recording.arrays["schedule"][0])
        return rows[rows >= 0]


class Truth:
    """The float64 run from the start of a float32 recording, which says how far rounding took either side."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    @cached_property
    def trajectory(self) -> dict[str, np.ndarray]:
        """Parameters after each step."""
        with jax.enable_x64(True):
            return self._replay.trajectory["params"]

    @cached_property
    def fit(self) -> dict[str, np.ndarray]:
        """Parameters after `fit`, which takes the same steps."""
        with jax.enable_x64(True):
            return self._replay.trajectory["final"]

    @cached_property
    def _replay(self) -> Replay:
        return Replay(self.recording, "float64")


def numbered(path: str, each: Sequence[Any]) -> dict[str, Any]:
    """{path: the one of them}, or {path/0: the first, ...} of several.

    >>> numbered("predict", [7]), numbered("predict", [7, 8])
    ({'predict': 7}, {'predict/0': 7, 'predict/1': 8})
    """
    return {path: each[0]} if len(each) == 1 else {f"{path}/{index}": one for index, one in enumerate(each)}


def _at(stacked: PyTree, step: Any) -> PyTree:
    return jax.tree.map(lambda array: array[step], stacked)


def _pinned(params: Params, values: Mapping[str, Array]) -> Params:
    """The parameters with the given leaves, by path, in place of their own."""
    return nested({**named_leaves(params), **values}) if values else params
