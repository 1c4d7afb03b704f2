"""The program of a run for shapes alone: to look at, or to compile for devices that are not here."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from jaxgd import optimizers
from jaxgd._types import PyTree
from jaxgd.model_base import Model
from jaxgd.scaling.layout import Layout
from jaxgd.training.evaluation import model_scalars
from jaxgd.training.objective import make_objective
from jaxgd.training.placed_rows import Rows, block_size
from jaxgd.training.placement import run_placed
from jaxgd.training.preparing import make_order, make_spec, new_state
from jaxgd.training.run import Limits, RunState, run_chunk, zero_sums


class Program(NamedTuple):
    """What `fit` compiles: `function(spec, *arguments)`; on several devices the second one is donated."""

    function: Any
    spec: Any
    arguments: tuple[PyTree, ...]
    """Shapes and dtypes, perhaps with where they lie."""

    def lower(self, platforms: tuple[str, ...] | None = None) -> Any:
        """`jax.jit(...).lower(...)`; with platforms (of "cpu", "cuda", "tpu") a `jax.export.Exported`."""
        donated = 2 if self.function is run_placed else ()
        jitted = jax.jit(self.function, static_argnums=0, donate_argnums=donated)
        if platforms is None:
            return jitted.lower(self.spec, *self.arguments)
        return jax.export.export(jitted, platforms=platforms)(self.spec, *self.arguments)


def program_of(
    model: Model,
    num_rows: int,
    batch_size: int,
    *,
    loss: Any = "mean_squared_error",
    optimizer: Any = "adam",
    labels: bool = False,
    shuffle: bool = True,
    layout: Layout | None = None,
) -> Program:
    """The program of a run, without a number of it.

    Args:
      model: with one input and one output.
      num_rows, batch_size: of the run.
      loss, optimizer, shuffle, layout: as in `fit`.
      labels: whether targets are int32[rows] instead of the output's shape.

    >>> import jaxgd
    >>> program = program_of(jaxgd.mlp([4, 3, 1]), num_rows=10, batch_size=4)
    >>> [len(module.split()) > 100 for module in [program.lower(("tpu",)).mlir_module()]]
    [True]
    """
    dtype = model.policy.params
    y = (
        jax.ShapeDtypeStruct((1,), jnp.int32)
        if labels
        else jax.ShapeDtypeStruct((1, *model.output_shapes[0]), dtype)
    )
    objective = make_objective(model, loss, targets=np.zeros(y.shape, y.dtype))
    chosen = optimizers.get(optimizer)

    def rows(count: int) -> dict[str, Any]:
        x = jax.ShapeDtypeStruct((count, *model.input_shapes[0]), dtype)
        return {"x": x, "y": jax.ShapeDtypeStruct((count, *y.shape[1:]), y.dtype)}

    def state() -> RunState:
        train = new_state(model, chosen, 0, None)
        sums = zero_sums(objective.at_inference(), train.params, rows(num_rows), batch_size)
        return RunState(train, sums, jnp.int32(0), jnp.int32(0), None, jnp.asarray(True))

    order = make_order(shuffle, 0, num_rows)
    limits = Limits(jnp.int32(1), jnp.int32(1), None)
    spec = make_spec(objective, chosen.rule, batch_size, rows(num_rows), None, None)
    scalars, order, limits = jax.eval_shape(lambda: (model_scalars(model), order, limits))
    if layout is None:
        return Program(run_chunk, spec, (scalars, jax.eval_shape(state), rows(num_rows), None, order, limits))
    is_whole = layout.rows == "replicated"
    data = rows(num_rows if is_whole else block_size(num_rows, layout) * layout.data)
    data = _at(data, layout.everywhere if is_whole else layout.by_rows)
    placed = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=layout.sharding_of(leaf)),
        jax.eval_shape(state),
    )
    scalars, order, limits = _at((scalars, order, limits), layout.everywhere)
    arguments = (scalars, placed, Rows(data, num_rows, layout), None, order, limits)
    return Program(run_placed, spec, arguments)


def _at(tree: PyTree, sharding: NamedSharding) -> PyTree:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)
