"""Names to metrics: Keras's names, class names and aliases; what "accuracy" means for given shapes."""

import re
from typing import Any

from jaxgd import losses
from jaxgd._checks import is_traced_or_array, of_keras, unknown_name, wrong
from jaxgd._named import sorted_options
from jaxgd._types import Shape
from jaxgd.metrics import accuracy, auc, confusion, fscore, iou, regression
from jaxgd.metrics._mean import FUNCTION, LOSS
from jaxgd.metrics._metric import Definition, Metric

_DEFINITIONS: dict[str, Definition] = {
    "Accuracy": accuracy.ACCURACY,
    "BinaryAccuracy": accuracy.BINARY_ACCURACY,
    "CategoricalAccuracy": accuracy.CATEGORICAL_ACCURACY,
    "SparseCategoricalAccuracy": accuracy.SPARSE_CATEGORICAL_ACCURACY,
    "TopKCategoricalAccuracy": accuracy.TOP_K_CATEGORICAL_ACCURACY,
    "SparseTopKCategoricalAccuracy": accuracy.SPARSE_TOP_K_CATEGORICAL_ACCURACY,
    "RootMeanSquaredError": regression.ROOT_MEAN_SQUARED_ERROR,
    "R2Score": regression.R2_SCORE,
    "CosineSimilarity": regression.COSINE_SIMILARITY,
    "PearsonCorrelation": regression.PEARSON_CORRELATION,
    "ConcordanceCorrelation": regression.CONCORDANCE_CORRELATION,
    "TruePositives": confusion.TRUE_POSITIVES,
    "FalsePositives": confusion.FALSE_POSITIVES,
    "TrueNegatives": confusion.TRUE_NEGATIVES,
    "FalseNegatives": confusion.FALSE_NEGATIVES,
    "Precision": confusion.PRECISION,
    "Recall": confusion.RECALL,
    "SensitivityAtSpecificity": confusion.SENSITIVITY_AT_SPECIFICITY,
    "SpecificityAtSensitivity": confusion.SPECIFICITY_AT_SENSITIVITY,
    "PrecisionAtRecall": confusion.PRECISION_AT_RECALL,
    "RecallAtPrecision": confusion.RECALL_AT_PRECISION,
    "AUC": auc.AUC,
    "F1Score": fscore.F1_SCORE,
    "FBetaScore": fscore.FBETA_SCORE,
    "IoU": iou.IOU,
    "BinaryIoU": iou.BINARY_IOU,
    "MeanIoU": iou.MEAN_IOU,
    "OneHotIoU": iou.ONE_HOT_IOU,
    "OneHotMeanIoU": iou.ONE_HOT_MEAN_IOU,
}

_LOSS_CLASSES = {"LogCoshError": "log_cosh"}
_FUNCTION = "give a function (y_true, y_pred) of your own, whose values are averaged"
_LEFT_OUT = {"mean": _FUNCTION, "sum": _FUNCTION, "meanmetricwrapper": _FUNCTION, "metric": _FUNCTION}


def snake_case(class_name: str) -> str:
    """Keras's snake case of a class name.

    >>> snake_case("R2Score"), snake_case("AUC"), snake_case("IoU")
    ('r2_score', 'auc', 'io_u')
    """
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def class_names() -> tuple[str, ...]:
    """Keras's classes of metrics that are not just the mean of a loss."""
    return tuple(_DEFINITIONS)


def class_name(name: str) -> str:
    """Keras's class of a metric for the name of its function, or of the loss that it is the mean of.

    >>> class_name("binary_accuracy"), class_name("mean_squared_error")
    ('BinaryAccuracy', 'MeanSquaredError')
    """
    return next((each for each in _DEFINITIONS if snake_case(each) == name), losses.class_name(name))


def class_of(metric: Metric) -> str | None:
    """Keras's class of a metric among `class_names`; None for the mean of a loss or of a user's function."""
    return next((name for name, each in _DEFINITIONS.items() if each is metric.definition), None)


def loss_of(metric: Metric) -> losses.Loss | None:
    """The loss whose mean a metric is, or None.

    >>> loss_of(get("mse")), loss_of(get("auc"))
    (mean_squared_error, None)
    """
    options: dict[str, Any] = dict(metric.options)
    return options["loss"] if metric.definition is LOSS else None


def _known() -> dict[str, Definition | str]:
    """Every name, to a definition or to the name of a loss."""
    known: dict[str, Definition | str] = dict(losses.names())
    for class_name, target in {**_LOSS_CLASSES, **_DEFINITIONS}.items():
        known[class_name] = known[snake_case(class_name)] = target
    return known


def get(
    identifier: Any,
    *,
    output_shape: Shape | None = None,
    target_shape: Shape | None = None,
    loss: Any = None,
    name: str | None = None,
    **options: Any,
) -> Metric:
    """The metric that an identifier stands for.

    Args:
      identifier: a name, alias or class name of Keras's metrics or losses; "accuracy" or "acc", which the
        shapes decide; a `Metric`; a `Loss`, a loss function, or any function (y_true, y_pred) -> one value a
        sample. A function of yours gets the targets in the shape that you gave them, as in Keras: [rows]
        beside an output [rows, 1] (a loss gets both as [rows, 1]).
      output_shape, target_shape: the shapes of y_pred and y_true, needed for "accuracy"; without them
        "Accuracy" is the class of that name, exact equality.
      loss: the model's loss; decides "accuracy" where shapes are not given.
      name: the name in logs; by default the identifier itself, if a string, else the function's.
      **options: the metric's own options.
    Returns:
      A `Metric`.
    Raises:
      ValueError: an unknown name or option, or "accuracy" without shapes and loss.
      TypeError: the identifier is none of these.
    Keras: keras.metrics.get and what `compile(metrics=...)` makes of names. Not copied: Hinge,
      SquaredHinge, CategoricalHinge, KLDivergence and Poisson of targets [rows] beside an output [rows, 1]
      average over all pairs of rows there (known difference `targets-paired-with-every-row`).
    >>> get("accuracy", output_shape=(32, 1), target_shape=(32,)).direction
    'max'
    >>> float(get("mae")([[0.0], [0.0]], [[1.0], [3.0]]))
    2.0
    """
    if isinstance(identifier, Metric):
        return _make(name or identifier.name, identifier.definition, {**dict(identifier.options), **options})
    if not isinstance(identifier, str):
        return _from_callable(identifier, name, options)
    shapes_given = output_shape is not None or loss is not None
    if identifier in ("accuracy", "acc") or (identifier.lower() in ("accuracy", "acc") and shapes_given):
        definition = _accuracy_for(identifier, output_shape, target_shape, loss)
        return _make(name or identifier, definition, options)
    known = _known()
    if identifier not in known:
        raise unknown_name("metric", identifier, known, _LEFT_OUT)
    target = known[identifier]
    if isinstance(target, str):
        return Metric(name or identifier, LOSS, (("loss", losses.get(target, **options)),))
    return _make(name or identifier, target, options)


def _from_callable(identifier: Any, name: str | None, options: dict[str, Any]) -> Metric:
    if of_keras(identifier):
        raise TypeError(f"metrics: got an object of Keras. Give the name {type(identifier).__name__!r}.")
    loss = losses.get(identifier, **options)
    definition = LOSS if loss.explicit else FUNCTION
    return Metric(name or loss.name, definition, (("loss", loss),))


_KINDS = {
    "binary": accuracy.BINARY_ACCURACY,
    "sparse": accuracy.SPARSE_CATEGORICAL_ACCURACY,
    "categorical": accuracy.CATEGORICAL_ACCURACY,
}


def _accuracy_for(
    identifier: str, output_shape: Shape | None, target_shape: Shape | None, loss: Any
) -> Definition:
    """The accuracy that Keras picks for shapes; without shapes, the one that belongs to the loss."""
    if output_shape is not None and target_shape is not None:
        return _KINDS[losses.output_kind(target_shape, output_shape)]
    if loss is None:
        raise wrong(
            "metric", identifier, "output_shape and target_shape (or a loss) to decide which accuracy"
        )
    loss = losses.get(loss)
    kinds = {"sparse_categorical": "sparse", "categorical": "categorical"}
    return _KINDS[next((kind for prefix, kind in kinds.items() if loss.name.startswith(prefix)), "binary")]


def _make(name: str, definition: Definition, options: dict[str, Any]) -> Metric:
    if definition in (LOSS, FUNCTION):
        return Metric(name, definition, sorted_options(options))
    defaults = dict(definition.defaults)
    for option in options:
        if option not in defaults:
            raise unknown_name(f"option of metric {name!r}", option, defaults)
    if definition.check is not None:
        definition.check(**options)
    frozen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in options.items()
    }
    kept = {k: v for k, v in frozen.items() if is_traced_or_array(v) or v != defaults[k]}
    return Metric(name, definition, sorted_options(kept))


def log_names(metrics: Any) -> tuple[str, ...]:
    """The keys of these metrics in Keras's logs: a name that comes again gets _1, _2 and so on.

    >>> log_names([get("mse"), get("auc"), get("mse")])
    ('mse', 'auc', 'mse_1')
    """
    seen: dict[str, int] = {}
    names = []
    for metric in metrics:
        count = seen.get(metric.name, 0)
        seen[metric.name] = count + 1
        names.append(f"{metric.name}_{count}" if count else metric.name)
    return tuple(names)
