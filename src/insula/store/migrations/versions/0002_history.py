"""Results and decisions in tables of their own, and roll-ups of Log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _decisions()
    _results()
    op.create_table(
        "Series",
        *_series_key(),
        sa.Column(
            "upto", sa.BigInteger(), nullable=False, comment="every window of the roll-ups that ends by then is in them"
        ),
        sa.ForeignKeyConstraint(["device"], ["Device.id"], name="fk_Series_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "reason", name="pk_Series"),
        sqlite_with_rowid=False,
    )
    for name in ("LogFiveMinutes", "LogHours", "LogDays"):
        _rollups(name)


def _decisions() -> None:
    op.create_table(
        "Decision",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False, comment="when it was decided, building's clock"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("room", sa.Integer(), nullable=False),
        sa.Column("device", sa.Integer(), nullable=False),
        sa.Column("point", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("rule", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("command", sa.String(length=64), nullable=False),
        sa.Column(
            "cause",
            sa.String(length=200),
            nullable=False,
            comment="id of the reading, or the moment, that changed the answer",
        ),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.Column("lost", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_Decision"),
    )
    _event_indexes("Decision")


def _results() -> None:
    op.create_table(
        "CommandResult",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False, comment="when it was commanded, building's clock"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("room", sa.Integer(), nullable=True),
        sa.Column("device", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("point", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("command", sa.String(length=64), nullable=False),
        sa.Column("command_at", sa.BigInteger(), nullable=False),
        sa.Column("command_class", sa.String(length=16), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("origin_kind", sa.String(length=16), nullable=False),
        sa.Column("origin_name", sa.String(length=200), nullable=False),
        sa.Column("origin_cause", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_CommandResult"),
    )
    _event_indexes("CommandResult")


def _event_indexes(table: str) -> None:
    op.create_index(f"ix_{table}_timestamp", table, ["timestamp"])
    op.create_index(f"ix_{table}_command", table, ["command"])
    op.create_index(f"ix_{table}_device_timestamp", table, ["device", "timestamp"])
    op.create_index(f"ix_{table}_room_timestamp", table, ["room", "timestamp"])


def _series_key() -> list[sa.Column[object]]:
    return [
        sa.Column("device", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
    ]


def _rollups(name: str) -> None:
    op.create_table(
        name,
        *_series_key(),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mean", sa.Double(), nullable=False, comment="weighted by time"),
        sa.Column("minimum", sa.Double(), nullable=False),
        sa.Column("maximum", sa.Double(), nullable=False),
        sa.Column("last", sa.Double(), nullable=False),
        sa.Column("known", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["Device.id"], name=f"fk_{name}_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "reason", "start", name=f"pk_{name}"),
        sqlite_with_rowid=False,
    )
