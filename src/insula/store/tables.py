"""The tables: what 2020's six were (Room, Beacon, Device, KnxNode, ZwaveNode, Log), and what the rest needs.

The same schema on SQLite and MariaDB: every string has a length, every time is UTC milliseconds in a big integer.
A change here needs a migration beside it (migrations/versions): a test compares the two.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Site = Table(
    "Site",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
)

Building = Table(
    "Building",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", ForeignKey("Site.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    Column("rules", String(64), nullable=False),
    Column("hand_hold_s", Double, nullable=False),
    Column("empty_hold_s", Double, nullable=False, server_default="900"),
    Column("country", String(2), nullable=False, server_default="", comment="ISO 3166-1: whose holidays"),
    Column("subdivision", String(16), nullable=False, server_default=""),
    Column("vacation_from", String(10), nullable=False, server_default="", comment="ISO 8601; empty: none"),
    Column("vacation_to", String(10), nullable=False, server_default=""),
)

Room = Table(
    "Room",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("building", ForeignKey("Building.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("floor", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("tags", JSON, nullable=False, server_default="[]", comment="words that scopes of rules name"),
    Column("hand_hold_s", Double, nullable=True, comment="NULL: as the building"),
    Column("empty_hold_s", Double, nullable=True, comment="NULL: as the building"),
    UniqueConstraint("building", "number"),
    sqlite_autoincrement=True,
)

Beacon = Table(
    "Beacon",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False),
    Column("major", Integer, nullable=False),
    Column("minor", Integer, nullable=False),
    Column("room", ForeignKey("Room.id", ondelete="CASCADE"), nullable=False, index=True),
    UniqueConstraint("uuid", "major", "minor"),
)

Gateway = Table(
    "Gateway",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("type", String(16), nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("options", JSON, nullable=False),
)

# A device that the building file no longer names keeps its row, without a room: its history stays, its id is never
# given again, and it gets that id back when it returns. Hence no foreign key to a gateway that may be gone.
Device = Table(
    "Device",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("room", ForeignKey("Room.id", ondelete="SET NULL"), nullable=True, index=True),
    Column("kind", String(16), nullable=False, comment="knx or zwave"),
    Column("gateway", String(64), nullable=False),
    Column("source", String(200), nullable=False, comment="the identity by which an import knows it again"),
    Column("place", Integer, nullable=False, comment="its order in the room, as in the building file"),
    Column("points", JSON, nullable=False),
    Column("options", JSON, nullable=False),
    UniqueConstraint("gateway", "source"),
    sqlite_autoincrement=True,
)

KnxNode = Table(
    "KnxNode",
    metadata,
    Column("device", ForeignKey("Device.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(64), nullable=False, comment="blind, radiator ..."),
    Column("bloc", Integer, nullable=True),
    Column("floor", Integer, nullable=True),
    Column("name", String(200), nullable=False),
    Index(None, "kind", "bloc", "floor"),
)

ZwaveNode = Table(
    "ZwaveNode",
    metadata,
    Column("device", ForeignKey("Device.id", ondelete="CASCADE"), primary_key=True),
    Column("node_id", Integer, nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(64), nullable=False, comment="sensor, lamp ..."),
)

# Clustered by what is asked for (a device's values of one reason over a time), and it holds one row a moment.
Log = Table(
    "Log",
    metadata,
    Column("device", ForeignKey("Device.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("reason", String(64), primary_key=True),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)

State = Table(
    "State",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("value", LargeBinary(16_000_000), nullable=False),
    Column("at", BigInteger, nullable=False),
)

Position = Table(
    "Position",
    metadata,
    Column("reader", String(64), primary_key=True),
    Column("topic", String(64), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("run", String(64), nullable=False, comment="of the in-memory bus; empty for Kafka"),
    Column("offset", BigInteger, nullable=False),
)

Change = Table(
    "Change",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("what", String(200), nullable=False),
    sqlite_autoincrement=True,
)

Setting = Table(
    "Setting",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("value", JSON, nullable=False),
)

# --- history: why something moved, and roll-ups of Log

# No foreign keys here: what was asked of a device or a room that is gone since is still to be known.
Decision = Table(
    "Decision",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("timestamp", BigInteger, nullable=False, index=True, comment="when it was decided, building's clock"),
    Column("at", BigInteger, nullable=False),
    Column("room", Integer, nullable=False),
    Column("device", Integer, nullable=False),
    Column("point", String(64), nullable=False),
    Column("value", Double, nullable=False),
    Column("rule", String(200), nullable=False),
    Column("version", String(200), nullable=False),
    Column("command", String(64), nullable=False, index=True),
    Column("cause", String(200), nullable=False, comment="id of the reading, or the moment, that changed the answer"),
    Column("seen", JSON, nullable=False),
    Column("lost", JSON, nullable=False),
    Column("because", String(255), nullable=False, server_default=""),
    Column("observed", Boolean, nullable=False, server_default="0"),
    Column("shadow", Boolean, nullable=False, server_default="0"),
    Index(None, "device", "timestamp"),
    Index(None, "room", "timestamp"),
)

CommandResult = Table(
    "CommandResult",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("timestamp", BigInteger, nullable=False, index=True, comment="when it was commanded, building's clock"),
    Column("at", BigInteger, nullable=False),
    Column("room", Integer, nullable=True),
    Column("device", Integer, nullable=False),
    Column("gateway", String(64), nullable=False),
    Column("point", String(64), nullable=False),
    Column("value", Double, nullable=False),
    Column("command", String(64), nullable=False, index=True),
    Column("command_at", BigInteger, nullable=False),
    Column("command_class", String(16), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("origin_kind", String(16), nullable=False),
    Column("origin_name", String(200), nullable=False),
    Column("origin_cause", String(200), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(500), nullable=False),
    Index(None, "device", "timestamp"),
    Index(None, "room", "timestamp"),
)

# Requests that came with header Idempotency-Key, for a day.
CommandKey = Table(
    "CommandKey",
    metadata,
    Column("id", String(64), primary_key=True, comment="SHA-256 of the account and the key"),
    Column("at", BigInteger, nullable=False, index=True),
    Column("asked", String(64), nullable=False, comment="SHA-256 of the body"),
    Column("commands", JSON, nullable=False, comment="that it became"),
)

# What a device that can be driven told of a move: that a command arrived, or that somebody drove it at the wall.
Move = Table(
    "Move",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("timestamp", BigInteger, nullable=False, index=True, comment="when it was measured, building's clock"),
    Column("room", Integer, nullable=True),
    Column("device", Integer, nullable=False),
    Column("point", String(64), nullable=False),
    Column("value", Double, nullable=False),
    Column("cause", String(64), nullable=False, index=True, comment="the command, or the press at the wall"),
    Column("begins", Boolean, nullable=False, comment="the first that is heard of a press at the wall"),
    Column("origin_kind", String(16), nullable=False),
    Column("origin_name", String(200), nullable=False),
    Index(None, "device", "timestamp"),
    Index(None, "room", "timestamp"),
)

# A room without a row here is in the building's mode (store/hands.py).
RoomMode = Table(
    "RoomMode",
    metadata,
    Column("room", ForeignKey("Room.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("mode", String(16), nullable=False, comment="observe or active"),
)

RuleVersion = Table(
    "RuleVersion",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", String(64), nullable=False, index=True, comment="hash of the rules' content"),
    Column("name", String(200), nullable=False),
    Column("rules", JSON, nullable=False),
    Column("source", Text(16_000_000), nullable=False, comment="TOML, as it was given"),
    Column("by", String(200), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("shadow", Boolean, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)

# What a rehearsal needs beside Log, results and moves (store/heard.py).
Heard = Table(
    "Heard",
    metadata,
    Column("place", Integer, primary_key=True, comment="the order in which it was heard"),
    Column("id", String(64), nullable=False, unique=True),
    Column("timestamp", BigInteger, nullable=False, index=True, comment="building's clock"),
    Column("key", String(255), nullable=False, comment="of topic state; or start, quality or lease_end"),
    Column("room", Integer, nullable=True),
    Column("value", LargeBinary(16_000_000), nullable=False, comment="as on the bus; empty: a tombstone"),
    Index(None, "key", "timestamp"),
)

AlertEvent = Table(
    "AlertEvent",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("timestamp", BigInteger, nullable=False, index=True, comment="when it happened, building's clock"),
    Column("at", BigInteger, nullable=False),
    Column("what", String(16), nullable=False, comment="raised, acknowledged or cleared"),
    Column("alert", String(64), nullable=False, index=True),
    Column("key", String(200), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("text", String(255), nullable=False),
    Column("gateway", String(64), nullable=False),
    Column("device", Integer, nullable=True),
    Column("room", Integer, nullable=True),
    Column("raised_at", BigInteger, nullable=False),
    Column("acknowledged_at", BigInteger, nullable=False, comment="0: not by then"),
    Column("acknowledged_by", String(200), nullable=False),
    Column("cleared_at", BigInteger, nullable=False, comment="0: not by then"),
)

Series = Table(
    "Series",
    metadata,
    Column("device", ForeignKey("Device.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("reason", String(64), primary_key=True),
    Column("upto", BigInteger, nullable=False, comment="every window of the roll-ups that ends by then is in them"),
    sqlite_with_rowid=False,
)


def _rollups(name: str) -> Table:
    """Clustered as Log is. ``known``: the milliseconds of the window for which there was a value."""
    return Table(
        name,
        metadata,
        Column("device", ForeignKey("Device.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        Column("reason", String(64), primary_key=True),
        Column("start", BigInteger, primary_key=True, autoincrement=False),
        Column("mean", Double, nullable=False, comment="weighted by time"),
        Column("minimum", Double, nullable=False),
        Column("maximum", Double, nullable=False),
        Column("last", Double, nullable=False),
        Column("known", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


LogFiveMinutes = _rollups("LogFiveMinutes")
LogHours = _rollups("LogHours")
LogDays = _rollups("LogDays")

# --- who may do what

Account = Table(
    "Account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("password", String(200), nullable=True, comment="argon2id; NULL: signs in elsewhere, or not at all"),
    Column("issuer", String(200), nullable=True, comment="OpenID Connect: whose word it is ..."),
    Column("subject", String(200), nullable=True, comment="... and whom it means"),
    Column("admin", Boolean, nullable=False, server_default="0"),
    Column("active", Boolean, nullable=False, server_default="1"),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("issuer", "subject"),
    sqlite_autoincrement=True,
)

Team = Table(
    "Team",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

TeamMember = Table(
    "TeamMember",
    metadata,
    Column("team", ForeignKey("Team.id", ondelete="CASCADE"), primary_key=True),
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), primary_key=True, index=True),
)

Permission = Table(
    "Permission",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("team", ForeignKey("Team.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("level", String(16), nullable=False, comment="see, drive or manage"),
    Column("there", Boolean, nullable=False, server_default="0", comment="only while the person is in the room"),
    Column("site", ForeignKey("Site.id", ondelete="CASCADE"), nullable=True),
    Column("building", ForeignKey("Building.id", ondelete="CASCADE"), nullable=True),
    Column("floor", Integer, nullable=True, comment="of the building"),
    Column("room", ForeignKey("Room.id", ondelete="CASCADE"), nullable=True),
    sqlite_autoincrement=True,
)

Session = Table(
    "Session",
    metadata,
    Column("digest", String(64), primary_key=True, comment="SHA-256 of the cookie's value"),
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
)

Token = Table(
    "Token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("level", String(16), nullable=False, comment="no more than this, whatever the account may"),
    Column("rooms", JSON, nullable=True, comment="ids; NULL: all that the account may"),
    Column("created_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=True),
    sqlite_autoincrement=True,
)

Presence = Table(
    "Presence",
    metadata,
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("session", String(64), nullable=False, comment="SHA-256 of the session's or the token's secret: it alone"),
    Column("room", ForeignKey("Room.id", ondelete="CASCADE"), nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
)

Nonce = Table(
    "Nonce",
    metadata,
    Column("session", String(64), primary_key=True, comment="SHA-256 of the session's or the token's secret"),
    Column("digest", String(64), nullable=False, comment="SHA-256 of the nonce"),
    Column("ends_at", BigInteger, nullable=False, index=True),
)

GuestCode = Table(
    "GuestCode",
    metadata,
    Column("room", ForeignKey("Room.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("code", String(64), nullable=False, comment="hangs in the room, so it is kept as it is"),
    Column("digest", String(64), nullable=False, unique=True, comment="SHA-256 of the code"),
    Column("made_at", BigInteger, nullable=False),
)

Guest = Table(
    "Guest",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True, comment="SHA-256 of the cookie's value"),
    Column("room", ForeignKey("GuestCode.room", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", String(64), nullable=False),
    Column("came_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
    sqlite_autoincrement=True,
)

Attempt = Table(
    "Attempt",
    metadata,
    Column("key", String(255), primary_key=True, comment="access/attempts.py"),
    Column("failures", Integer, nullable=False),
    Column("since", BigInteger, nullable=False),
)

KnownAddress = Table(
    "KnownAddress",
    metadata,
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False, comment="when the account last signed in from there"),
)

OpenIdRequest = Table(
    "OpenIdRequest",
    metadata,
    Column("digest", String(64), primary_key=True, comment="SHA-256 of the state that the provider gives back"),
    Column("browser", String(64), nullable=False, comment="SHA-256 of the cookie of who began it"),
    Column("provider", String(32), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(64), nullable=False, comment="of PKCE"),
    Column("next", String(500), nullable=False, comment="where the browser goes at the end"),
    Column(
        "account", ForeignKey("Account.id", ondelete="CASCADE"), nullable=True, comment="whom it is to be linked to"
    ),
    Column("address", String(64), nullable=False, index=True),
    Column("ends_at", BigInteger, nullable=False, index=True),
)

# Rows are added, and none is changed or removed by Insula. Who is gone since is still to be known: no foreign keys.
Audit = Table(
    "Audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("account", Integer, nullable=True, index=True),
    Column("name", String(200), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(64), nullable=False, index=True),
    Column("target", String(200), nullable=False),
    Column("details", JSON, nullable=False),
    sqlite_autoincrement=True,
)
