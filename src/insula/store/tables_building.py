"""Tables of the building: its places, devices and gateways, its settings and rules."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from insula.store.metadata import metadata

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
