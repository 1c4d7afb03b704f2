"""The parts of a diagnosis: rules by hand, the solver, schedules, what is refused, the command."""

import json

import numpy as np
import pytest

from jaxgd.cli.app import app
from jaxgd.parity.diagnosing import Number, Run, diagnose, read_run
from jaxgd.parity.diagnosing.least_squares import minimize, standard_errors
from jaxgd.parity.diagnosing.model import Model, to_unknown, to_value
from jaxgd.parity.diagnosing.problem import make_problem
from jaxgd.parity.diagnosing.rules import RULES, Lion, Parameter
from jaxgd.parity.diagnosing.rules.adam import Adam, AdamRaw
from jaxgd.parity.diagnosing.rules.linear import (
    GradientDescent,
    MomentumInside,
    MomentumOutside,
    NesterovInside,
)
from jaxgd.parity.diagnosing.rules.rms import RULES as RMS_RULES
from jaxgd.parity.diagnosing.schedules import SCHEDULES, Cosine, Linear, StepDecay, WarmUpCosine


@pytest.fixture
def run(rng):
    """Gradients of a matrix and a vector, and parameters that wander."""
    grads = {"kernel": rng.normal(size=(12, 3, 2)), "bias": rng.normal(size=(12, 2))}
    params = {name: np.cumsum(rng.normal(size=(13, *g.shape[1:])), axis=0) for name, g in grads.items()}
    return Run(params, grads)


def descend(grads, move):
    """Parameters of one leaf from `move(t, grad, value)`."""
    values = [np.ones(grads.shape[1:])]
    for t, grad in enumerate(grads, 1):
        values.append(move(t, grad, values[-1]))
    return Run({"w": np.array(values)}, {"w": grads})


def first_moves(rule, grads, **numbers):
    """[steps]: direction and offset of one element, with rates of 0.5."""
    grads = np.array(grads, dtype=float)[:, None]
    problem = make_problem(descend(np.tile(grads, (6, 1)), lambda t, g, w: w - 0.1 * g - 0.1), 10)
    rule = rule({name: np.array([[value]]) for name, value in numbers.items()}, problem)
    moves = []
    for t, grad in enumerate(grads, 1):
        offset, direction = rule.move(t, grad[None], np.ones(1))
        rule.settle(np.array([[0.5]]))
        moves.append((float(np.squeeze(offset)), float(np.squeeze(direction))))
    return moves


def test_momentum_by_hand():
    assert first_moves(MomentumOutside, [1, 2], momentum=0.5) == [(0, 1), (0, 2.5)]
    assert first_moves(MomentumInside, [1, 2], momentum=0.5) == [(0, 1), (-0.25, 2)]
    assert first_moves(NesterovInside, [1, 2], momentum=0.5) == [(0, 1.5), (-0.125, 3)]


def test_adam_by_hand():
    numbers = {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 1.0}
    assert first_moves(Adam, [2.0], **numbers)[0][1] == pytest.approx(2 / (2 + 1))
    assert first_moves(AdamRaw, [2.0], **numbers)[0][1] == pytest.approx(2 * 0.5 / (1 + 1))


def test_rmsprop_has_both_epsilons():
    by_form = {(rule.name, rule.form): rule for rule in RMS_RULES}
    inside = by_form["rmsprop", "epsilon inside the root"]
    outside = by_form["rmsprop", "epsilon outside the root"]
    assert first_moves(inside, [2.0], rho=0.75, epsilon=3.0)[0][1] == pytest.approx(2 / np.sqrt(1 + 3))
    assert first_moves(outside, [2.0], rho=0.75, epsilon=3.0)[0][1] == pytest.approx(2 / (1 + 3))


def test_lion_looks_at_the_mean_before_it_moves():
    problem = make_problem(descend(np.ones((9, 1)), lambda t, g, w: w - g), 10)
    lion = Lion({"beta_1": np.array([[0.5]]), "beta_2": np.array([[0.75]])}, problem)
    assert [float(lion.mixture(np.array([[g]]))[0, 0]) for g in (4.0, -1.0)] == [2.0, 0.0]


def test_every_rule_is_finite_and_named_once(run):
    assert len({(rule.name, rule.form) for rule in RULES}) == len(RULES)
    for rule in RULES:
        model = Model(rule)
        problem = make_problem(run, 100, whole_leaves=True)
        guess = [[to_unknown(p, p.guesses[0]) for p in model.parameters]]
        left, rates, errors = model.residuals(problem, np.array(guess).reshape(1, -1), problem.weights(1.0))
        assert left.shape == (1, 12 * 8), rule
        assert np.isfinite(left).all(), rule
        assert np.isfinite(rates).all(), rule
        assert (errors > 0).all(), rule


@pytest.mark.parametrize("clipping", ["clipvalue", "clipnorm", "global_clipnorm"])
def test_clipping_by_hand(run, clipping):
    problem = make_problem(run, 100)
    model = Model(GradientDescent, clipping)
    clipped = model._gradient(problem, 0, {clipping: np.array([[0.5]])})[0]
    kernel, bias = run.grads["kernel"][0].ravel(), run.grads["bias"][0]
    whole = np.sqrt((kernel**2).sum() + (bias**2).sum())
    expected = {
        "clipvalue": np.clip(np.concatenate([kernel, bias]), -0.5, 0.5),
        "clipnorm": np.concatenate([0.5 * g / max(np.linalg.norm(g), 0.5) for g in (kernel, bias)]),
        "global_clipnorm": np.concatenate([kernel, bias]) * 0.5 / max(whole, 0.5),
    }
    np.testing.assert_allclose(clipped, expected[clipping], rtol=1e-14)


def test_a_sample_keeps_the_norms_of_whole_leaves(rng):
    grads = {"w": rng.normal(size=(9, 40))}
    sampled = make_problem(Run({"w": np.cumsum(rng.normal(size=(10, 40)), axis=0)}, grads), 10)
    assert sampled.grads.shape == (9, 10)
    np.testing.assert_allclose(sampled.norms[:, 0], np.linalg.norm(grads["w"], axis=1))


def test_schedules_by_hand():
    def rates(schedule, times, *values):
        numbers = {p.name: np.array([[v]]) for p, v in zip(schedule.parameters, values, strict=True)}
        return schedule.rates(np.array(times, dtype=float), numbers)[0]

    np.testing.assert_allclose(rates(Cosine, [0, 5, 10, 12], 2.0, 10.0, 0.5), [2, 1.5, 1, 1])
    np.testing.assert_allclose(rates(Linear, [0, 5, 20], 1.0, 10.0, 0.5), [1, 0.75, 0.5])
    np.testing.assert_allclose(rates(StepDecay, [0, 2, 3, 6], 1.0, 0.5, 3.0), [1, 1, 0.5, 0.25])
    np.testing.assert_allclose(
        rates(WarmUpCosine, [0, 2, 4, 9, 14], 1.0, 0.2, 4.0, 10.0, 0.0), [0.2, 0.6, 1, 0.5, 0]
    )


def test_guesses_of_schedules_have_a_value_for_every_number():
    for schedule in SCHEDULES:
        for guess in schedule.guesses(np.linspace(1, 0.2, 20)):
            assert len(guess) == len(schedule.parameters)


@pytest.mark.parametrize(("kind", "value"), [("share", 0.97), ("positive", 3e-7), ("signed", -0.3)])
def test_unknowns_and_values_are_inverse(kind, value):
    parameter = Parameter("x", kind, ())
    assert to_value(parameter, to_unknown(parameter, value)) == pytest.approx(value, rel=1e-13)


def test_the_solver_finds_a_zero_and_respects_bounds():
    def residuals(x):
        return np.stack([10 * (x[:, 1] - x[:, 0] ** 2), 1 - x[:, 0]], axis=1)

    bounds = np.array([-5.0, -5.0]), np.array([5.0, 5.0])
    found = minimize(residuals, np.array([[-1.2, 1.0], [0.0, 0.0]]), *bounds, 100, np.full(2, 1e-7))
    np.testing.assert_allclose(found.x, 1, atol=1e-6)
    held = minimize(
        residuals, np.array([[-1.2, 1.0]]), bounds[0], np.array([0.5, 5.0]), 100, np.full(2, 1e-7)
    )
    np.testing.assert_allclose(held.x[0], [0.5, 0.25], atol=1e-5)


def test_a_combination_that_the_data_do_not_see_has_no_finite_error():
    same = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 4.0]])
    assert np.isinf(standard_errors(same, 1.0)[:2]).all()
    assert standard_errors(same, 1.0)[2] == pytest.approx(0.5)


def test_numbers_say_what_is_open():
    assert str(Number(0.1, 0.0999, 0.1001)) == "0.1"
    assert not Number(1e-9, 0.0, 1e-6).is_determined
    assert not Number(0.999, 0.99, 0.9999, is_share=True).is_determined


def test_momentum_at_a_constant_rate_is_one_of_two_forms(rng):
    velocity = np.zeros(4)

    def move(t, grad, value):
        velocity[:] = 0.8 * velocity + grad
        return value - 0.03 * velocity

    diagnosis = diagnose(descend(rng.normal(size=(20, 4)), move))
    assert {f.form for f in diagnosis.findings} == {"rate inside the velocity", "rate outside the velocity"}
    assert diagnosis.best.numbers["momentum"].value == pytest.approx(0.8, rel=1e-9)
    assert diagnosis.best.numbers["learning_rate"].value == pytest.approx(0.03, rel=1e-9)


def test_a_limit_that_clips_always_is_open(rng):
    grads = rng.normal(size=(20, 5)) + 3
    run = descend(grads, lambda t, g, w: w - 0.1 * g * 0.5 / np.linalg.norm(g))
    best = diagnose(run).best
    assert best.name == "sgd"
    assert best.clipping in ("clipnorm", "global_clipnorm")
    assert not best.numbers[best.clipping].is_determined
    assert not best.numbers["learning_rate"].is_determined


def test_what_only_noise_explains_is_not_named(rng):
    diagnosis = diagnose(descend(rng.normal(size=(15, 5)), lambda t, g, w: w - rng.normal(size=5)))
    assert diagnosis.best is None
    assert diagnosis.nearest.residual > 3


@pytest.mark.parametrize(
    ("params", "grads", "message"),
    [
        ({"w": np.zeros((9, 2))}, {"v": np.zeros((8, 2))}, "grads: expected the names"),
        ({"w": np.zeros((9, 2))}, {"w": np.zeros((8, 2))}, "parameters that move"),
        ({"w": np.zeros((4, 2))}, {"w": np.zeros((3, 2))}, "steps: expected at least 5"),
        ({"w": np.zeros((9, 2), int)}, {"w": np.zeros((8, 2))}, "params/w: expected float32"),
        ({"w": np.full((9, 2), np.nan)}, {"w": np.zeros((8, 2))}, "params/w: expected finite"),
        ({"w": np.zeros((9, 2))}, {"w": np.zeros((7, 2))}, "grads/w: expected an array of shape"),
    ],
)
def test_runs_that_are_refused(params, grads, message):
    with pytest.raises(ValueError, match=message):
        Run(params, grads)


def command(*arguments):
    with pytest.raises(SystemExit) as ended:
        app.main(["parity", "diagnose", *arguments])
    return ended.value.code


def test_the_command(tmp_path, rng, capsys):
    run = descend(rng.normal(size=(10, 4)), lambda t, g, w: w - 0.125 * g)
    path = tmp_path / "run.npz"
    np.savez(path, **{"params/w": run.params["w"], "grads/w": run.grads["w"], "other": np.zeros(3)})
    assert command(str(path), "--json") == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["findings"][0]["name"] == "sgd"
    assert printed["findings"][0]["numbers"]["learning_rate"]["value"] == pytest.approx(0.125)

    np.savez(path, **{"params/w": np.cumsum(rng.normal(size=(11, 4)), 0), "grads/w": run.grads["w"]})
    assert command(str(path)) == 1
    assert "none fits" in capsys.readouterr().out


def test_files_that_are_refused(tmp_path, capsys):
    path = tmp_path / "bad.npz"
    path.write_bytes(b"no archive")
    assert command(str(path)) == 2
    np.savez(path, x=np.zeros(3))
    assert command(str(path)) == 2
    assert "expected arrays named params/NAME" in capsys.readouterr().err
    assert command(str(tmp_path / "none.npz")) == 2
    np.savez(path, **{"params/w": np.array([{}], dtype=object), "grads/w": np.zeros(3)})
    with pytest.raises(ValueError, match="expected an NPZ file of plain arrays"):
        read_run(path)
