"""Rules that are only tried, and what a rehearsal needs beside Log."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("Decision", sa.Column("shadow", sa.Boolean(), server_default="0", nullable=False))
    op.add_column("RuleVersion", sa.Column("shadow", sa.Boolean(), server_default="0", nullable=False))
    op.create_table(
        "Heard",
        sa.Column("place", sa.Integer(), nullable=False, comment="the order in which it was heard"),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False, comment="building's clock"),
        sa.Column(
            "key", sa.String(length=255), nullable=False, comment="of topic state; or start, quality or lease_end"
        ),
        sa.Column("room", sa.Integer(), nullable=True),
        sa.Column(
            "value", sa.LargeBinary(length=16_000_000), nullable=False, comment="as on the bus; empty: a tombstone"
        ),
        sa.PrimaryKeyConstraint("place", name="pk_Heard"),
        sa.UniqueConstraint("id", name="uq_Heard_id"),
    )
    op.create_index("ix_Heard_timestamp", "Heard", ["timestamp"])
    op.create_index("ix_Heard_key_timestamp", "Heard", ["key", "timestamp"])
