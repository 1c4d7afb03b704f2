"""Descriptions that are dataclasses: found by Keras's names, and able to give Keras's settings back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from jaxgd._checks import unknown_name


class Described:
    """A frozen dataclass whose class name and fields are those of the Keras class it stands for."""

    def config(self) -> dict[str, Any]:
        """{argument: value}, the arguments of the Keras class of the same name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}  # pyright: ignore[reportArgumentType]


def get_described(
    kind: str,
    identifier: Any,
    classes: Mapping[str, type],
    options: dict[str, Any],
    left_out: Mapping[str, str] | None = None,
) -> Any:
    """The description behind a name, a class, a description or any other callable.

    Case and underscores of a name do not matter: `GlorotUniform` and `glorot_uniform` are one.

    Raises:
      ValueError: an unknown name.
      TypeError: the identifier is none of these, or options were given with something that is made already.
    """
    if isinstance(identifier, str):
        compact = {name.replace("_", ""): known for name, known in classes.items()}
        known = compact.get(identifier.lower().replace("_", ""))
        if known is None:
            raise unknown_name(kind, identifier, classes, left_out)
        return known(**options)
    if isinstance(identifier, type) and identifier in classes.values():
        return identifier(**options)
    if not callable(identifier):
        raise TypeError(f"{kind}: expected a name or a callable, got {identifier!r}.")
    if options:
        raise TypeError(f"{kind}: options {sorted(options)} need a name, got {identifier!r}.")
    return identifier
