"""Keras's six learning-rate schedules, in float32 as in Keras, whatever type the training is in.

A schedule is a function of the step and a pytree whose leaves are its numbers. Its rates are bit for bit
those that Keras computes operation by operation. Inside a `tf.function` TensorFlow rewrites a division by a
constant as a multiplication, and is itself up to 2e-6 of the first rate away from that: weights after `fit`
in float64 then differ by about 1e-8 (the known difference "schedule-rewritten-in-a-graph"), and by less than
1e-12 where Keras runs eagerly.
"""

from jaxgd.schedules._schedule import Schedule
from jaxgd.schedules.cosine import CosineDecay, CosineDecayRestarts, cosine_decay, cosine_decay_restarts
from jaxgd.schedules.decays import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    exponential_decay,
    inverse_time_decay,
    piecewise_constant_decay,
    polynomial_decay,
)
from jaxgd.schedules.registry import Constant, FunctionOfStep, Identifier, get, names

__all__ = [
    "Constant",
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "FunctionOfStep",
    "Identifier",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "Schedule",
    "cosine_decay",
    "cosine_decay_restarts",
    "exponential_decay",
    "get",
    "inverse_time_decay",
    "names",
    "piecewise_constant_decay",
    "polynomial_decay",
]
