"""What rules and leases need of rooms and of the building."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for column in _building():
        op.add_column("Building", column)
    for column in _room():
        op.add_column("Room", column)


def _building() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "country", sa.String(length=2), server_default="", nullable=False, comment="ISO 3166-1: whose holidays"
        ),
        sa.Column("subdivision", sa.String(length=16), server_default="", nullable=False),
        sa.Column(
            "vacation_from", sa.String(length=10), server_default="", nullable=False, comment="ISO 8601; empty: none"
        ),
        sa.Column("vacation_to", sa.String(length=10), server_default="", nullable=False),
    ]


def _room() -> list[sa.Column[object]]:
    return [
        sa.Column("tags", sa.JSON(), server_default="[]", nullable=False, comment="words that scopes of rules name"),
        sa.Column("hand_hold_s", sa.Double(), nullable=True, comment="NULL: as the building"),
        sa.Column("empty_hold_s", sa.Double(), nullable=True, comment="NULL: as the building"),
    ]
