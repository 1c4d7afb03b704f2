"""The rules, common options and gradients of the optimizers' cases."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from jaxgd import schedules as ours
from jaxgd.parity.case import Case

SHAPES = {"h/kernel": (5, 7), "h/bias": (7,), "out/kernel": (7, 3)}
STEPS, LONG = 20, 200
REGIMES = ("normal", "scale 1e-3", "scale 1e-6", "zero rows")
schedules = SimpleNamespace(
    CosineDecay=ours.cosine_decay,
    CosineDecayRestarts=ours.cosine_decay_restarts,
    ExponentialDecay=ours.exponential_decay,
    InverseTimeDecay=ours.inverse_time_decay,
    PiecewiseConstantDecay=ours.piecewise_constant_decay,
    PolynomialDecay=ours.polynomial_decay,
)
OURS = ("documented", "starts_at_zero")
"""Arguments that Keras's classes do not have."""

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "rho": 0.8}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True}),
    ("Adam", {"beta_1": 0.7, "beta_2": 0.95, "epsilon": 1e-3}),
    ("AdamW", {}),
    ("AdamW", {"amsgrad": True, "weight_decay": 0.1}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adagrad", {}),
    ("Adagrad", {"initial_accumulator_value": 0.0, "epsilon": 1e-3}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Nadam", {"beta_1": 0.8, "epsilon": 1e-3}),
    ("Ftrl", {"learning_rate": 0.1}),
    ("Ftrl", {"l1_regularization_strength": 0.01, "l2_regularization_strength": 0.02, "beta": 0.1}),
    ("Ftrl", {"l2_shrinkage_regularization_strength": 0.03, "learning_rate_power": -0.7}),
    ("Lion", {}),
    ("Lamb", {}),
    ("Adafactor", {}),
    ("Adafactor", {"learning_rate": 0.5, "relative_step": False, "clip_threshold": 0.3}),
    ("Muon", {}),
    ("Muon", {"nesterov": False, "rms_rate": None, "adam_lr_ratio": 0.5, "exclude_layers": ["out"]}),
    ("ScheduleFreeAdamW", {}),
    ("ScheduleFreeAdamW", {"warmup_steps": 10}),
]
FORMS: list[tuple[str, dict[str, Any]]] = [
    ("Adafactor", {"learning_rate": 0.5, "relative_step": False, "documented": True}),
    ("ScheduleFreeAdamW", {"documented": True}),
]
"""What Keras documents and does not compute: known differences."""
WRAPPERS: list[tuple[str, dict[str, Any]]] = [
    ("LossScaleOptimizer", {"inner": "Adam", "initial_scale": 64.0, "dynamic_growth_steps": 3}),
    ("LossScaleOptimizer", {"inner": "SGD", "initial_scale": 4.0, "dynamic_growth_steps": 5}),
    ("MultiOptimizer", {"inner": "Adam", "routes": ((".*/bias", "Nadam"), ("out/kernel", "Lion"))}),
]
_DECAY = ("ExponentialDecay", 0.05, 4, 0.5)
COMMON: dict[str, dict[str, Any]] = {
    "decay": {"weight_decay": 0.02},
    "decay, biases excluded": {"weight_decay": 0.5, "exclude_from_weight_decay": ("bias",)},
    "clipnorm": {"clipnorm": 0.5},
    "clipnorm, inactive": {"clipnorm": 1e4},
    "clipvalue": {"clipvalue": 0.01},
    "global clipnorm": {"global_clipnorm": 0.3},
    "global clipnorm, inactive": {"global_clipnorm": 1e4},
    "average": {"use_ema": True, "ema_momentum": 0.9, "weight_decay": 0.02},
    "overwrite": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 4},
    "accumulation": {"gradient_accumulation_steps": 3},
    "schedule": {"schedule": _DECAY},
    "schedule and accumulation": {"schedule": _DECAY, "gradient_accumulation_steps": 3},
    "schedule and decay": {"schedule": ("CosineDecay", 0.05, 40), "weight_decay": 0.02},
    "loss scale": {"loss_scale_factor": 3.0},
    "all": {
        "schedule": _DECAY,
        "gradient_accumulation_steps": 2,
        "global_clipnorm": 0.3,
        "weight_decay": 0.01,
        "use_ema": True,
        "ema_momentum": 0.9,
        "ema_overwrite_frequency": 3,
        "loss_scale_factor": 7.0,
    },
}
FEW = ("schedule", "schedule and decay", "all")
"""What a second and third variant of one rule are combined with."""
_SUMS = ("Lamb", "Adafactor", "Muon", "Ftrl")
"""Rules with means, norms, matrix products or powers, which the libraries round differently."""


def is_bit_equal(case: Case) -> bool:
    """Whether the arithmetic of a case is elementwise throughout, and so has to be equal bit for bit."""
    return (
        case.subject not in _SUMS
        and "clipnorm" not in str(case.get("common", ""))
        and case.get("common") != "all"
    )


def make(
    regime: str, num_steps: int, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Parameters, and gradients [steps, ...] by path."""
    scale = float(regime.split()[-1]) if regime.startswith("scale") else 1.0
    params, grads = {}, {}
    for path, shape in SHAPES.items():
        params[path] = scale * rng.standard_normal(shape)
        grads[path] = scale * rng.standard_normal((num_steps, *shape))
        if regime == "mixed":
            grads[path] *= 10 ** rng.uniform(-6, 0, shape)
    if regime in ("zero rows", "mixed"):
        grads["h/kernel"][:, 2] = 0.0
        grads["out/kernel"][: num_steps // 2] = 0.0
    if regime == "zero rows":
        grads["h/bias"][:] = 0.0
    if regime == "not finite":
        grads["h/kernel"][[2, 9], 1, 1] = np.inf, np.nan
    return params, grads


def moved(steps: dict[str, np.ndarray], params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What every parameter has travelled, in float64: the measure of an optimizer's error."""
    return {path: steps[path][-1].astype(np.float64) - value for path, value in params.items()}
