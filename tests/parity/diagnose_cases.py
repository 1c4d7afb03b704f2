"""The 44 runs that `diagnose` is tested on, each with the truth that it is not told."""

import keras
import optax
from diagnose_forms import (
    always,
    torch_adagrad,
    torch_adam,
    torch_nadam,
    torch_rmsprop,
    torch_sgd,
)
from diagnose_recording import Recorded

RAW, CORRECTED = "epsilon on the uncorrected root", "epsilon on the corrected root"
INSIDE, OUTSIDE = "rate inside the velocity", "rate outside the velocity"
DECOUPLED = "decoupled decay"

K, S = keras.optimizers, keras.optimizers.schedules


def _adamw_on_matrices():
    optimizer = K.AdamW(0.0043, weight_decay=0.057, beta_1=0.86, beta_2=0.983, epsilon=2e-6)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _numbers(rate=None, **numbers):
    return numbers if rate is None else {"learning_rate": rate, **numbers}


KERAS = [
    ("sgd", lambda: K.SGD(0.037), "sgd", "", _numbers(0.037), {}),
    (
        "sgd, momentum",
        lambda: K.SGD(0.021, momentum=0.83),
        "sgd with momentum",
        None,
        _numbers(0.021, momentum=0.83),
        {},
    ),
    (
        "sgd, momentum, polynomial",
        lambda: K.SGD(S.PolynomialDecay(0.03, 47, 0.004, power=1.0), momentum=0.87),
        "sgd with momentum",
        INSIDE,
        _numbers(0.03, momentum=0.87, decay_steps=47, end_learning_rate=0.004),
        {"schedule": "linear decay"},
    ),
    (
        "sgd, nesterov, cosine",
        lambda: K.SGD(S.CosineDecay(0.041, 50, alpha=0.1), momentum=0.77, nesterov=True),
        "sgd with nesterov momentum",
        INSIDE,
        _numbers(0.041, momentum=0.77, decay_steps=50, alpha=0.1),
        {"schedule": "cosine decay"},
    ),
    (
        "sgd, clipnorm",
        lambda: K.SGD(0.063, clipnorm=1.1),
        "sgd",
        "",
        _numbers(0.063, clipnorm=1.1),
        {"clipping": "clipnorm"},
    ),
    (
        "sgd, momentum, global_clipnorm",
        lambda: K.SGD(0.033, momentum=0.72, global_clipnorm=1.3),
        "sgd with momentum",
        None,
        _numbers(0.033, momentum=0.72, global_clipnorm=1.3),
        {"clipping": "global_clipnorm"},
    ),
    (
        "rmsprop",
        lambda: K.RMSprop(0.0013, rho=0.88, epsilon=1e-6),
        "rmsprop",
        "epsilon inside the root",
        _numbers(0.0013, rho=0.88, epsilon=1e-6),
        {},
    ),
    (
        "rmsprop, momentum, inverse time",
        lambda: K.RMSprop(S.InverseTimeDecay(0.002, 10, 0.4), rho=0.91, momentum=0.66, epsilon=3e-6),
        "rmsprop with momentum",
        f"epsilon inside the root, {INSIDE}",
        _numbers(0.002, rho=0.91, momentum=0.66, epsilon=3e-6, decay_per_step=0.04),
        {"schedule": "inverse time decay"},
    ),
    (
        "rmsprop, centered",
        lambda: K.RMSprop(0.0021, rho=0.93, centered=True, epsilon=2e-5),
        "centered rmsprop",
        "epsilon inside the root",
        _numbers(0.0021, rho=0.93, epsilon=2e-5),
        {},
    ),
    (
        "adam",
        lambda: K.Adam(0.0023, 0.85, 0.97, epsilon=1e-5),
        "adam",
        RAW,
        _numbers(0.0023, beta_1=0.85, beta_2=0.97, epsilon=1e-5),
        {},
    ),
    ("adam, defaults", K.Adam, "adam", RAW, _numbers(0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7), {}),
    (
        "adam, float64",
        lambda: K.Adam(0.0031, 0.91, 0.993, epsilon=3e-7),
        "adam",
        RAW,
        _numbers(0.0031, beta_1=0.91, beta_2=0.993, epsilon=3e-7),
        {"dtype": "float64"},
    ),
    (
        "adam, amsgrad",
        lambda: K.Adam(0.0037, 0.8, 0.93, epsilon=1e-4, amsgrad=True),
        "amsgrad",
        f"largest uncorrected square, {RAW}",
        _numbers(0.0037, beta_1=0.8, beta_2=0.93, epsilon=1e-4),
        {},
    ),
    (
        "adam, clipvalue",
        lambda: K.Adam(0.0019, 0.88, 0.96, epsilon=1e-4, clipvalue=0.02),
        "adam",
        RAW,
        _numbers(0.0019, beta_1=0.88, beta_2=0.96, epsilon=1e-4, clipvalue=0.02),
        {"clipping": "clipvalue"},
    ),
    (
        "adam, warm-up and cosine",
        lambda: K.Adam(
            S.CosineDecay(1e-4, 45, alpha=0.0, warmup_target=0.006, warmup_steps=11), 0.87, 0.98, epsilon=1e-6
        ),
        "adam",
        RAW,
        _numbers(
            0.006, beta_1=0.87, beta_2=0.98, epsilon=1e-6, initial_rate=1e-4, warmup_steps=11, decay_steps=45
        ),
        {"schedule": "linear warm-up, then cosine decay", "unknowable": ("end_learning_rate",)},
    ),
    (
        "adam, piecewise constant",
        lambda: K.Adam(S.PiecewiseConstantDecay([24], [0.005, 0.0011]), 0.9, 0.99, epsilon=1e-5),
        "adam",
        RAW,
        _numbers(0.005, beta_1=0.9, beta_2=0.99, epsilon=1e-5, later_rate=0.0011),
        {"schedule": "piecewise constant"},
    ),
    (
        "adamw, matrices decay",
        _adamw_on_matrices,
        "adam",
        RAW,
        _numbers(0.0043, beta_1=0.86, beta_2=0.983, epsilon=2e-6, weight_decay=0.057),
        {"decay": f"{DECOUPLED} of matrices"},
    ),
    (
        "adamax",
        lambda: K.Adamax(0.0027, 0.83, 0.95, epsilon=1e-3),
        "adamax",
        "epsilon after the maximum",
        _numbers(0.0027, beta_1=0.83, beta_2=0.95, epsilon=1e-3),
        {},
    ),
    (
        "nadam",
        lambda: K.Nadam(0.0018, 0.92, 0.98, epsilon=1e-5),
        "nadam",
        "momentum warms up with 0.96^t",
        _numbers(0.0018, beta_1=0.92, beta_2=0.98, epsilon=1e-5),
        {},
    ),
    (
        "adagrad",
        lambda: K.Adagrad(0.047, initial_accumulator_value=0.013),
        "adagrad",
        "epsilon inside the root (part of the initial accumulator)",
        _numbers(0.047, initial_accumulator_value=0.013),
        {},
    ),
    (
        "adadelta",
        lambda: K.Adadelta(0.73, rho=0.89, epsilon=1e-5),
        "adadelta",
        "epsilon inside both roots",
        _numbers(0.73, rho=0.89, epsilon=1e-5),
        {},
    ),
    (
        "ftrl",
        lambda: K.Ftrl(0.083, initial_accumulator_value=0.17),
        "ftrl",
        "power -1/2, no penalties",
        _numbers(0.083, initial_accumulator_value=0.17),
        {},
    ),
    (
        "ftrl, penalties",
        lambda: K.Ftrl(
            0.21,
            learning_rate_power=-0.62,
            initial_accumulator_value=0.09,
            l1_regularization_strength=0.004,
            l2_regularization_strength=0.03,
            l2_shrinkage_regularization_strength=0.007,
        ),
        "ftrl",
        "with penalties",
        _numbers(
            0.21,
            learning_rate_power=-0.62,
            initial_accumulator_value=0.09,
            l1_regularization_strength=0.004,
            l2_regularization_strength=0.03,
            l2_shrinkage_regularization_strength=0.007,
        ),
        {},
    ),
    (
        "lion, decay",
        lambda: K.Lion(0.0007, 0.87, 0.96, weight_decay=0.31),
        "lion",
        "",
        _numbers(0.0007, beta_1=0.87, beta_2=0.96, weight_decay=0.31),
        {"decay": DECOUPLED},
    ),
    (
        "lamb",
        lambda: K.Lamb(0.0062, 0.88, 0.97, epsilon=1e-5),
        "lamb",
        "decay outside the trust ratio",
        _numbers(0.0062, beta_1=0.88, beta_2=0.97, epsilon=1e-5),
        {},
    ),
    (
        "adafactor",
        lambda: K.Adafactor(0.017, beta_2_decay=-0.71, clip_threshold=0.9),
        "adafactor",
        "rate at most 1 / sqrt(t)",
        _numbers(0.017, beta_2_decay=-0.71, clip_threshold=0.9),
        {"unknowable": ("epsilon_2",)},
    ),
    (
        "muon",
        lambda: K.Muon(
            0.0041,
            adam_beta_1=0.87,
            adam_beta_2=0.98,
            epsilon=1e-5,
            momentum=0.93,
            adam_lr_ratio=0.8,
            weight_decay=0.05,
            adam_weight_decay=0.05,
        ),
        "muon",
        "nesterov, uncorrected momentum",
        _numbers(
            0.0041,
            beta_1=0.87,
            beta_2=0.98,
            epsilon=1e-5,
            momentum=0.93,
            adam_lr_ratio=0.8,
            weight_decay=0.05,
        ),
        {"decay": DECOUPLED},
    ),
    (
        "schedule-free",
        lambda: K.ScheduleFreeAdamW(0.0029, 0.9, 0.97, epsilon=1e-5),
        "schedule-free adamw",
        "parameters are the mean of z",
        _numbers(0.0029, beta_2=0.97, epsilon=1e-5),
        {},
    ),
]

OPTAX = [
    (
        "sgd, momentum, cosine",
        lambda: optax.sgd(optax.cosine_decay_schedule(0.027, 55), momentum=0.81),
        "sgd with momentum",
        OUTSIDE,
        _numbers(0.027, momentum=0.81, decay_steps=55),
        {"schedule": "cosine decay to zero"},
    ),
    (
        "adam",
        lambda: optax.adam(0.0034, 0.84, 0.95, eps=2e-5),
        "adam",
        CORRECTED,
        _numbers(0.0034, beta_1=0.84, beta_2=0.95, epsilon=2e-5),
        {},
    ),
    (
        "adamw, cosine, float64",
        lambda: optax.adamw(optax.cosine_decay_schedule(0.004, 80), 0.93, 0.991, eps=1e-6, weight_decay=0.09),
        "adam",
        CORRECTED,
        _numbers(0.004, beta_1=0.93, beta_2=0.991, epsilon=1e-6, weight_decay=0.09, decay_steps=80),
        {"schedule": "cosine decay to zero", "decay": DECOUPLED, "dtype": "float64"},
    ),
    (
        "amsgrad",
        lambda: optax.amsgrad(0.0024, 0.82, 0.94, eps=1e-4),
        "amsgrad",
        f"largest corrected square, {CORRECTED}",
        _numbers(0.0024, beta_1=0.82, beta_2=0.94, epsilon=1e-4),
        {},
    ),
    (
        "nadam",
        lambda: optax.nadam(0.0028, 0.89, 0.96, eps=1e-5),
        "nadam",
        "constant momentum",
        _numbers(0.0028, beta_1=0.89, beta_2=0.96, epsilon=1e-5),
        {},
    ),
    (
        "adamax",
        lambda: optax.adamax(0.0022, 0.86, 0.94, eps=1e-3),
        "adamax",
        "epsilon inside the maximum",
        _numbers(0.0022, beta_1=0.86, beta_2=0.94, epsilon=1e-3),
        {},
    ),
    (
        "lamb, decay",
        lambda: optax.lamb(0.0055, 0.87, 0.96, eps=1e-5, weight_decay=0.6),
        "lamb",
        "decay inside the trust ratio",
        _numbers(0.0055, beta_1=0.87, beta_2=0.96, epsilon=1e-5, weight_decay=0.6),
        {},
    ),
    (
        "rmsprop, clip_by_global_norm",
        lambda: optax.chain(
            optax.clip_by_global_norm(1.5), optax.rmsprop(0.0017, 0.86, eps=1e-3, eps_in_sqrt=False)
        ),
        "rmsprop",
        "epsilon outside the root",
        _numbers(0.0017, rho=0.86, epsilon=1e-3, global_clipnorm=1.5),
        {"clipping": "global_clipnorm"},
    ),
    (
        "adabelief",
        lambda: optax.adabelief(0.0026, 0.85, 0.95, eps=1e-5),
        "adabelief",
        CORRECTED,
        _numbers(0.0026, beta_1=0.85, beta_2=0.95, epsilon=1e-5),
        {},
    ),
]

TORCH = [
    (
        "sgd, dampening",
        lambda: torch_sgd(always(0.044), 0.79, dampening=0.35),
        "sgd with dampened momentum",
        "first gradient undampened",
        _numbers(0.044, momentum=0.79, dampening=0.35),
        {},
    ),
    (
        "sgd, nesterov, step decay, L2",
        lambda: torch_sgd(lambda t: 0.035 * 0.6 ** (t // 17), 0.74, nesterov=True, decay=0.021),
        "sgd with nesterov momentum",
        OUTSIDE,
        _numbers(0.035, momentum=0.74, decay_rate=0.6, interval=17, weight_decay=0.021),
        {"schedule": "step decay", "decay": "decay added to the gradient"},
    ),
    (
        "adam, L2",
        lambda: torch_adam(always(0.0029), 0.83, 0.96, 1e-5, coupled=0.0043),
        "adam",
        CORRECTED,
        _numbers(0.0029, beta_1=0.83, beta_2=0.96, epsilon=1e-5, weight_decay=0.0043),
        {"decay": "decay added to the gradient"},
    ),
    (
        "adamw, exponential",
        lambda: torch_adam(lambda t: 0.0047 * 0.972**t, 0.9, 0.97, 1e-5, decoupled=0.08),
        "adam",
        CORRECTED,
        _numbers(0.0047, beta_1=0.9, beta_2=0.97, epsilon=1e-5, weight_decay=0.08, decay_per_step=0.972),
        {"schedule": "exponential decay", "decay": DECOUPLED},
    ),
    (
        "rmsprop, momentum, linear, float64",
        lambda: torch_rmsprop(lambda t: 0.0021 * (1 - t / 90), 0.92, 1e-4, 0.61),
        "rmsprop with momentum",
        f"epsilon outside the root, {OUTSIDE}",
        _numbers(0.0021, rho=0.92, epsilon=1e-4, momentum=0.61, decay_steps=90),
        {"schedule": "linear decay to zero", "dtype": "float64"},
    ),
    (
        "adagrad, lr_decay",
        lambda: torch_adagrad(0.0093, 0.013, 1e-3),
        "adagrad",
        "epsilon outside the root, accumulator from 0",
        _numbers(0.0093, epsilon=1e-3, decay_per_step=0.013),
        {"schedule": "inverse time decay"},
    ),
    (
        "nadam",
        lambda: torch_nadam(0.0024, 0.91, 0.97, 1e-5, 0.021),
        "nadam",
        "momentum warms up with 0.96^(momentum_decay t)",
        _numbers(0.0024, beta_1=0.91, beta_2=0.97, epsilon=1e-5, momentum_decay=0.021),
        {},
    ),
]

CASES = [
    Recorded(source, label, make, name, form, numbers, **more)
    for source, rows in (("Keras", KERAS), ("optax", OPTAX), ("PyTorch form", TORCH))
    for label, make, name, form, numbers, more in rows
]
