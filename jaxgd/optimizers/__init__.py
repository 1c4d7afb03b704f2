"""Keras's optimizers as static rules with array-valued state; each is an optax transformation too.

Common arguments of all factories:
  weight_decay: >= 0; before the update w <- w - w weight_decay learning_rate. None: off.
  clipnorm, clipvalue, global_clipnorm: at most one; bounds each gradient's norm, each entry, or all norms.
  use_ema, ema_momentum, ema_overwrite_frequency: keep a moving average of the parameters, with which the
    parameters are overwritten every so many updates, and at the end (`rule.finalize`).
  loss_scale_factor: gradients are divided by it; `rule.scale_loss` multiplies the loss.
  gradient_accumulation_steps: >= 2; updates once in that many calls, with the mean gradient.
  exclude_from_weight_decay: regular expressions searched for in "layer/leaf" paths; a match is not decayed.
  constants: "keras" rounds through float32 the constants that Keras on TensorFlow rounds when the parameters
    are float64; "exact" does not. Without effect on float32 parameters.
  name: Keras's name of the optimizer.

Every number may be a scalar array, also a traced one: `jax.vmap(lambda r: adam(r).init(params))(rates)`.
"""

from jaxgd.optimizers._foreign import from_optax
from jaxgd.optimizers._optimizer import Optimizer, build, serialize
from jaxgd.optimizers._registry import class_names, factory, from_config, get
from jaxgd.optimizers._rule import Rule
from jaxgd.optimizers._state import OptimizerState, set_learning_rate
from jaxgd.optimizers.adadelta import adadelta
from jaxgd.optimizers.adafactor import adafactor
from jaxgd.optimizers.adagrad import adagrad
from jaxgd.optimizers.adam import adam
from jaxgd.optimizers.adamax import adamax
from jaxgd.optimizers.adamw import adamw
from jaxgd.optimizers.ftrl import ftrl
from jaxgd.optimizers.lamb import lamb
from jaxgd.optimizers.lion import lion
from jaxgd.optimizers.loss_scale import loss_scale
from jaxgd.optimizers.multi import multi
from jaxgd.optimizers.muon import muon
from jaxgd.optimizers.nadam import nadam
from jaxgd.optimizers.rmsprop import rmsprop
from jaxgd.optimizers.schedule_free_adamw import schedule_free_adamw
from jaxgd.optimizers.sgd import sgd

__all__ = [
    "Optimizer",
    "OptimizerState",
    "Rule",
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "build",
    "class_names",
    "factory",
    "from_config",
    "from_optax",
    "ftrl",
    "get",
    "lamb",
    "lion",
    "loss_scale",
    "multi",
    "muon",
    "nadam",
    "rmsprop",
    "schedule_free_adamw",
    "serialize",
    "set_learning_rate",
    "sgd",
]
