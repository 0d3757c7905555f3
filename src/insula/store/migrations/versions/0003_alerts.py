"""What became of the alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "AlertEvent",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False, comment="when it happened, building's clock"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False, comment="raised, acknowledged or cleared"),
        sa.Column("alert", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("text", sa.String(length=255), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("device", sa.Integer(), nullable=True),
        sa.Column("room", sa.Integer(), nullable=True),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=False, comment="0: not by then"),
        sa.Column("acknowledged_by", sa.String(length=200), nullable=False),
        sa.Column("cleared_at", sa.BigInteger(), nullable=False, comment="0: not by then"),
        sa.PrimaryKeyConstraint("id", name="pk_AlertEvent"),
    )
    for column in ("timestamp", "alert", "key"):
        op.create_index(f"ix_AlertEvent_{column}", "AlertEvent", [column])
