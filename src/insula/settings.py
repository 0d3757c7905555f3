"""Settings of one process: ``insula.toml``, then ``INSULA_SECTION_KEY`` in the environment, then flags.

What the building is (gateways, rooms, time zone) is no setting: it is in the building file.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from insula.errors import InputError


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ApiSettings(Section, frozen=True, kw_only=True):
    """``public_url``: where browsers reach Insula, as ``https://insula.example``; empty: as each request says.
    ``metrics_readers``: networks (``10.0.0.0/24,::1``) whose hosts read ``/metrics`` without signing in.
    ``live_...``: of the live stream: other origins (``https://wall.example.org``, separated by commas) whose pages may
    open it by cookie, and how many one person and one address may have open in one process."""

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    metrics_readers: str = ""
    live_origins: str = ""
    live_per_person: Annotated[int, msgspec.Meta(ge=1)] = 20
    live_per_address: Annotated[int, msgspec.Meta(ge=1)] = 500

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(filter(None, (origin.strip() for origin in self.live_origins.split(","))))


class BusSettings(Section, frozen=True, kw_only=True):
    """``memory``: all parts in one process. ``kafka``: Apache Kafka at ``servers`` (``HOST:PORT,...``), reached as the
    security settings say, whose names and values are librdkafka's; ``ssl_...`` are files, empty ones are left out.
    ``replication`` and ``retention_h`` (hours) are what ``insula topics apply`` gives the topics."""

    kind: Literal["memory", "kafka"] = "memory"
    servers: str = "127.0.0.1:9092"
    replication: Annotated[int, msgspec.Meta(ge=1)] = 1
    retention_h: Annotated[float, msgspec.Meta(gt=0)] = 72
    session_timeout_s: Annotated[float, msgspec.Meta(ge=1)] = 6
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: str = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: str = ""
    ssl_ca: str = ""
    ssl_certificate: str = ""
    ssl_key: str = ""
    ssl_key_password: str = ""

    def client(self) -> dict[str, str]:
        """How librdkafka reaches the brokers."""
        found = {"bootstrap.servers": self.servers, "security.protocol": self.security_protocol}
        if self.security_protocol.startswith("sasl"):
            found |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username,
                "sasl.password": self.sasl_password,
            }
        if self.security_protocol.endswith("ssl"):
            found |= {
                "ssl.ca.location": self.ssl_ca,
                "ssl.certificate.location": self.ssl_certificate,
                "ssl.key.location": self.ssl_key,
                "ssl.key.password": self.ssl_key_password,
            }
        return {name: value for name, value in found.items() if value}

    def __repr__(self) -> str:
        """Without its secrets."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        shown = (f"{name}={'...' if value and 'password' in name else repr(value)}" for name, value in fields.items())
        return f"BusSettings({', '.join(shown)})"


class DatabaseSettings(Section, frozen=True, kw_only=True):
    """``url``: ``sqlite:///FILE``; empty: ``insula.db`` in the data folder."""

    url: str = ""

    def __repr__(self) -> str:
        """Without its secrets."""
        return f"DatabaseSettings(url={re.sub('(?<=://)[^/]*@', '...@', self.url)!r})"


class LogSettings(Section, frozen=True, kw_only=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class ClockSettings(Section, frozen=True, kw_only=True):
    """The building's clock runs ``speed`` times as fast. ``epoch`` (ISO 8601, without a zone UTC; empty: now) is where
    it starts; ``BUILDING@REAL``: what it was at a real moment, so that several processes share one time."""

    speed: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 1.0
    epoch: str = ""

    def start(self) -> tuple[int | None, int | None]:
        """The building's time, and the real moment at which it was so (ms since 1970 UTC); None: not given.
        Raises InputError."""
        building, _, real = self.epoch.partition("@")
        return _moment(building), _moment(real)


def _moment(text: str) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
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


class PresenceSettings(Section, frozen=True, kw_only=True):
    """A right *while there* counts for ``lease_s`` after each report, a guest's visit lasts ``guest_minutes`` (real
    time). ``audit_rooms``: the audit names the room of each presence, and so keeps who was where."""

    lease_s: Annotated[float, msgspec.Meta(ge=10, le=3600)] = 300
    guest_minutes: Annotated[float, msgspec.Meta(ge=1, le=1440)] = 120
    audit_rooms: bool = False


class AlertSettings(Section, frozen=True, kw_only=True):
    """Who is told of alerts, and when. Mail goes out when ``mail_to`` (addresses, separated by commas) is given, a POST
    when ``webhook_url`` is. ``throttle_s``: seconds between two messages on one way, at least; ``least``: what is less
    severe is told to nobody. A gateway or a part may be away for ``away_s`` (real time), a device has ``confirm_s`` to
    show what it was told (building's clock), a battery may have ``battery_percent``."""

    mail_to: str = ""
    mail_from: str = "insula@localhost"
    smtp_host: str = "127.0.0.1"
    smtp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    webhook_url: str = ""
    throttle_s: Annotated[float, msgspec.Meta(ge=0)] = 300
    least: Literal["info", "warning", "critical"] = "warning"
    away_s: Annotated[float, msgspec.Meta(ge=0)] = 30
    confirm_s: Annotated[float, msgspec.Meta(ge=0)] = 180
    battery_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] = 15

    @property
    def recipients(self) -> list[str]:
        return [address.strip() for address in self.mail_to.split(",") if address.strip()]

    def __repr__(self) -> str:
        """Without its secrets: an address of a webhook may be one."""
        return f"AlertSettings(mail_to={self.mail_to!r}, webhook={bool(self.webhook_url)})"


class OpenIdSettings(Section, frozen=True, kw_only=True):
    """A provider of OpenID Connect by which people sign in. ``button``: what stands on it; ``name_claim``: what a new
    account is called after, and ``create_accounts``: whether a first sign-in makes one, without rights.
    ``groups_claim``: where the ID token says what somebody belongs to; ``admin_group`` makes administrators (empty:
    the provider has no say), ``teams`` (group -> team) members: given and taken at each sign-in."""

    issuer: str
    client_id: str
    client_secret: str
    button: str = ""
    scopes: str = "openid profile"
    name_claim: str = "preferred_username"
    create_accounts: bool = False
    groups_claim: str = "groups"
    admin_group: str = ""
    teams: dict[str, str] = {}

    def __post_init__(self) -> None:
        url = urlsplit(self.issuer)
        if not (url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK)) or not url.hostname:
            raise ValueError(f"issuer: https://..., not {self.issuer!r}")
        if not self.client_id or not self.client_secret or "openid" not in self.scopes.split():
            raise ValueError("client_id and client_secret are needed, and openid among the scopes")

    def __repr__(self) -> str:
        """Without its secret."""
        return f"OpenIdSettings(issuer={self.issuer!r}, client_id={self.client_id!r})"


LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Settings(Section, frozen=True, kw_only=True):
    """``instance`` tells processes of the same part apart, in /health; empty: the host's name, or with the bus in
    memory ``1``. ``heartbeat``: a file that the process touches while it lives; empty: none. ``admin_password``: of the
    first administrator, whom a new installation makes; empty: one is thought up and said once. ``legacy_routes``:
    ``open``: the 16 routes of 2020 drive and show every room for everybody who reaches the port, as in 2020.
    ``openid``: providers by which people sign in, by a name of the installation's own."""

    data: str = "data"
    instance: str = ""
    heartbeat: str = ""
    admin_password: str = ""
    legacy_routes: Literal["closed", "open"] = "closed"
    api: ApiSettings = ApiSettings()
    bus: BusSettings = BusSettings()
    database: DatabaseSettings = DatabaseSettings()
    log: LogSettings = LogSettings()
    clock: ClockSettings = ClockSettings()
    recorder: RecorderSettings = RecorderSettings()
    history: HistorySettings = HistorySettings()
    presence: PresenceSettings = PresenceSettings()
    alerts: AlertSettings = AlertSettings()
    openid: dict[Annotated[str, msgspec.Meta(pattern="^[a-z0-9]{1,32}$")], OpenIdSettings] = {}

    def __repr__(self) -> str:
        """Without its secrets."""
        return f"Settings(data={self.data!r}, instance={self.instance!r}, api={self.api!r}, bus={self.bus!r})"

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
        if prefix in environment and not _is_section(section.type):
            found[section.name] = environment[prefix]
        if _is_section(section.type):
            found |= _of_section(section.type, section.name, prefix, environment)
    for name in {match[1] for key in environment if (match := _OPENID.match(key))}:
        found |= _of_section(OpenIdSettings, f"openid.{name.lower()}", f"INSULA_OPENID_{name}", environment)
    return found


_OPENID = re.compile(r"INSULA_OPENID_([A-Z0-9]+)_[A-Z_]+$")


def _of_section(type_: type[Section], name: str, prefix: str, environment: Mapping[str, str]) -> dict[str, str]:
    fields = {field.name: f"{prefix}_{field.name.upper()}" for field in msgspec.structs.fields(type_)}
    return {f"{name}.{field}": environment[key] for field, key in fields.items() if key in environment}


def _is_section(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Section)


def _put(values: dict[str, Any], name: str, value: object) -> None:
    *sections, key = name.split(".")
    for section in sections:
        values = values.setdefault(section, {})
    values[key] = value


def _convert(values: Mapping[str, Any], source: str) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{source}: {error}") from error
