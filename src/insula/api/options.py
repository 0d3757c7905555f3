"""How an installation wants its API: what bootstrap takes from the settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from insula.access.presence import PresenceLimits
from insula.api.live.door import Limits
from insula.api.radio import Radio, no_radio

if TYPE_CHECKING:
    from insula.api.provider import Provider


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """``open_legacy``: the routes of 2020 answer to everybody, as in 2020; ``metrics_readers``: networks that read
    /metrics without signing in; ``providers``: of OpenID Connect, by which people may sign in; ``public_url``: where
    browsers reach all this; ``live``: of the live stream, which pages of ``origins`` may open too; ``radio``: loads
    what includes Z-Wave nodes."""

    open_legacy: bool = False
    metrics_readers: str = ""
    presence: PresenceLimits = field(default_factory=PresenceLimits)
    providers: Sequence["Provider"] = ()
    public_url: str = ""
    live: Limits = field(default_factory=Limits)
    origins: frozenset[str] = frozenset()
    radio: Callable[[], Radio] = no_radio


USUAL = ApiOptions()
