"""Accounts, teams and their rights, sessions, tokens, and who did what."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "Account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "password",
            sa.String(length=200),
            nullable=True,
            comment="argon2id; NULL: signs in elsewhere, or not at all",
        ),
        sa.Column("issuer", sa.String(length=200), nullable=True, comment="OpenID Connect: whose word it is ..."),
        sa.Column("subject", sa.String(length=200), nullable=True, comment="... and whom it means"),
        sa.Column("admin", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("active", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_Account")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_Account_issuer_subject")),
        sa.UniqueConstraint("name", name=op.f("uq_Account_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "Attempt",
        sa.Column("key", sa.String(length=255), nullable=False, comment="access/attempts.py"),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_Attempt")),
    )
    op.create_table(
        "Audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_Audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_Audit_account"), "Audit", ["account"], unique=False)
    op.create_index(op.f("ix_Audit_action"), "Audit", ["action"], unique=False)
    op.create_index(op.f("ix_Audit_at"), "Audit", ["at"], unique=False)
    op.create_table(
        "Team",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_Team")),
        sa.UniqueConstraint("name", name=op.f("uq_Team_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "KnownAddress",
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when the account last signed in from there"),
        sa.ForeignKeyConstraint(["account"], ["Account.id"], name=op.f("fk_KnownAddress_account"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account", "address", name=op.f("pk_KnownAddress")),
    )
    op.create_table(
        "Session",
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of the cookie's value"),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["Account.id"], name=op.f("fk_Session_account"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_Session")),
    )
    op.create_index(op.f("ix_Session_account"), "Session", ["account"], unique=False)
    op.create_index(op.f("ix_Session_ends_at"), "Session", ["ends_at"], unique=False)
    op.create_table(
        "TeamMember",
        sa.Column("team", sa.Integer(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["Account.id"], name=op.f("fk_TeamMember_account"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["team"], ["Team.id"], name=op.f("fk_TeamMember_team"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team", "account", name=op.f("pk_TeamMember")),
    )
    op.create_index(op.f("ix_TeamMember_account"), "TeamMember", ["account"], unique=False)
    op.create_table(
        "Token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False, comment="no more than this, whatever the account may"),
        sa.Column("rooms", sa.JSON(), nullable=True, comment="ids; NULL: all that the account may"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["Account.id"], name=op.f("fk_Token_account"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_Token")),
        sa.UniqueConstraint("digest", name=op.f("uq_Token_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_Token_account"), "Token", ["account"], unique=False)
    op.create_table(
        "Permission",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=True),
        sa.Column("team", sa.Integer(), nullable=True),
        sa.Column("level", sa.String(length=16), nullable=False, comment="see, drive or manage"),
        sa.Column(
            "there", sa.Boolean(), server_default="0", nullable=False, comment="only while the person is in the room"
        ),
        sa.Column("site", sa.Integer(), nullable=True),
        sa.Column("building", sa.Integer(), nullable=True),
        sa.Column("floor", sa.Integer(), nullable=True, comment="of the building"),
        sa.Column("room", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["Account.id"], name=op.f("fk_Permission_account"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["building"], ["Building.id"], name=op.f("fk_Permission_building"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["room"], ["Room.id"], name=op.f("fk_Permission_room"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["site"], ["Site.id"], name=op.f("fk_Permission_site"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["team"], ["Team.id"], name=op.f("fk_Permission_team"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_Permission")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_Permission_account"), "Permission", ["account"], unique=False)
    op.create_index(op.f("ix_Permission_team"), "Permission", ["team"], unique=False)
