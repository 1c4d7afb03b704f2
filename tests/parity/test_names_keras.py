"""Every name and every argument that the installed Keras has: known here too, or refused by name."""

import inspect

import keras
import keras.src as registries
import pytest

import jaxgd
from jaxgd.optimizers._registry import FACTORIES
from jaxgd.schedules import registry

BASES = {"loss", "lossfunctionwrapper", "metric", "initializer", "regularizer", "constraint", "optimizer"}
"""Classes that others are derived from."""
REFUSED = {
    "losses": {"ctc", "circle"},
    "metrics": {"mean", "sum", "meanmetricwrapper"},
    "initializers": {"stft", "stftinitializer"},
    "optimizers": {"lossscaleoptimizer", "multioptimizer", "optimizermap"},
}
NEEDS_NUMBERS = {
    "threshold": {"threshold": 0.5, "default_value": 0.0},
    "meaniou": {"num_classes": 2},
    "onehotmeaniou": {"num_classes": 2},
    "iou": {"num_classes": 2, "target_class_ids": [0]},
    "onehotiou": {"num_classes": 2, "target_class_ids": [0]},
    "precisionatrecall": {"recall": 0.5},
    "recallatprecision": {"precision": 0.5},
    "sensitivityatspecificity": {"specificity": 0.5},
    "specificityatsensitivity": {"sensitivity": 0.5},
}
"""What has no default in Keras either."""
KINDS = ("losses", "metrics", "activations", "initializers", "regularizers", "constraints", "optimizers")


def names_of(kind):
    """The names that Keras's own registry resolves, and the public names of its module."""
    module = getattr(keras, kind)
    functions = ("get", "serialize", "deserialize")
    public = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and name not in functions and not inspect.ismodule(value)
    ]
    return sorted({*getattr(registries, kind).ALL_OBJECTS_DICT, *public})


def compact(name):
    return name.lower().replace("_", "")


@pytest.mark.parametrize("kind", KINDS)
def test_every_name(kind):
    """Known, or refused in words that say why."""
    names = [name for name in names_of(kind) if compact(name) not in BASES]
    assert len(names) > 3
    get = getattr(jaxgd, kind).get
    for name in names:
        if compact(name) in REFUSED.get(kind, ()):
            with pytest.raises(ValueError, match=f"{name!r} cannot be had by its name: "):
                get(name)
        elif name == "accuracy":
            assert get(name, output_shape=(4, 1), target_shape=(4,)) is not None
        else:
            assert get(name, **NEEDS_NUMBERS.get(compact(name), {})) is not None


def check_arguments(theirs, ours, left_out=("name", "dtype"), known=None):
    """The same names, defaults and order, as far as they can be given without their names."""
    expected = {
        name: each.default
        for name, each in inspect.signature(theirs).parameters.items()
        if each.kind is not each.VAR_KEYWORD and name not in left_out
    }
    parameters = inspect.signature(ours).parameters
    found = {name: each.default for name, each in parameters.items()} if known is None else known
    assert not set(expected) - set(found), "an argument is missing"
    differing = {name for name, default in expected.items() if found[name] != default}
    assert not differing, "another default"
    by_place = [name for name, each in parameters.items() if each.kind is each.POSITIONAL_OR_KEYWORD]
    if known is None:
        assert by_place == list(inspect.signature(theirs).parameters)[: len(by_place)], "another order"


@pytest.mark.parametrize("name", FACTORIES)
def test_arguments_of_an_optimizer(name):
    check_arguments(getattr(keras.optimizers, name), FACTORIES[name], ())


def test_every_optimizer_and_schedule():
    classes = {n for n, v in vars(keras.optimizers).items() if inspect.isclass(v)} - {
        "Optimizer",
        "OptimizerMap",
    }
    assert classes == {*FACTORIES, "LossScaleOptimizer", "MultiOptimizer"}
    schedules = {n for n, v in vars(keras.optimizers.schedules).items() if inspect.isclass(v)}
    assert schedules - {"LearningRateSchedule"} == set(registry.names())


@pytest.mark.parametrize("name", registry.names())
def test_arguments_of_a_schedule(name):
    """All; the name of TensorFlow's operation, which is not kept, has no default."""
    ours = registry._CONSTRUCTORS[name]
    check_arguments(getattr(keras.optimizers.schedules, name), ours)
    assert inspect.signature(ours).parameters["name"].default is None


@pytest.mark.parametrize("kind", ["activations", "initializers", "regularizers", "constraints"])
def test_arguments_of_what_layers_take(kind):
    checked = 0
    for name, theirs in vars(getattr(keras, kind)).items():
        ours = getattr(getattr(jaxgd, kind), name, None)
        if callable(theirs) and callable(ours) and compact(name) not in BASES and not name.startswith("get"):
            check_arguments(theirs, ours)
            checked += 1
    assert checked > 5


@pytest.mark.parametrize("kind", ["losses", "metrics"])
def test_options_of_losses_and_metrics(kind):
    """Their options, with Keras's defaults; sparse labels have their classes on the last axis alone."""
    checked = 0
    for name, theirs in vars(getattr(keras, kind)).items():
        if not inspect.isclass(theirs) or compact(name) in BASES | REFUSED[kind]:
            continue
        ours = getattr(jaxgd, kind).get(name, **NEEDS_NUMBERS.get(compact(name), {}))
        of_loss = ours if kind == "losses" else jaxgd.metrics._get.loss_of(ours)
        function = None if of_loss is None else of_loss.function
        known = (
            dict(ours.definition.defaults) if function is None else jaxgd.losses._loss.defaults_of(function)
        )
        needed = {option: inspect.Parameter.empty for option in NEEDS_NUMBERS.get(compact(name), {})}
        left_out = ("name", "dtype", "reduction", *(["axis"] if name.startswith("Sparse") else []))
        check_arguments(theirs, theirs, left_out, {**known, **needed})
        checked += 1
    assert checked >= 20


@pytest.mark.parametrize("ours", [jaxgd.fit, jaxgd.evaluate, jaxgd.predict], ids=lambda each: each.__name__)
def test_each_argument_of_a_model_is_there_or_says_what_stands_in_its_place(ours):
    theirs = inspect.signature(getattr(keras.Model, ours.__name__)).parameters
    for name in set(theirs) - set(inspect.signature(ours).parameters) - {"self", "kwargs"}:
        with pytest.raises(TypeError, match=f"has no argument '{name}': (?!it takes|did you mean)"):
            ours(**{name: None})
