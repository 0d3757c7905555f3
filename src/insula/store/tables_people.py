"""Tables of who may do what, and who did: accounts, rights, sessions, presence, guests, the audit."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Integer, String, Table, UniqueConstraint

from insula.store.metadata import metadata

# Requests that came with header Idempotency-Key, for a day.
CommandKey = Table(
    "CommandKey",
    metadata,
    Column("id", String(64), primary_key=True, comment="SHA-256 of the account and the key"),
    Column("at", BigInteger, nullable=False, index=True),
    Column("asked", String(64), nullable=False, comment="SHA-256 of the body"),
    Column("commands", JSON, nullable=False, comment="that it became"),
)

Account = Table(
    "Account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("password", String(200), nullable=True, comment="argon2id; NULL: signs in elsewhere, or not at all"),
    Column("issuer", String(200), nullable=True, comment="OpenID Connect: whose word it is ..."),
    Column("subject", String(200), nullable=True, comment="... and whom it means"),
    Column("admin", Boolean, nullable=False, server_default="0"),
    Column("active", Boolean, nullable=False, server_default="1"),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("issuer", "subject"),
    sqlite_autoincrement=True,
)

Team = Table(
    "Team",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

TeamMember = Table(
    "TeamMember",
    metadata,
    Column("team", ForeignKey("Team.id", ondelete="CASCADE"), primary_key=True),
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), primary_key=True, index=True),
)

Permission = Table(
    "Permission",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("team", ForeignKey("Team.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("level", String(16), nullable=False, comment="see, drive or manage"),
    Column("there", Boolean, nullable=False, server_default="0", comment="only while the person is in the room"),
    Column("site", ForeignKey("Site.id", ondelete="CASCADE"), nullable=True),
    Column("building", ForeignKey("Building.id", ondelete="CASCADE"), nullable=True),
    Column("floor", Integer, nullable=True, comment="of the building"),
    Column("room", ForeignKey("Room.id", ondelete="CASCADE"), nullable=True),
    sqlite_autoincrement=True,
)

Session = Table(
    "Session",
    metadata,
    Column("digest", String(64), primary_key=True, comment="SHA-256 of the cookie's value"),
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
)

Token = Table(
    "Token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("level", String(16), nullable=False, comment="no more than this, whatever the account may"),
    Column("rooms", JSON, nullable=True, comment="ids; NULL: all that the account may"),
    Column("created_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=True),
    sqlite_autoincrement=True,
)

Presence = Table(
    "Presence",
    metadata,
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("session", String(64), nullable=False, comment="SHA-256 of the session's or the token's secret: it alone"),
    Column("room", ForeignKey("Room.id", ondelete="CASCADE"), nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
)

Nonce = Table(
    "Nonce",
    metadata,
    Column("session", String(64), primary_key=True, comment="SHA-256 of the session's or the token's secret"),
    Column("digest", String(64), nullable=False, comment="SHA-256 of the nonce"),
    Column("ends_at", BigInteger, nullable=False, index=True),
)

GuestCode = Table(
    "GuestCode",
    metadata,
    Column("room", ForeignKey("Room.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("code", String(64), nullable=False, comment="hangs in the room, so it is kept as it is"),
    Column("digest", String(64), nullable=False, unique=True, comment="SHA-256 of the code"),
    Column("made_at", BigInteger, nullable=False),
)

Guest = Table(
    "Guest",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True, comment="SHA-256 of the cookie's value"),
    Column("room", ForeignKey("GuestCode.room", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", String(64), nullable=False),
    Column("came_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
    sqlite_autoincrement=True,
)

Attempt = Table(
    "Attempt",
    metadata,
    Column("key", String(255), primary_key=True, comment="access/attempts.py"),
    Column("failures", Integer, nullable=False),
    Column("since", BigInteger, nullable=False),
)

KnownAddress = Table(
    "KnownAddress",
    metadata,
    Column("account", ForeignKey("Account.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False, comment="when the account last signed in from there"),
)

OpenIdRequest = Table(
    "OpenIdRequest",
    metadata,
    Column("digest", String(64), primary_key=True, comment="SHA-256 of the state that the provider gives back"),
    Column("browser", String(64), nullable=False, comment="SHA-256 of the cookie of who began it"),
    Column("provider", String(32), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(64), nullable=False, comment="of PKCE"),
    Column("next", String(500), nullable=False, comment="where the browser goes at the end"),
    Column(
        "account", ForeignKey("Account.id", ondelete="CASCADE"), nullable=True, comment="whom it is to be linked to"
    ),
    Column("address", String(64), nullable=False, index=True),
    Column("ends_at", BigInteger, nullable=False, index=True),
)

# Rows are added, and none is changed or removed by Insula. Who is gone since is still to be known: no foreign keys.
Audit = Table(
    "Audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("account", Integer, nullable=True, index=True),
    Column("name", String(200), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(64), nullable=False, index=True),
    Column("target", String(200), nullable=False),
    Column("details", JSON, nullable=False),
    sqlite_autoincrement=True,
)
