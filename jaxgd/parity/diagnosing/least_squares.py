"""Levenberg and Marquardt's method for small problems, from several starts at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_UNUSABLE = 1e8
_LARGEST_STEP = 2.0
_BLIND = 1e-10
_INVOLVED = 1e-3

Residuals = Callable[[np.ndarray], np.ndarray]
"""[points, unknowns] -> [points, residuals]."""


class Fitted(NamedTuple):
    """Where each start ended: [starts, unknowns], [starts] and the Jacobian's products there."""

    x: np.ndarray
    rms: np.ndarray
    normal: np.ndarray


def minimize(
    residuals: Residuals,
    x: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    iterations: int,
    increments: np.ndarray,
) -> Fitted:
    """Least squares from each row of `x`, within bounds, with forward differences.

    Args:
      residuals: not finite where a point is impossible.
      x: [starts, unknowns].
      lower, upper: [unknowns].
      iterations: at most; ends earlier when nothing improves.
      increments: [unknowns], of the differences.
    """
    damping = np.full(len(x), 1e-3)
    current = _finite(residuals(x))
    cost = np.mean(current**2, axis=1)
    normal = np.zeros((len(x), x.shape[1], x.shape[1]))
    for _ in range(iterations if x.shape[1] else 0):
        jacobian = _jacobian(residuals, x, current, upper, increments)
        normal = jacobian @ jacobian.swapaxes(1, 2)
        slope = np.einsum("spm,sm->sp", jacobian, current)
        held = ((x <= lower) & (slope > 0)) | ((x >= upper) & (slope < 0))
        free = (~held[:, :, None]) & (~held[:, None, :])
        step = _step(np.where(free, normal, 0), np.where(held, 0, slope), damping)
        trial = np.clip(x - step, lower, upper)
        tried = _finite(residuals(trial))
        tried_cost = np.mean(tried**2, axis=1)
        better = tried_cost < cost
        progress = np.where(better, (cost - tried_cost) / np.maximum(cost, 1e-300), 0)
        x = np.where(better[:, None], trial, x)
        current = np.where(better[:, None], tried, current)
        cost = np.where(better, tried_cost, cost)
        damping = np.clip(np.where(better, damping / 8, damping * 6), 1e-12, 1e12)
        if np.all((progress < 1e-7) & (better | (damping > 1e4))):
            break
    return Fitted(x, np.sqrt(cost), normal)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.clip(values, -_UNUSABLE, _UNUSABLE), nan=_UNUSABLE)


def _jacobian(
    residuals: Residuals, x: np.ndarray, current: np.ndarray, upper: np.ndarray, increments: np.ndarray
):
    """[starts, unknowns, residuals], all points in one call."""
    starts, unknowns = x.shape
    signed = np.where(x + increments > upper, -increments, increments)
    points = (x[:, None, :] + signed[:, :, None] * np.eye(unknowns)).reshape(-1, unknowns)
    moved = _finite(residuals(points)).reshape(starts, unknowns, -1)
    return (moved - current[:, None, :]) / signed[:, :, None]


def _step(normal: np.ndarray, slope: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """The damped step of each start, in units in which every unknown has slope 1."""
    scale = np.sqrt(np.einsum("spp->sp", normal))
    scale = np.where(scale > 0, scale, 1)
    scaled = normal / (scale[:, :, None] * scale[:, None, :])
    scaled = scaled + (damping[:, None, None] + 1e-14) * np.eye(normal.shape[1])
    step = np.linalg.solve(scaled, (slope / scale)[:, :, None])[:, :, 0] / scale
    return np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)


def standard_errors(normal: np.ndarray, rms: float) -> np.ndarray:
    """[unknowns]: errors of the solution, infinite where the data say nothing, alone or of a combination."""
    scale = np.sqrt(np.diag(normal))
    seen = scale > 0
    errors = np.full(len(normal), np.inf)
    if np.any(seen):
        values, vectors = np.linalg.eigh(normal[np.ix_(seen, seen)] / np.outer(scale[seen], scale[seen]))
        blind = values < _BLIND * values.max()
        spread = np.sqrt((vectors[:, ~blind] ** 2 / values[~blind]).sum(axis=1))
        spread[(np.abs(vectors[:, blind]) > _INVOLVED).any(axis=1)] = np.inf
        errors[seen] = max(rms, 0.3) * spread / scale[seen]
    return errors
