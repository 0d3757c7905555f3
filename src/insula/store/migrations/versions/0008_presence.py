"""Who says to be in which room; rooms that allow guests, and their guests."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "GuestCode",
        sa.Column("room", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False, comment="hangs in the room, so it is kept as it is"),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of the code"),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["room"], ["Room.id"], name=op.f("fk_GuestCode_room"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room", name=op.f("pk_GuestCode")),
        sa.UniqueConstraint("digest", name=op.f("uq_GuestCode_digest")),
    )
    op.create_table(
        "Guest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of the cookie's value"),
        sa.Column("room", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("came_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["room"], ["GuestCode.room"], name=op.f("fk_Guest_room"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_Guest")),
        sa.UniqueConstraint("digest", name=op.f("uq_Guest_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_Guest_ends_at"), "Guest", ["ends_at"], unique=False)
    op.create_index(op.f("ix_Guest_room"), "Guest", ["room"], unique=False)
    op.create_table(
        "Nonce",
        sa.Column(
            "session",
            sa.String(length=64),
            nullable=False,
            comment="SHA-256 of the session's or the token's secret",
        ),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of the nonce"),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session", name=op.f("pk_Nonce")),
    )
    op.create_index(op.f("ix_Nonce_ends_at"), "Nonce", ["ends_at"], unique=False)
    op.create_table(
        "Presence",
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "session",
            sa.String(length=64),
            nullable=False,
            comment="SHA-256 of the session's or the token's secret: it alone",
        ),
        sa.Column("room", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["Account.id"], name=op.f("fk_Presence_account"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room"], ["Room.id"], name=op.f("fk_Presence_room"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_Presence")),
    )
    op.create_index(op.f("ix_Presence_ends_at"), "Presence", ["ends_at"], unique=False)
