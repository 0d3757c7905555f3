"""Hands off, versions of the rules, moves at the wall, and what a decision was made for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("Building", sa.Column("empty_hold_s", sa.Double(), server_default="900", nullable=False))
    op.add_column("Decision", sa.Column("because", sa.String(length=255), server_default="", nullable=False))
    op.add_column("Decision", sa.Column("observed", sa.Boolean(), server_default="0", nullable=False))
    _moves()
    op.create_table(
        "RoomMode",
        sa.Column("room", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False, comment="observe or active"),
        sa.ForeignKeyConstraint(["room"], ["Room.id"], name="fk_RoomMode_room", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room", name="pk_RoomMode"),
    )
    op.create_table(
        "RuleVersion",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False, comment="hash of the rules' content"),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("source", sa.Text(length=16_000_000), nullable=False, comment="TOML, as it was given"),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_RuleVersion"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_RuleVersion_version", "RuleVersion", ["version"])


def _moves() -> None:
    op.create_table(
        "Move",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False, comment="when it was measured, building's clock"),
        sa.Column("room", sa.Integer(), nullable=True),
        sa.Column("device", sa.Integer(), nullable=False),
        sa.Column("point", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("cause", sa.String(length=64), nullable=False, comment="the command, or the press at the wall"),
        sa.Column("begins", sa.Boolean(), nullable=False, comment="the first that is heard of a press at the wall"),
        sa.Column("origin_kind", sa.String(length=16), nullable=False),
        sa.Column("origin_name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_Move"),
    )
    op.create_index("ix_Move_timestamp", "Move", ["timestamp"])
    op.create_index("ix_Move_cause", "Move", ["cause"])
    op.create_index("ix_Move_device_timestamp", "Move", ["device", "timestamp"])
    op.create_index("ix_Move_room_timestamp", "Move", ["room", "timestamp"])
