"""Requests that came with header Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "CommandKey",
        sa.Column("id", sa.String(length=64), nullable=False, comment="SHA-256 of the account and the key"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.String(length=64), nullable=False, comment="SHA-256 of the body"),
        sa.Column("commands", sa.JSON(), nullable=False, comment="that it became"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_CommandKey")),
    )
    op.create_index(op.f("ix_CommandKey_at"), "CommandKey", ["at"])
