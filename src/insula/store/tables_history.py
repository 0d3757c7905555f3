"""Tables of what was: values, roll-ups, commands, decisions, moves and alerts; and how far each reader is."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table

from insula.store.metadata import metadata

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
