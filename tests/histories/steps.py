"""What can happen to a room, as hypothesis draws it."""

from hypothesis import strategies as st

from insula.messages import RuleSet
from tests.a_room import local
from tests.histories.winner import PLAIN

Step = tuple[str, object]
History = tuple[int, list[Step]]

STARTS = [
    local("2026-03-11 12:00"),
    local("2026-03-11 01:50"),
    local("2026-03-28 23:40"),  # the night in which two o'clock becomes three
    local("2026-03-29 01:10"),
    local("2026-10-25 01:40"),  # the night in which three o'clock becomes two
    local("2026-10-25 01:40") + 3_600_000,
    local("2026-10-25 01:40") + 5_400_000,
    local("2026-12-31 21:30"),
]
BUILT_IN = ("default", "2020", "comfort")
READINGS = {
    "motion": [0.0, 1.0],
    "humidity": [30.0, 50.0, 51.0, 95.0],
    "temperature": [5.0, 8.0, 15.0, 21.0],
    "illuminance": [0.0, 20.0, 21.0, 300.0],
    "wind_alarm": [0.0, 1.0],
}
DRIVEN = {"position": [0.0, 60.0, 80.0], "valve": [0.0, 20.0, 90.0], "level": [0.0, 90.0]}


def _of(values: dict[str, list[float]]) -> st.SearchStrategy[tuple[str, float]]:
    return st.sampled_from([(point, value) for point, some in values.items() for value in some])


NAMES = [plain.rule.name for plain in PLAIN]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("report"), _of(READINGS)),
    st.tuples(st.just("report"), _of(READINGS)),
    st.tuples(st.just("advance"), st.sampled_from([1, 7, 31, 61, 130, 600, 1200, 2400, 3600])),
    st.tuples(st.just("advance"), st.sampled_from([30, 300, 600, 901, 1801])),
    st.tuples(st.just("user"), _of(DRIVEN)),
    st.tuples(st.just("2020"), _of(DRIVEN)),
    st.tuples(st.just("janitor"), _of(DRIVEN)),
    st.tuples(st.just("press"), _of(DRIVEN)),
    st.tuples(st.just("end lease"), st.sampled_from(sorted(DRIVEN))),
    st.tuples(st.just("rules"), st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple)),
    st.tuples(st.just("rules"), st.sampled_from([*BUILT_IN, "broken"])),
    st.tuples(st.just("mode"), st.sampled_from(["observe", "active"])),
    st.tuples(st.just("restart"), st.sampled_from([0, 2, 40, 1000, 4000])),
    st.tuples(st.just("hand over"), st.just(None)),
    st.tuples(st.just("clock"), st.sampled_from([-3600, -1500, -20, 20, 1500, 3600])),
    st.tuples(st.just("works"), st.sampled_from(["done", "done", "refused", "failed", None])),
    st.tuples(st.just("latency"), st.sampled_from([0.0, 0.3, 3.0, 20.0])),
    st.tuples(st.just("sensor"), st.booleans()),
    st.tuples(st.just("link"), st.booleans()),
)
HISTORIES: st.SearchStrategy[History] = st.tuples(st.sampled_from(STARTS), st.lists(STEPS, min_size=1, max_size=14))


def rule_set(names: object, version: str) -> RuleSet:
    """Those of the plain rules, in this order."""
    by_name = {plain.rule.name: plain.rule for plain in PLAIN}
    assert isinstance(names, tuple)
    return RuleSet(name="some", version=version, rules=tuple(by_name[name] for name in names))
