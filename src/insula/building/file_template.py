"""Devices of a room type: ``{bloc}`` in their values stands for what the room's own line says."""

import re
from collections.abc import Mapping
from typing import Any

from insula.building.file_table import Table

_VARIABLE = re.compile(r"\{(\w+)\}")


def variables(value: object) -> set[str]:
    """The names in braces anywhere in this value."""
    if isinstance(value, str):
        return set(_VARIABLE.findall(value))
    if isinstance(value, Mapping):
        return set().union(*map(variables, value.values()))
    return set().union(*map(variables, value)) if isinstance(value, list) else set()


def fill(value: Any, known: Mapping[str, Any]) -> Any:
    """The value with each name in braces replaced; one that is nothing but a name keeps its type (an integer)."""
    if isinstance(value, Mapping):
        return {key: fill(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, known) for inner in value]
    if not isinstance(value, str):
        return value
    whole = _VARIABLE.fullmatch(value)
    if whole:
        return known.get(whole[1], value)
    return _VARIABLE.sub(lambda found: str(known.get(found[1], found[0])), value)


class Filled(Table):
    """A device's table for one room. A fault of a value that came from the room's line is noted at that line."""

    def __init__(self, template: Table, room: Table, known: Mapping[str, Any]) -> None:
        super().__init__(fill(template.values, known), template.path, template.faults)
        self.template = template
        self.room = room
        self.known = known

    def fault(self, text: str, *keys: str | int) -> None:
        raw: Any = self.template.values
        for key in keys:
            raw = raw.get(key) if isinstance(raw, Mapping) else raw
        if keys and (raw is None or variables(raw)):
            self.room.fault(text)
        else:
            super().fault(text, *keys)

    def _inner(self, key: str, values: Mapping[str, Any]) -> Table:
        path, inner = (*self.path, key), self.template.values.get(key)
        if not isinstance(inner, Mapping):
            return Table({}, path, self.faults)
        return Filled(Table(inner, path, self.faults), self.room, self.known)
