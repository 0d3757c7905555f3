"""Alerts by e-mail (SMTP, RFC 5321)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal

import aiosmtplib

from insula.alerts.book import note
from insula.alerts.notices import Notice
from insula.errors import Unavailable

TIMEOUT_S = 20.0
Tls = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class Mail:
    """``tls``: ``starttls`` (port 587), ``tls`` from the first byte (port 465), or ``none``, within a house only."""

    host: str
    port: int
    sender: str
    to: Sequence[str]
    user: str = ""
    password: str = field(default="", repr=False)
    tls: Tls = "starttls"
    name: str = "mail"

    async def send(self, notice: Notice) -> None:
        """Raises Unavailable: not taken by the server, and why."""
        try:
            await aiosmtplib.send(
                self._message(notice),
                hostname=self.host,
                port=self.port,
                username=self.user or None,
                password=self.password or None,
                use_tls=self.tls == "tls",
                start_tls=self.tls == "starttls",
                timeout=TIMEOUT_S,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise Unavailable(f"{self.host}:{self.port}: {error}") from error

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = " ".join(notice.title.split())[:200]
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Message-ID"] = f"<{_id(notice)}@insula>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.text)
        return message


def _id(notice: Notice) -> str:
    """The same for what is sent twice, because nobody knows whether it was taken the first time."""
    told = ",".join(f"{alert.id} {note(alert, '')}" for alert in notice.alerts)
    return hashlib.sha256(told.encode()).hexdigest()[:32]
