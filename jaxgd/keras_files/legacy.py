"""HDF5 files of Keras before `.keras`: a whole model (`model.save("m.h5")`), or its weights alone.

Both are seen as the newer files are: the same configuration, and the same paths of arrays.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from jaxgd.keras_files.errors import KerasFileError, shown
from jaxgd.keras_files.hdf5 import ArrayFile
from jaxgd.keras_files.json_text import parse_json
from jaxgd.keras_files.weights import Variable

_WEIGHTS = "model_weights"
_OPTIMIZER = "optimizer_weights"


def is_whole_model(file: ArrayFile) -> bool:
    """Whether a file says what model its arrays belong to."""
    return file.text("model_config") is not None


def is_legacy(file: ArrayFile) -> bool:
    """Whether the weights are laid out as before `.keras`."""
    return is_whole_model(file) or file.has("layer_names")


def read_configs(file: ArrayFile) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The model's configuration and its `compile_config`, or None for a model that was not compiled."""
    config = parse_json((file.text("model_config") or "").encode(), "model_config")
    text = file.text("training_config")
    if text is None:
        return config, None
    compiled = parse_json(text.encode(), "training_config")
    return config, {**compiled, "optimizer": compiled.get("optimizer_config")}


def version(file: ArrayFile) -> str:
    """Keras's version, or ""."""
    return file.text("keras_version") or ""


def as_new(file: ArrayFile, known: Sequence[Variable], trained: Iterable[Variable]) -> ArrayFile:
    """The file with its arrays where a newer file has them.

    Args:
      file: open.
      known: the variables of the model, in its order.
      trained: those that an optimizer updates.
    """
    root = f"{_WEIGHTS}/" if is_whole_model(file) else ""
    moving = {each.path for each in trained}
    names: dict[str, str] = {}
    for layer in file.texts("layer_names", root or "/"):
        group = f"{root}{layer}"
        found = [f"{group}/{name}" for name in file.texts("weight_names", group)]
        own = [each for each in known if each.keys[0] == layer]
        own.sort(key=lambda each: each.path not in moving)
        if len(found) != len(own):
            raise KerasFileError(f"layer {shown(layer)}: expected {len(own)} weights, got {len(found)}.")
        names |= dict(zip((each.path for each in own), found, strict=True))
    names |= _optimizer_names(file)
    return file.renamed(names)


def _optimizer_names(file: ArrayFile) -> dict[str, str]:
    if not file.has("weight_names", _OPTIMIZER):
        return {}
    listed = file.texts("weight_names", _OPTIMIZER)
    return {f"optimizer/vars/{index}": f"{_OPTIMIZER}/{name}" for index, name in enumerate(listed)}
