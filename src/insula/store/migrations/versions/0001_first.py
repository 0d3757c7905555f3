"""The first schema: 2020's six tables, and what site, gateways, state, positions and imports need."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "Change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_Change"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "Gateway",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_Gateway"),
    )
    op.create_table(
        "Position",
        sa.Column("reader", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run", sa.String(length=64), nullable=False, comment="of the in-memory bus; empty for Kafka"),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reader", "topic", "partition", name="pk_Position"),
    )
    op.create_table(
        "Setting",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_Setting"),
    )
    op.create_table(
        "Site",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_Site"),
        sa.UniqueConstraint("name", name="uq_Site_name"),
    )
    op.create_table(
        "State",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.LargeBinary(length=16000000), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_State"),
    )
    op.create_table(
        "Building",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("rules", sa.String(length=64), nullable=False),
        sa.Column("hand_hold_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["Site.id"], name="fk_Building_site"),
        sa.PrimaryKeyConstraint("id", name="pk_Building"),
    )
    op.create_table(
        "Room",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("building", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("floor", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["building"], ["Building.id"], name="fk_Room_building"),
        sa.PrimaryKeyConstraint("id", name="pk_Room"),
        sa.UniqueConstraint("building", "number", name="uq_Room_building_number"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "Beacon",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("major", sa.Integer(), nullable=False),
        sa.Column("minor", sa.Integer(), nullable=False),
        sa.Column("room", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["room"], ["Room.id"], name="fk_Beacon_room", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_Beacon"),
        sa.UniqueConstraint("uuid", "major", "minor", name="uq_Beacon_uuid_major_minor"),
    )
    op.create_index("ix_Beacon_room", "Beacon", ["room"])
    op.create_table(
        "Device",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("room", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="knx or zwave"),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column(
            "source", sa.String(length=200), nullable=False, comment="the identity by which an import knows it again"
        ),
        sa.Column("place", sa.Integer(), nullable=False, comment="its order in the room, as in the building file"),
        sa.Column("points", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["room"], ["Room.id"], name="fk_Device_room", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_Device"),
        sa.UniqueConstraint("gateway", "source", name="uq_Device_gateway_source"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_Device_room", "Device", ["room"])
    op.create_table(
        "KnxNode",
        sa.Column("device", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False, comment="blind, radiator ..."),
        sa.Column("bloc", sa.Integer(), nullable=True),
        sa.Column("floor", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["Device.id"], name="fk_KnxNode_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", name="pk_KnxNode"),
    )
    op.create_index("ix_KnxNode_kind_bloc_floor", "KnxNode", ["kind", "bloc", "floor"])
    op.create_table(
        "Log",
        sa.Column("device", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["Device.id"], name="fk_Log_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "reason", "timestamp", name="pk_Log"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ZwaveNode",
        sa.Column("device", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False, comment="sensor, lamp ..."),
        sa.ForeignKeyConstraint(["device"], ["Device.id"], name="fk_ZwaveNode_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", name="pk_ZwaveNode"),
    )
    op.create_index("ix_ZwaveNode_node_id", "ZwaveNode", ["node_id"])
