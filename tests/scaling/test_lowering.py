"""Every workload of the bench lowers for GPUs and TPUs, from a machine that has neither."""

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd.bench.workloads import WORKLOADS
from jaxgd.sweeps import engine
from jaxgd.sweeps.lockstep import run_lockstep
from jaxgd.training.lowering import program_of

PLATFORMS = ("cpu", "cuda", "tpu")


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_lowers_for_every_platform(name):
    work = WORKLOADS[name]
    loss, labels = work.loss, "crossentropy" in work.loss
    if labels:
        loss = jaxgd.losses.get(loss, from_logits=True)
    optimizer = getattr(jaxgd.optimizers, work.optimizer)(work.learning_rate)
    model = jaxgd.mlp(work.sizes, *work.activations)
    program = program_of(
        model, work.rows, min(work.batch, work.rows), loss=loss, optimizer=optimizer, labels=labels,
        shuffle=work.batch < work.rows,
    )  # fmt: skip
    exported = program.lower(PLATFORMS)
    assert exported.platforms == PLATFORMS
    assert "stablehlo.while" in exported.mlir_module(), "the loop over steps is in it"
    kernels = [leaf for leaf in jax.tree.leaves(exported.out_avals) if len(leaf.shape) == 2]
    assert (work.sizes[0], work.sizes[1]) in {leaf.shape for leaf in kernels}


def test_masks_and_batch_statistics_lower_too():
    layers = jaxgd.layers
    stack = [
        layers.dense(8, "relu"),
        layers.batch_normalization(),
        layers.dropout(0.2),
        layers.gaussian_noise(0.1),
    ]
    model = jaxgd.sequential([*stack, layers.dense(1)], 4)
    for platform in ("cuda", "tpu"):
        assert program_of(model, 100, 32).lower((platform,)).platforms == (platform,)


def test_it_is_the_program_of_fit():
    """The executable of the lowered program has the types that `fit` compiles for."""
    from jaxgd import _programs

    model = jaxgd.mlp([3, 4, 1])
    jaxgd.fit(model, np.zeros((10, 3)), np.zeros((10, 1)), optimizer="adam", batch_size=4, epochs=1)
    compiled = list(_programs._programs.values())[-1]
    lowered = program_of(model, 10, 4).lower().compile()
    shapes = [
        [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(each.in_avals)] for each in (compiled, lowered)
    ]
    assert shapes[0] == shapes[1]


def test_the_members_of_the_sweep_in_step_lower_too(monkeypatch):
    """The program that the workload `sweep` is run with, as the engine would compile it."""
    seen = []

    def instead(function, spec, arguments, **_):
        seen.append((function, spec, arguments))
        raise StopIteration("it need not be compiled here")

    monkeypatch.setattr(engine, "compiled", instead)
    work = WORKLOADS["sweep"]
    x, y = np.zeros((work.rows, work.sizes[0]), np.float32), np.arange(work.rows) % work.sizes[-1]
    grid = {"learning_rate": [1e-3, 1e-2]}
    with pytest.raises(StopIteration, match="need not be compiled"):
        jaxgd.sweep(
            jaxgd.mlp(work.sizes, *work.activations), x, y,
            loss=jaxgd.losses.get(work.loss, from_logits=True),
            optimizer=work.optimizer, grid=grid, seeds=2, epochs=work.epochs, plan="vmap", lanes=1,
        )  # fmt: skip
    function, spec, arguments = seen[0]
    assert function is run_lockstep
    exported = jax.export.export(jax.jit(function, static_argnums=0), platforms=PLATFORMS)(spec, *arguments)
    assert exported.platforms == PLATFORMS
    kernels = {leaf.shape for leaf in jax.tree.leaves(exported.out_avals)}
    assert {(4, 64, 32), (4, 32, 64)} & kernels, "four members, side by side"


def test_every_workload_of_the_bench_is_lowered_here():
    """`cold` is `seed` in a process of its own."""
    assert {*WORKLOADS} == {"seed", "tabular", "wide-32", "wide-256", "wide-1024", "sweep"}
