"""Presence and guests: how long each lasts, and how much of it is taken.

That somebody is in a room is a claim, and no proof: a beacon, a code and a tag can all be copied. So it makes live only
what the person was given, in one room at a time, and not for long.
"""

import secrets
from ipaddress import IPv6Address, ip_address

import msgspec

NONCE_MS = 60_000
"""A nonce can be used for so long (real time), once."""
WRONG_CODES, VISITS = 20, 20
"""Of codes that are none, from one address, and of guests of one room from one address: so many are taken in a window
of attempts.py."""
REFUSED_REPORTS = 20
"""Reports that give nothing are in the audit once in so many of them: a phone on its way makes some, a search many."""
MOST_GUESTS = 50
"""Of a room at once. Who comes when it is full ends the oldest visit from the address with most of them."""


class PresenceLimits(msgspec.Struct, frozen=True):
    """``lease_ms``: a presence ends so long after its last report; ``guest_ms``: a guest's visit after its beginning
    (real time); ``audit_rooms``: the audit names the room of each presence."""

    lease_ms: int = 300_000
    guest_ms: int = 7_200_000
    audit_rooms: bool = False


def new_code() -> str:
    """Of a room, 192 bits: nobody guesses it."""
    return secrets.token_urlsafe(24)


def guest_url(base: str, code: str) -> str:
    """What a room's QR code or tag says. What follows ``#`` is sent to no server, and so is in nobody's logs."""
    return f"{base.rstrip('/')}/guest#{code}"


def wrong_codes_key(address: str) -> str:
    return f"code {_network(address)}"[:255]


def visits_key(room: int, address: str) -> str:
    return f"visit {room} {_network(address)}"[:255]


def refused_reports_key(account: int) -> str:
    return f"presence {account}"


def _network(address: str) -> str:
    """Of IPv6 the first 64 bits: who has one address there has them all."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Address(int(found) >> 64 << 64)) if isinstance(found, IPv6Address) else address
