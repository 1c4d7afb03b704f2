"""What a file knows about the training of its model."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._types import Params
from jaxgd.optimizers import Optimizer, OptimizerState
from jaxgd.training import FitResult, TrainState
from jaxgd.training.state import check_key


@dataclass(frozen=True)
class KerasTraining:
    """The loss, the optimizer with its state, and the metrics of a model: what Keras's `compile` was given.

    Attributes:
      loss: a `losses.Loss`, None, or the name "crossentropy", which shapes decide. For `save`, any name too.
      optimizer: an optimizer of `jaxgd.optimizers`. For `save`, a name too.
      opt_state: what the optimizer remembers of the trainable part of the parameters; None: no update yet.
      metrics, weighted_metrics: `metrics.Metric`, or the name "accuracy". For `save`, any names too.
      loss_weights: how much of each output's loss the total has; None is 1 each.
      notes: what the file does not say, because Keras loses it on saving, and what was taken for it; where
        Keras itself would start otherwise.

    Of a model with several outputs, loss, metrics and loss_weights are dicts by the outputs' names, as `fit`
    takes them (one loss may stand for all).
    """

    loss: Any
    optimizer: Any
    opt_state: OptimizerState | None = None
    metrics: Any = ()
    weighted_metrics: Any = ()
    loss_weights: Any = None
    notes: tuple[str, ...] = ()
    loaded: tuple[Params, OptimizerState] | None = field(default=None, repr=False, compare=False)
    """The parameters and the state that came out of a file together: `save` tells if only one went on."""

    @property
    def iterations(self) -> int:
        """How many updates were asked for so far, as Keras counts them."""
        return 0 if self.opt_state is None else int(self.opt_state.count)

    def state(self, params: Params, key: Any = None) -> TrainState:
        """The state to go on from: `fit(..., state=training.state(params), params=None)`.

        Args:
          params: as `load` gave them.
          key: a JAX key or a `KerasKey`, if a layer draws; `model.key(seed)` gives Keras's. A Keras file does
            not say how often dropout layers have drawn.

        Raises:
          ValueError: there is no optimizer state to go on from. TypeError: `key` is a seed.
        """
        if self.opt_state is None or not isinstance(self.optimizer, Optimizer):
            raise ValueError("training: expected an optimizer with its state, as `load` gives it.")
        check_key(key)
        return TrainState(jnp.asarray(self.opt_state.count, jnp.int32), params, self.opt_state, key)

    def after(self, result: FitResult) -> "KerasTraining":
        """The same with the optimizer's state after more training: `save(path, model, result, training)`.

        Args:
          result: of a `fit` with this optimizer.
        """
        return replace(self, opt_state=result.state.opt_state, loaded=None)

    def is_behind(self, params: Params) -> bool:
        """Whether parameters were trained on since they were loaded, and the optimizer's state was not."""
        if self.loaded is None or self.opt_state is not self.loaded[1]:
            return False
        if jax.tree.structure(params) != jax.tree.structure(self.loaded[0]):
            return True  # of another model
        pairs = zip(jax.tree.leaves(params), jax.tree.leaves(self.loaded[0]), strict=True)
        return not all(one is other or np.array_equal(one, other, equal_nan=True) for one, other in pairs)
