"""Alerts to a program of the house: a POST of JSON."""

from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from insula.alerts.notices import Notice
from insula.errors import Unavailable
from insula.messages import Alert

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Webhook:
    url: str
    name: str = "webhook"

    async def send(self, notice: Notice) -> None:
        """Raises Unavailable: not answered by 2xx within 20 s, and why."""
        body = {
            "at": notice.at,
            "building": notice.building.name,
            "title": notice.title,
            "raised": [_alert(alert) for alert in notice.raised],
            "cleared": [_alert(alert) for alert in notice.cleared],
        }
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S) as http:
                answer = await http.post(
                    self.url, content=msgspec.json.encode(body), headers={"Content-Type": "application/json"}
                )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unavailable(str(error) or type(error).__name__) from error
        if not answer.is_success:
            raise Unavailable(f"the webhook answers {answer.status_code}")


def _alert(alert: Alert) -> dict[str, Any]:
    """Without what is only ours."""
    return {name: value for name, value in msgspec.to_builtins(alert).items() if name not in ("told", "point", "value")}
