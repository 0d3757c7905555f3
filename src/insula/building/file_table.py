"""Reading a TOML table key by key, noting every fault with its place instead of stopping at the first."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from insula.building.file_lines import Lines, Path

T = TypeVar("T")

_NAMES: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class Faults:
    """What is wrong with a file, each with its line."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._found: list[tuple[int, str]] = []

    def add(self, path: Path, text: str) -> None:
        fault = (self._lines.of(path), text)
        if fault not in self._found:
            self._found.append(fault)

    def line(self, path: Path) -> int:
        return self._lines.of(path)

    def in_order(self) -> list[tuple[int, str]]:
        return sorted(self._found)


def hint(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'bloc'?`` when a known name is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def has_type(value: object, wanted: type) -> bool:
    """As TOML means it: an integer may stand for a number, true and false are no numbers."""
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, (int, float)) if wanted is float else isinstance(value, wanted)


class Table:
    """One table of the file, at ``path``. Each ``get`` marks its key as known; ``close`` complains of the rest."""

    def __init__(self, values: Mapping[str, Any], path: Path, faults: Faults) -> None:
        self.values = values
        self.path = path
        self.faults = faults
        self._known: set[str] = set()

    def fault(self, text: str, *keys: str | int) -> None:
        self.faults.add((*self.path, *keys), text)

    def get(self, key: str, wanted: type[T], default: T) -> T:
        """The value; the default when it is absent or of another type (which is a fault)."""
        self._known.add(key)
        value = self.values.get(key, default)
        if key in self.values and not has_type(value, wanted):
            self.fault(f"{key} must be {_NAMES[wanted]}, not {value!r}", key)
            return default
        return cast(T, float(value) if wanted is float else value)

    def require(self, key: str, wanted: type[T], default: T) -> T:
        if key not in self.values:
            self._known.add(key)
            self.fault(f"{key} is missing")
        return self.get(key, wanted, default)

    def raw(self, key: str) -> Any:
        self._known.add(key)
        return self.values.get(key)

    def tables(self, key: str) -> list["Table"]:
        """The array of tables (or of inline tables) under the key."""
        self._known.add(key)
        found = []
        values = self.values.get(key, [])
        if not isinstance(values, list):
            self.fault(f"{key} must be a list of tables", key)
            return []
        for index, value in enumerate(values):
            path = (*self.path, key, index)
            if isinstance(value, Mapping):
                found.append(Table(value, path, self.faults))
            else:
                self.faults.add(path, f"{key} must hold tables, not {value!r}")
        return found

    def table(self, key: str) -> "Table":
        """The table under the key; an empty one when it is absent."""
        self._known.add(key)
        value = self.values.get(key, {})
        if not isinstance(value, Mapping):
            self.fault(f"{key} must be a table, not {value!r}", key)
            value = {}
        return self._inner(key, value)

    def _inner(self, key: str, values: Mapping[str, Any]) -> "Table":
        return Table(values, (*self.path, key), self.faults)

    def close(self, where: str, also: Iterable[str] = ()) -> None:
        """Every key that nobody asked for, and that is not among ``also``, is a fault."""
        known = self._known | set(also)
        for key in self.values:
            if key not in known:
                self.fault(f"unknown key {key!r} in {where}{hint(key, known)}", key)
