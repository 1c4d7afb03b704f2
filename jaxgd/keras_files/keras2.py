"""The words of tf.keras 2 as those of Keras 3, so that one reader reads both.

Only configurations are translated; where the variables of an optimizer stand is in `optimizer_state.py`.
"""

from typing import Any

from jaxgd import metrics
from jaxgd.keras_files.errors import KerasFileError, check_list, check_mapping, shown
from jaxgd.keras_files.objects import make_entry
from jaxgd.keras_files.optimizer_cells import KERAS_2, KERAS_2_LEGACY, KERAS_3

_POLICIES = ("Policy", "PolicyV1", "DTypePolicy")
_MODULES = tuple(f"{package}.engine.functional" for package in ("keras", "keras.src", "tf_keras.src"))
_MODELS = ("Sequential", "Functional", "Model")
_ONLY_IN_2 = ("jit_compile", "is_legacy_optimizer")
_SLOPE = {"LeakyReLU": "alpha"}
_SHAPES = ("batch_input_shape", "input_shape")


def translated_model(entry: dict[str, Any]) -> dict[str, Any]:
    """A model's configuration as Keras 3 would write it."""
    config = entry.get("config")
    if isinstance(config, list):  # before 2.2 the layers stood there alone
        config = {"name": "sequential", "layers": config}
    config = dict(check_mapping(config, "the model: config"))
    layers = [_translated_layer(each) for each in check_list(config.get("layers"), "layers")]
    if entry.get("class_name") == "Sequential":
        layers = _with_input(layers)
    model = {**entry, "class_name": _model_class(entry), "config": {**config, "layers": layers}}
    if entry.get("module") in _MODULES:
        model["module"] = "keras.src.models.functional"
    return model


def _model_class(entry: dict[str, Any]) -> Any:
    name = entry.get("class_name")
    return "Functional" if name == "Model" else name


def _translated_layer(value: Any) -> Any:
    entry = check_mapping(value, "layers")
    if entry.get("class_name") in _MODELS:
        return translated_model(entry)
    config = dict(check_mapping(entry.get("config"), "layers: config"))
    class_name = entry.get("class_name")
    if isinstance(config.get("dtype"), dict) and config["dtype"].get("class_name") in _POLICIES:
        config["dtype"] = check_mapping(config["dtype"].get("config"), "dtype").get("name")
    if class_name in _SLOPE and _SLOPE[class_name] in config:
        config["negative_slope"] = config.pop(_SLOPE[class_name])
    for name, setting in config.items():
        if name.endswith("_initializer"):
            config[name] = _without_dtype(setting)
    return {**entry, "config": config}


def _without_dtype(setting: Any) -> Any:
    if not isinstance(setting, dict) or not isinstance(setting.get("config"), dict):
        return setting
    return {**setting, "config": {k: v for k, v in setting["config"].items() if k != "dtype"}}


def _with_input(layers: list[Any]) -> list[Any]:
    """The layers with an InputLayer first, where the first layer itself says what it takes."""
    shape = layers[0]["config"].get("batch_input_shape") if layers else None
    if shape is not None and layers[0].get("class_name") != "InputLayer":
        layers = [make_entry("keras.layers", "InputLayer", {"batch_shape": shape}), *layers]
    return [layers[0], *(_without_shape(each) for each in layers[1:])] if layers else layers


def _without_shape(entry: dict[str, Any]) -> dict[str, Any]:
    if entry.get("class_name") in _MODELS:
        return entry
    return {**entry, "config": {k: v for k, v in entry["config"].items() if k not in _SHAPES}}


def translated_compile(compiled: dict[str, Any]) -> dict[str, Any]:
    """A `compile_config` as Keras 3 would write it."""
    found = dict(compiled)
    if isinstance(found.get("optimizer"), dict):
        found["optimizer"] = _translated_optimizer(found["optimizer"])
    found["loss"] = _translated_losses(found.get("loss"))
    for name in ("metrics", "weighted_metrics"):
        found[name] = _translated_metrics(found.get(name))
    return found


def _translated_optimizer(entry: dict[str, Any]) -> dict[str, Any]:
    config = dict(check_mapping(entry.get("config"), "optimizer: config"))
    for name in _ONLY_IN_2:
        config.pop(name, None)
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    if config.pop("decay", 0.0) != 0.0:
        raise KerasFileError(
            "optimizer: decay: only 0 is read; give the optimizer an InverseTimeDecay schedule in Keras and "
            "save again, or leave the optimizer out: load(path, training=False)."
        )
    class_name = entry.get("class_name")
    if isinstance(class_name, str):
        class_name = class_name.removeprefix("Custom>")
    return {**entry, "class_name": class_name, "config": config}


def _translated_losses(value: Any) -> Any:
    """One loss, or a list or an object of them."""
    if isinstance(value, list):
        return [_translated_losses(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {name: _translated_losses(each) for name, each in value.items()}
    config = dict(check_mapping(value.get("config", {}), "loss: config")) if _has_config(value) else {}
    config.pop("fn", None)
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    return {**value, "config": config} if _has_config(value) else value


def _has_config(value: dict[str, Any]) -> bool:
    return isinstance(value.get("config"), dict)


def _translated_metrics(value: Any) -> Any:
    """Metrics as one flat list; tf.keras 2 writes a list an output, even for one."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if isinstance(value, list):
        return [_translated_metric(each) for each in value]
    return value


def _translated_metric(value: Any) -> Any:
    if isinstance(value, list):
        return [_translated_metric(each) for each in value]
    if not isinstance(value, dict) or value.get("class_name") != "MeanMetricWrapper":
        return value
    config = check_mapping(value.get("config"), "metrics: config")
    function = config.get("fn")
    if not isinstance(function, str):
        raise KerasFileError(f"metrics: {shown(function)} is not a metric of Keras.")
    return make_entry("keras.metrics", metrics.class_name(function), {"name": config.get("name", function)})


def form_of(optimizer: Any) -> str:
    """Who orders the variables of an optimizer, from its configuration as the file has it."""
    config = optimizer.get("config") if isinstance(optimizer, dict) else None
    if not isinstance(config, dict) or config.keys().isdisjoint((*_ONLY_IN_2, "decay")):
        return KERAS_3
    is_older = config.keys().isdisjoint(_ONLY_IN_2)
    return KERAS_2_LEGACY if is_older or config.get("is_legacy_optimizer") else KERAS_2
