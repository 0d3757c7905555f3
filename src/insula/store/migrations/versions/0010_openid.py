"""Sign-ins by OpenID Connect that have begun."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "OpenIdRequest",
        sa.Column(
            "digest",
            sa.String(length=64),
            nullable=False,
            comment="SHA-256 of the state that the provider gives back",
        ),
        sa.Column("browser", sa.String(length=64), nullable=False, comment="SHA-256 of the cookie of who began it"),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=64), nullable=False, comment="of PKCE"),
        sa.Column("next", sa.String(length=500), nullable=False, comment="where the browser goes at the end"),
        sa.Column("account", sa.Integer(), nullable=True, comment="whom it is to be linked to"),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["Account.id"], name=op.f("fk_OpenIdRequest_account"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_OpenIdRequest")),
    )
    op.create_index(op.f("ix_OpenIdRequest_address"), "OpenIdRequest", ["address"], unique=False)
    op.create_index(op.f("ix_OpenIdRequest_ends_at"), "OpenIdRequest", ["ends_at"], unique=False)
