"""Layers of jaxgd and Keras's configurations of them, both ways, one table.

A setting of Keras's that jaxgd's layer does not have is taken only with the value that changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxgd import activations, layers
from jaxgd.keras_files import descriptions as described
from jaxgd.keras_files.errors import (
    KerasFileError,
    check_count,
    check_flag,
    check_keys,
    check_list,
    check_number,
    check_string,
    failing_in,
    shown,
)
from jaxgd.keras_files.objects import Entry, make_entry
from jaxgd.layers import Layer

_Read = Callable[[Any, str], Any]
_Write = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Form:
    """One of Keras's classes: our layer, its settings, and Keras's others with the values they may have.

    Attributes:
      layer: our class.
      settings: {name, the same on both sides: (read, write)}; a missing one has the default.
      fixed: {Keras's setting: (value, ...)}; a missing one is right.
      last_axis: whether there is a setting `axis` that must be the last.
    """

    layer: type[Layer]
    settings: Mapping[str, tuple[_Read, _Write]]
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    last_axis: bool = False


def _described(module: str) -> tuple[_Read, _Write]:
    return (
        lambda value, where: described.read_described(module, value, where),
        lambda value, where: described.write_described(module, value, where),
    )


def _read_seed(value: Any, where: str) -> int | None:
    return None if value is None else check_count(value, where, minimum=0)


def _read_moments(value: Any, where: str) -> Any:
    """A number, or a flat list of them, or none: means or variances that are given, not measured."""
    if value is None or isinstance(value, int | float):
        return None if value is None else check_number(value, where)
    return tuple(check_number(each, where) for each in check_list(value, where))


def _read_factor(value: Any, where: str) -> float:
    if isinstance(value, list):
        raise KerasFileError(
            f"{where}: expected one number for all features, got {shown(value)}. Take Normalization(mean=..."
            ", variance=...) in Keras, which has one a feature, and save again."
        )
    return check_number(value, where)


def _read_axis(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST_AXIS:
        raise KerasFileError(f"{where}: expected an axis, got {shown(value)}.")
    return value


def _read_axes(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return tuple(_read_axis(each, where) for each in value)
    return _read_axis(value, where)


_LARGEST_AXIS = 32
_COUNT = (check_count, described.plain)
_AXIS = (_read_axis, described.plain)
_SHARED_AXES = (
    lambda value, where: (
        None if value is None else tuple(_read_axis(each, where) for each in check_list(value, where))
    ),
    described.plain,
)
_AXES = (_read_axes, described.plain)
_FLAG = (check_flag, described.plain)
_NUMBER = (check_number, described.plain)
_FACTOR = (_read_factor, described.plain)
_SEED = (_read_seed, described.plain)
_MOMENTS = (_read_moments, described.plain)
_ACTIVATION = (described.read_activation, described.write_activation)
_INITIALIZER = _described("keras.initializers")
_REGULARIZER = _described("keras.regularizers")
_CONSTRAINT = _described("keras.constraints")

_NO_RULES = {
    name: (None,) for name in ("beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint")
}
_STARTS = {"beta_initializer": ("zeros",), "gamma_initializer": ("ones",)}
_MOVING_STARTS = {"moving_mean_initializer": ("zeros",), "moving_variance_initializer": ("ones",)}

FORMS: dict[str, Form] = {
    "Dense": Form(
        layers.Dense,
        {
            "units": _COUNT,
            "activation": _ACTIVATION,
            "use_bias": _FLAG,
            "kernel_initializer": _INITIALIZER,
            "bias_initializer": _INITIALIZER,
            "kernel_regularizer": _REGULARIZER,
            "bias_regularizer": _REGULARIZER,
            "activity_regularizer": _REGULARIZER,
            "kernel_constraint": _CONSTRAINT,
            "bias_constraint": _CONSTRAINT,
        },
        {"quantization_config": (None,), "lora_rank": (None,)},
    ),
    "Dropout": Form(layers.Dropout, {"rate": _NUMBER, "seed": _SEED}, {"noise_shape": (None,)}),
    "GaussianDropout": Form(layers.GaussianDropout, {"rate": _NUMBER, "seed": _SEED}),
    "AlphaDropout": Form(layers.AlphaDropout, {"rate": _NUMBER, "seed": _SEED}, {"noise_shape": (None,)}),
    "GaussianNoise": Form(layers.GaussianNoise, {"stddev": _NUMBER, "seed": _SEED}),
    "BatchNormalization": Form(
        layers.BatchNormalization,
        {"momentum": _NUMBER, "epsilon": _NUMBER, "center": _FLAG, "scale": _FLAG},
        {
            **_NO_RULES,
            **_STARTS,
            **_MOVING_STARTS,
            "synchronized": (False,),
            "renorm": (False,),
            "renorm_clipping": (None,),
            "renorm_momentum": (0.99,),
        },
        last_axis=True,
    ),
    "LayerNormalization": Form(
        layers.LayerNormalization,
        {"epsilon": _NUMBER, "center": _FLAG, "scale": _FLAG},
        {**_NO_RULES, **_STARTS, "rms_scaling": (False,)},
        last_axis=True,
    ),
    "Normalization": Form(
        layers.Normalization,
        {"mean": _MOMENTS, "variance": _MOMENTS, "invert": _FLAG},
        last_axis=True,
    ),
    "RMSNormalization": Form(layers.RMSNormalization, {"epsilon": _NUMBER}, last_axis=True),
    "UnitNormalization": Form(layers.UnitNormalization, {}, last_axis=True),
    "PReLU": Form(
        layers.PReLU,
        {
            "alpha_initializer": _INITIALIZER,
            "alpha_regularizer": _REGULARIZER,
            "alpha_constraint": _CONSTRAINT,
            "shared_axes": _SHARED_AXES,
        },
    ),
    "ActivityRegularization": Form(layers.ActivityRegularization, {"l1": _NUMBER, "l2": _NUMBER}),
    "Rescaling": Form(layers.Rescaling, {"scale": _FACTOR, "offset": _FACTOR}),
    "Flatten": Form(layers.Flatten, {}, {"data_format": ("channels_last", None)}),
    **{
        each.__name__: Form(each, {})
        for each in (
            layers.Add,
            layers.Subtract,
            layers.Multiply,
            layers.Average,
            layers.Maximum,
            layers.Minimum,
        )
    },
    "Concatenate": Form(layers.Concatenate, {"axis": _AXIS}),
    "Dot": Form(layers.Dot, {"axes": _AXES, "normalize": _FLAG}),
}
_CLASS_OF = {form.layer: class_name for class_name, form in FORMS.items()}
_COMMON = ("name", "trainable", "dtype")
_ANY_ACTIVATION = {"Activation", *described.ACTIVATION_CLASSES}


def class_name_of(layer: Layer) -> str:
    """Keras's class for a layer."""
    if isinstance(layer, layers.Nested):
        return layer.class_name
    if isinstance(layer, layers.ActivationLayer):
        activation = activations.get(layer.activation)
        if described.has_name(activation):
            return "Activation"
        return described.activation_layer(activation, "activation")[0]
    if type(layer) not in _CLASS_OF:
        raise KerasFileError(f"{layer!r}: this kind of layer cannot be written in Keras's format.")
    return _CLASS_OF[type(layer)]


def write_layer(layer: Layer, name: str, input_shape: Any, policy: dict[str, Any]) -> dict[str, Any]:
    """Keras's configuration of a layer.

    Args:
      layer: of jaxgd.
      name: its name in the model.
      input_shape: of one row; a tuple of such shapes for several inputs.
      policy: Keras's configuration of the dtypes.
    """
    class_name = class_name_of(layer)
    common = {"name": name, "trainable": layer.trainable, "dtype": policy}
    config = {**common, **_own_settings(layer, class_name, f"layer {name!r}")}
    if isinstance(
        config.get("activation"), dict
    ):  # a layer too; without a dtype it would take Keras's global one
        config["activation"]["config"] |= {"name": f"{name}_activation", "dtype": policy}
    shape: Any = [None, *input_shape]
    if layer.several_inputs:
        shape = [[None, *each] for each in input_shape]
    return make_entry("keras.layers", class_name, config, build_config={"input_shape": shape})


def _own_settings(layer: Layer, class_name: str, where: str) -> dict[str, Any]:
    if isinstance(layer, layers.ActivationLayer):
        if class_name == "Activation":
            return {"activation": described.write_activation(layer.activation, where)}
        return described.activation_layer(activations.get(layer.activation), where)[1]
    return {
        name: write(getattr(layer, name), f"{where}: {name}")
        for name, (_, write) in FORMS[class_name].settings.items()
    }


def read_layer(entry: Entry, input_shape: Any, where: str) -> Layer:
    """The layer behind Keras's configuration, named as in the file; the shape is of a row, or several."""
    config = entry.config
    common = {
        "name": check_string(config.get("name"), f"{where}: name"),
        "trainable": check_flag(config.get("trainable", True), f"{where}: trainable"),
    }
    if entry.class_name in _ANY_ACTIVATION:
        return _read_activation_layer(entry, common, where)
    if entry.class_name not in FORMS:
        known = ", ".join(sorted([*FORMS, *_ANY_ACTIVATION]))
        raise KerasFileError(
            f"{where}: layers of class {shown(entry.class_name)} are not known to jaxgd. Known: {known}. "
            "Replace the layer in Keras and save again."
        )
    form = FORMS[entry.class_name]
    check_keys(config, (*_COMMON, *form.settings, *form.fixed, *(("axis",) if form.last_axis else ())), where)
    _check_fixed(form, config, len(input_shape), where)
    settings = {
        name: read(config[name], f"{where}: {name}")
        for name, (read, _) in form.settings.items()
        if name in config
    }
    with failing_in(where):
        return form.layer(**settings, **common)


def _read_activation_layer(entry: Entry, common: dict[str, Any], where: str) -> Layer:
    if entry.class_name == "Activation":
        check_keys(entry.config, ("activation", *_COMMON), where)
        chosen = described.read_activation(entry.config.get("activation"), f"{where}: activation") or "linear"
    else:
        chosen = described.read_activation_layer(entry, where)
    return layers.ActivationLayer(chosen, **common)


def _check_fixed(form: Form, config: Mapping[str, Any], rank: int, where: str) -> None:
    for name, allowed in form.fixed.items():
        value = config.get(name, allowed[0])
        if name.endswith("initializer"):
            value = described.read_described("keras.initializers", value, f"{where}: {name}")
        if not any(value is each or (value == each and type(value) is type(each)) for each in allowed):
            raise KerasFileError(f"{where}: {name} = {shown(value)} is not supported, only {allowed[0]!r}.")
    axis = config.get("axis", -1)
    last = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if form.last_axis and (isinstance(last, bool) or last not in (-1, rank)):
        raise KerasFileError(f"{where}: axis = {shown(axis)} is not supported, only the last, -1.")
