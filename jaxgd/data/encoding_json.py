"""Reading an encoding from JSON that may have been damaged: every field's type is checked."""

import json
import math
from typing import Any

from jaxgd.data.encoding_column import MISSING, TASKS, EncodingColumn
from jaxgd.data.errors import DataError

_VERSION = 1


def parse_encoding(text: str) -> dict[str, Any]:
    """The arguments of `Encoding` in JSON text. Raises DataError that names the first field that is wrong."""
    try:
        data = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"encoding: not JSON ({error}).") from error
    fields = _fields(data, "encoding", ("version", "columns", "target", "task", "classes", "missing"))
    _check(fields["version"] == _VERSION, "encoding, version", fields["version"], str(_VERSION))
    _check(isinstance(fields["columns"], list), "encoding, columns", fields["columns"], "a list")
    columns = tuple(
        _column(item, f"encoding, column {place}") for place, item in enumerate(fields["columns"])
    )
    names = [column.name for column in columns]
    _check(len(set(names)) == len(names), "encoding, columns", names, "distinct names")
    _check(isinstance(fields["target"], str), "encoding, target", fields["target"], "text")
    _check(fields["task"] in TASKS, "encoding, task", fields["task"], f"one of {', '.join(TASKS)}")
    _check(
        fields["missing"] in MISSING, "encoding, missing", fields["missing"], f"one of {', '.join(MISSING)}"
    )
    classes = _names(fields["classes"], "encoding, classes")
    _check(_fits(classes, fields["task"]), "encoding, classes", classes, f"classes of a {fields['task']}")
    return {
        **{name: fields[name] for name in ("target", "task", "missing")},
        "columns": columns,
        "classes": classes,
    }


def _column(item: Any, where: str) -> EncodingColumn:
    fields = _fields(item, where, ("name", "kind", "categories", "mean"))
    _check(isinstance(fields["name"], str), f"{where}, name", fields["name"], "text")
    categories, mean = _names(fields["categories"], f"{where}, categories"), fields["mean"]
    _check(fields["kind"] in ("number", "category"), f"{where}, kind", fields["kind"], "number or category")
    matches = bool(categories) == (fields["kind"] == "category")
    _check(matches, f"{where}, categories", categories, f"those of a {fields['kind']}")
    plain = mean is None or (type(mean) in (int, float) and math.isfinite(mean))
    _check(plain, f"{where}, mean", mean, "a finite number or null")
    return EncodingColumn(fields["name"], fields["kind"], categories, None if mean is None else float(mean))


def _fits(classes: tuple[str, ...], task: str) -> bool:
    """Whether a task can have this many classes."""
    return {"regression": not classes, "binary": len(classes) == 2, "multiclass": len(classes) >= 2}[task]


def _fields(item: Any, where: str, names: tuple[str, ...]) -> dict[str, Any]:
    _check(isinstance(item, dict) and set(item) == set(names), where, item, f"the fields {', '.join(names)}")
    return item


def _names(item: Any, where: str) -> tuple[str, ...]:
    texts = isinstance(item, list) and all(isinstance(name, str) for name in item)
    _check(texts and len(set(item)) == len(item), where, item, "a list of distinct names")
    return tuple(item)


def _check(right: bool, where: str, got: object, expected: str) -> None:
    if not right:
        raise DataError(f"{where}: expected {expected}, got {str(got)[:120]!r}.")
