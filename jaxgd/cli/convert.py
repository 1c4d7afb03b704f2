"""`jaxgd convert`."""

from pathlib import Path
from typing import Any

import click

from jaxgd.cli import completing
from jaxgd.cli.errors import BadInput, bad_input
from jaxgd.cli.options import output_options


@click.command("convert", short_help="A model or its weights from one of Keras's formats to another.")
@click.argument("source", metavar="A", shell_complete=completing.path)
@click.argument("target", metavar="B", shell_complete=completing.path)
@click.option(
    "--model",
    metavar="MODEL",
    help="A .keras or .h5 file: whose weights A holds, if it is weights alone, and their optimizer.",
)
@click.option("--weights-only", is_flag=True, help="Leave out what the model was compiled with.")
@output_options
def command(
    source: str, target: str, model: str | None, weights_only: bool, quiet: bool, color: bool, as_json: bool
) -> None:
    """Write A, a file of Keras 3 or tf.keras 2, as B. The endings say what they are.

    A: .keras, .h5 (whole models and weights alone), .weights.h5, .safetensors.
    B: .keras (optimizer included), .weights.h5 (its state included), .safetensors (weights).

    \b
    Examples:
      jaxgd convert old.h5 new.keras
      jaxgd convert model.keras weights.safetensors
      jaxgd convert weights.safetensors model.keras --model architecture.keras
    """
    from jaxgd import keras_files
    from jaxgd.cli.console import Output
    from jaxgd.runs.training import precision_of

    output = Output(quiet, color)
    with bad_input():
        if Path(source).exists() and Path(target).exists() and Path(target).samefile(source):
            raise BadInput(f"{target}: is the file to read.")
        dtype = keras_files.dtype_of(model or source)
        with precision_of(dtype):
            whose = None if model is None else keras_files.architecture(model)
            weights_only = weights_only or target.endswith(".safetensors")
            compiled = False if weights_only else _compiled(source, model)
            found, params, training = keras_files.load(source, model=whose, training=compiled)
            keras_files.save(target, found, params, training)
    facts = {"from": source, "to": target, **_facts(params, training)}
    for note in training.notes if training is not None else ():
        click.echo(f"Note: {note}", err=True)
    output.line(f"{target}: {facts['parameters']:,} parameters, {_said(training)}")
    if as_json:
        output.json(facts)


def _compiled(source: str, model: str | None) -> Any:
    """What weights alone were trained with: MODEL says it, if they come with an optimizer's state."""
    from jaxgd import keras_files

    if model is None or not keras_files.holds_state_alone(source):
        return True
    try:
        training, reason = keras_files.load(model)[2], "it is not compiled"
    except keras_files.KerasFileError as error:
        training, reason = None, str(error)
    if training is None:
        click.echo(f"Note: the optimizer's state in {source} is left out. {model}: {reason}", err=True)
    return training or True


def _facts(params: Any, training: Any) -> dict[str, Any]:
    import jax

    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "optimizer": None if training is None else training.optimizer.name,
        "iterations": None if training is None else training.iterations,
    }


def _said(training: Any) -> str:
    if training is None:
        return "no optimizer"
    return f"{training.optimizer.name} after {training.iterations:,} steps"
