"""What must hold of a day: nothing moved that the true world did not justify, and one alert for what is dead, no other.

Times are ms of the building's clock.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bench.chaos.breaking import INSULA, KNX, MINUTE_MS, ZWAVE, Outage
from bench.chaos.watching import Actuation
from insula.simulator.truth import TruthLog

LIMIT_MS = 30 * MINUTE_MS
"""The freshness limit of what rules see, and how long a device may be silent."""
SLACK_MS = 10 * MINUTE_MS
"""Motion clears four minutes after the last move, and sensors report in cycles of four: what a value may lag."""
WIRE_S = 8.0
"""Real time from a decision to the wire: the radio is busy for 3.5 s with each node that does not answer."""
NOTICE_S, CONNECT_S = 32.0, 20.0
"""Real time until an alert: of a device 20 s in which its gateway could turn out to be away, of a gateway the 5 s of
this bench's settings; and each up to 5 s for the gateway's own word, 5 s for the next look."""
BEFORE_KILL_S = 2.5
"""What was not yet written down when Insula was killed (real time)."""
EMERGENCY = 50.0
"""Percent: where a simulated valve goes when nobody has told it anything for half an hour. No rule wishes that."""
MOVES_A_DAY = 40
"""More to one blind or lamp in a day would be flapping: people come and go a dozen times."""
NIGHT = ("19:00", "07:00")


@dataclass
class Day:
    """What was seen. ``device_of``: device ids by node; ``real``: ms of the building's clock in a real second."""

    begin: int
    end: int
    real: float
    zone: ZoneInfo
    truth: TruthLog
    outages: Sequence[Outage]
    actuations: Sequence[Actuation]
    entries: Sequence[dict[str, Any]]
    alerts: Sequence[dict[str, Any]]
    letters: Sequence[dict[str, Any]]
    nodes: dict[int, int]

    def faults(self) -> Iterator[str]:
        for outage in self.outages:
            outage.end = outage.end or self.end
        yield from self._unjustified()
        yield from self._untrue_decisions()
        yield from self._unexplained()
        yield from self._flapping()
        yield from self._wrong_alerts()
        yield from self._wrong_letters()

    def to_be_told(self) -> int:
        """How many outages must have an alert; of the others it is one at most."""
        return sum(bool(self._must_be_told(outage)) for outage in self.outages)

    # --- what moved

    def _moves(self) -> list[Actuation]:
        """Without the repetition of a valve's emergency position, where it went by itself while Insula was away."""
        return [one for one in self.actuations if (one.point, one.value) != ("valve", EMERGENCY)]

    def _unjustified(self) -> Iterator[str]:
        for one in self._moves():
            begin = one.at - LIMIT_MS - SLACK_MS - round(WIRE_S * self.real)
            if not self._justified(one, begin):
                yield f"{self._time(one.at)} room {one.room}: nothing justified {one.point} {one.value:g}"

    def _justified(self, one: Actuation, begin: int) -> bool:
        """By the set ``default``: the first rule that could have been true makes this of it."""

        def ever(name: str, test: Callable[[float], bool]) -> bool:
            return self.truth.ever(one.room, name, begin, one.at, test)

        there, empty = ever("occupied", bool), ever("occupied", lambda value: not value)
        dark, bright = ever("daylight", lambda lux: lux <= 40), ever("daylight", lambda lux: lux > 5)
        by_day, by_night = self._passed(begin, one.at)
        match one.point, one.value:
            case "valve", 90:
                return there
            case "valve", 10:
                return empty
            case "position", 0:
                return ever("humidity", lambda percent: percent > 48)
            case "position", 100:
                return there and dark and by_day
            case "level", 90:
                return there and (dark or by_night)
            case "level", 0:
                return empty or (by_day and bright)
        return False

    def _passed(self, begin: int, end: int) -> tuple[bool, bool]:
        """Whether it was day, and whether it was night."""
        texts = {f"{datetime.fromtimestamp(at / 1000, self.zone):%H:%M}" for at in range(begin, end + 1, MINUTE_MS)}
        night = {text for text in texts if text >= NIGHT[0] or text < NIGHT[1]}
        return bool(texts - night), bool(night)

    def _untrue_decisions(self) -> Iterator[str]:
        """What each rule saw was true at some moment within the freshness limit."""
        for entry in self.entries:
            begin, end = entry["at"] - LIMIT_MS - SLACK_MS, entry["at"]
            for name, value in entry.get("values", {}).items():
                true_name, width = {
                    "occupied": ("occupied", 0.5),
                    "humidity": ("humidity", 2.0),
                    "illuminance": ("daylight", max(15.0, float(value) * 0.25) if name == "illuminance" else 0.0),
                }.get(name, ("", 0.0))
                if true_name and not self.truth.was(entry["room_number"], true_name, float(value), begin, end, width):
                    true = [known for _, known in self.truth.between(entry["room_number"], true_name, begin, end)]
                    seen = f"saw {name} {value}, true was {min(true):g} to {max(true):g}"
                    yield f"{self._time(end)} room {entry['room_number']}: {entry['rule']} {seen}"

    def _unexplained(self) -> Iterator[str]:
        """Everything that moved has an entry, and every entry an answer; but for the moment before a kill."""
        for one in self._moves():
            near = range(one.at - round(60 * self.real), one.at + round(self.real))
            known = any(
                (entry["room_number"], entry["point"], entry["value"]) == (one.room, one.point, one.value)
                and entry["at"] in near
                for entry in self.entries
            )
            if not known and not self._before_kill(one.at):
                yield f"{self._time(one.at)} room {one.room}: nobody knows why {one.point} went to {one.value:g}"
        for entry in self.entries:
            last = entry["at"] > self.end - round(60 * self.real)
            if entry["outcome"] == "open" and not last and not self._before_kill(entry["at"], 35):
                yield f"{self._time(entry['at'])} never answered: {entry['text']}"

    def _before_kill(self, at: int, seconds: float = BEFORE_KILL_S) -> bool:
        kills = [outage.begin for outage in self.outages if outage.what == INSULA]
        return any(0 <= kill - at <= seconds * self.real for kill in [*kills, self.end])

    def _flapping(self) -> Iterator[str]:
        for (room, point), count in Counter((one.room, one.point) for one in self.actuations).items():
            if count > MOVES_A_DAY and point != "valve":
                yield f"room {room}: {point} moved {count} times in a day"

    # --- alerts

    def _wrong_alerts(self) -> Iterator[str]:
        """Of each thing that was away for so long that it must have been told: one. Of what was not: none."""
        left = {alert["id"]: alert for alert in self.alerts}
        for outage in self.outages:
            its = [alert for alert in self.alerts if self._is_of(alert, outage)]
            for alert in its:
                left.pop(alert["id"], None)
            if len(its) > 1:
                yield f"{self._said(outage)}: {len(its)} alerts: {[alert['text'] for alert in its]}"
            if not its and (since := self._must_be_told(outage)):
                yield f"{self._said(outage)}: no alert, though seen from {self._time(since)} on"
            for alert in its:
                late = alert["raised_at"] - (self._told_by(outage) or alert["raised_at"])
                if late > 0:
                    yield f"{self._said(outage)}: told {late // MINUTE_MS} min late: {alert['text']}"
        for alert in left.values():
            yield f"{self._time(alert['raised_at'])} nothing was wrong, but: {alert['key']}: {alert['text']}"

    def _key(self, what: str) -> str:
        if what in (KNX, ZWAVE):
            return f"gateway-{what.removeprefix('gateway ')}.away"
        return "" if what == INSULA else f"device-{self.nodes[int(what.removeprefix('node '))]}.away"

    def _is_of(self, alert: dict[str, Any], outage: Outage) -> bool:
        """Raised while it was away, or at the look after that."""
        until = outage.end + round(12 * self.real)
        return bool(alert["key"] == self._key(outage.what) and outage.begin <= alert["raised_at"] <= until)

    def _hidden_by(self, outage: Outage) -> set[str]:
        return {INSULA} if outage.what in (KNX, ZWAVE) else {INSULA, ZWAVE}

    def _needs(self, outage: Outage) -> int:
        if outage.what in (KNX, ZWAVE):
            return round(CONNECT_S * self.real)
        return LIMIT_MS + round(NOTICE_S * self.real)

    def _seen(self, outage: Outage) -> list[tuple[int, int]]:
        """The times within an outage at which it could be seen: its gateway was there, and Insula."""
        if outage.what == INSULA:
            return []
        pieces = [(outage.begin, outage.end)]
        for other in self.outages:
            if other.what in self._hidden_by(outage):
                pieces = [
                    piece
                    for begin, end in pieces
                    for piece in ((begin, min(end, other.begin)), (max(begin, other.end), end))
                    if piece[0] < piece[1]
                ]
        return pieces

    def _must_be_told(self, outage: Outage) -> int:
        """From when on it was seen for long enough; 0: it was not."""
        return next((begin for begin, end in self._seen(outage) if end - begin > self._needs(outage)), 0)

    def _told_by(self, outage: Outage) -> int:
        since = self._must_be_told(outage)
        return since and since + self._needs(outage)

    def _wrong_letters(self) -> Iterator[str]:
        """Each alert is told once; twice only where Insula was killed between sending and writing down."""
        told = Counter(alert["id"] for letter in self.letters for alert in letter["raised"])
        kills = sum(outage.what == INSULA for outage in self.outages)
        twice = [alert_id for alert_id, times in told.items() if times > 1]
        if len(twice) > kills:
            yield f"{len(twice)} alerts were told more than once, and Insula was killed {kills} times"
        for letter in self.letters:
            gateways = {alert["gateway_id"] for alert in letter["raised"] if alert["key"].startswith("gateway-")}
            devices = [alert for alert in letter["raised"] if alert["device_id"] and alert["gateway_id"] in gateways]
            for alert in devices:
                if not any(self._is_of(alert, outage) for outage in self.outages):
                    yield f"a dead gateway was more than one message: {alert['text']}"

    # --- words

    def _said(self, outage: Outage) -> str:
        return f"{outage.what} was away {self._time(outage.begin)} to {self._time(outage.end)}"

    def _time(self, at: int) -> str:
        return f"{datetime.fromtimestamp(at / 1000, self.zone):%H:%M}"
