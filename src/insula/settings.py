"""Settings of one process: ``insula.toml``, then ``INSULA_SECTION_KEY`` in the environment, then flags.

What the building is (gateways, rooms, time zone) is no setting: it is in the building file.
"""

import os
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from insula.errors import InputError


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ApiSettings(Section, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8080


class DatabaseSettings(Section, frozen=True, kw_only=True):
    """``url``: ``sqlite:///FILE``; empty: ``insula.db`` in the data folder."""

    url: str = ""


class LogSettings(Section, frozen=True, kw_only=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class ClockSettings(Section, frozen=True, kw_only=True):
    """The building's clock: ``speed`` times as fast as real time, from ``epoch`` on (ISO 8601; empty: now)."""

    speed: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 1.0
    epoch: str = ""

    def start_ms(self) -> int | None:
        """``epoch`` in ms since 1970 UTC (without a zone: UTC); None: now. Raises InputError."""
        if not self.epoch:
            return None
        try:
            moment = datetime.fromisoformat(self.epoch)
        except ValueError as error:
            raise InputError(f"clock.epoch: {error}") from error
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


class RecorderSettings(Section, frozen=True, kw_only=True):
    """``every_s``: an unchanged value is stored again after so many seconds of the building's clock; 0: every one."""

    every_s: float = 300


class HistorySettings(Section, frozen=True, kw_only=True):
    """For how many days (building's clock) Log and each of its roll-ups are kept; 0: for ever."""

    raw_days: Annotated[int, msgspec.Meta(ge=0)] = 92
    five_minutes_days: Annotated[int, msgspec.Meta(ge=0)] = 400
    hours_days: Annotated[int, msgspec.Meta(ge=0)] = 1830
    days_days: Annotated[int, msgspec.Meta(ge=0)] = 0

    def by_tier(self) -> dict[str, int]:
        return {name.removesuffix("_days"): days for name, days in msgspec.structs.asdict(self).items()}


class Settings(Section, frozen=True, kw_only=True):
    data: str = "data"
    api: ApiSettings = ApiSettings()
    database: DatabaseSettings = DatabaseSettings()
    log: LogSettings = LogSettings()
    clock: ClockSettings = ClockSettings()
    recorder: RecorderSettings = RecorderSettings()
    history: HistorySettings = HistorySettings()

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{Path(self.data) / 'insula.db'}"


def load_settings(
    file: Path | None = None, environment: Mapping[str, str] = os.environ, flags: Mapping[str, object] | None = None
) -> Settings:
    """Settings from a file (None: ``insula.toml`` if it is there), the environment and flags (``{"api.port": 8080}``).

    Raises InputError: what is wrong, and in which of the three.
    """
    values = _from_file(file)
    for source, found in (("environment", _from_environment(environment)), ("flags", flags or {})):
        for name, value in found.items():
            _put(values, name, value)
        _convert(values, source)
    return _convert(values, "settings")


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or Path("insula.toml")
    if file is None and not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    _convert(values, str(path))
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for section in msgspec.structs.fields(Settings):
        prefix = f"INSULA_{section.name.upper()}"
        if prefix in environment and section.name == "data":
            found["data"] = environment[prefix]
        if isinstance(section.type, type) and issubclass(section.type, Section):
            for field in msgspec.structs.fields(section.type):
                name = f"{prefix}_{field.name.upper()}"
                if name in environment:
                    found[f"{section.name}.{field.name}"] = environment[name]
    return found


def _put(values: dict[str, Any], name: str, value: object) -> None:
    section, _, key = name.rpartition(".")
    (values.setdefault(section, {}) if section else values)[key] = value


def _convert(values: Mapping[str, Any], source: str) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{source}: {error}") from error
