"""``/metrics``: what it counts, who reads it, and that Prometheus's own tool finds no fault."""

import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families

from insula.api.app import create_api
from insula.api.options import ApiOptions
from insula.api.part_metrics import BY_PART
from insula.bus.health import EVERY_S
from insula.errors import InputError
from tests.flows.house import ROOM_1, House, console
from tests.flows.test_signing_in import Door, door, json

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "monitor.md"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Door]:
    async with door(tmp_path) as it:
        yield it


def served(home: House) -> httpx.AsyncClient:
    """As it is served: with its requests counted."""
    transport = httpx.ASGITransport(app=home.api.asgi, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://insula", headers=console(home.api))


async def samples(browser: httpx.AsyncClient) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """By name, then labels."""
    answer = await browser.get("/metrics")
    assert answer.status_code == 200, answer.text
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def promtool(*arguments: str, given: str = "") -> None:
    tool = shutil.which("promtool")
    assert tool is not None, "scripts/services.sh brings Debian's prometheus"
    done = subprocess.run([tool, *arguments], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


async def test_requests_are_counted_by_route(it: Door) -> None:
    async with served(it.home) as browser:
        for number in range(3):
            await browser.get(f"/api/v1/commands/nothing-{number}")
        await browser.get("/sensor_get_temperature", params=ROOM_1)
        await browser.get("/nowhere/at/all")
        await browser.request("BREW", "/get_beacons")
        found = await samples(browser)
    requests = found["insula_http_requests_total"]
    command = (("method", "GET"), ("route", "/api/v1/commands/{command_id}"))
    assert requests[*command, ("status", "404")] == 3
    assert requests[("method", "GET"), ("route", "none"), ("status", "404")] == 1
    assert requests[("method", "other"), ("route", "none"), ("status", "405")] == 1
    assert found["insula_http_request_duration_seconds_count"][command] == 3
    assert found["insula_http_request_duration_seconds_bucket"][("le", "+Inf"), *command] == 3
    assert "nothing-1" not in str(found)


async def test_every_part_is_in_it(it: Door) -> None:
    await it.home.measure(1, "temperature", 21.5)
    await it.home.get("/percentage_radiator", percentage=35)
    await it.home.clock.advance(2 * EVERY_S)
    async with served(it.home) as browser:
        found = await samples(browser)
    parts = {dict(labels)["part"]: value for labels, value in found["insula_part_up"].items()}
    assert parts == dict.fromkeys(("api", "directory", "gateway", "recorder"), 1)
    done = (("name", "knx"), ("outcome", "done"))
    assert found["insula_gateway_command_results_total"][done] == 1
    assert found["insula_gateway_link_up"] == {(("name", "knx"),): 1, (("name", "zwave"),): 1}
    assert (("name", "1"),) in found["insula_recorder_lag_records"]
    assert found["insula_database_pool_size"][()] >= 1
    (build,) = found["insula_build_info"]
    assert build[0][0] == "version"


async def test_no_counter_of_a_part_is_left_out(it: Door) -> None:
    await it.home.clock.advance(2 * EVERY_S)
    for health, _ in it.home.api.health.each():
        assert set(health.counters) <= BY_PART[health.part].keys(), f"{health.part}: name them in part_metrics.py"


@pytest.mark.prometheus
async def test_prometheus_finds_no_fault(it: Door) -> None:
    await it.home.clock.advance(2 * EVERY_S)
    async with served(it.home) as browser:
        await browser.get("/get_beacons")
        text = (await browser.get("/metrics")).text
        promtool("check", "metrics", given=text)
        answer = await browser.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert "insula_http_requests" in {family.name for family in read_open_metrics(answer.text)}


@pytest.mark.prometheus
def test_the_guides_rules_are_right(tmp_path: Path) -> None:
    scrape, rules = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "insula-rules.yml").write_text(rules)
    (tmp_path / "token").write_text("insula_x")
    (tmp_path / "prometheus.yml").write_text(scrape.replace("/etc/prometheus", str(tmp_path)))
    promtool("check", "rules", str(tmp_path / "insula-rules.yml"))
    promtool("check", "config", str(tmp_path / "prometheus.yml"))


async def test_the_guides_rules_name_what_is_there(it: Door) -> None:
    await it.home.clock.advance(2 * EVERY_S)
    async with served(it.home) as browser:
        await browser.get("/get_beacons")
        found = await samples(browser)
    known = found.keys() | {f"insula_{one.name}" for part in BY_PART.values() for one in part.values()}
    known |= {f"{name}_total" for name in known}
    named = set(re.findall(r"insula_\w+", " ".join(re.findall(r"expr: (.*)", GUIDE.read_text()))))
    assert len(named) > 5
    assert named - known == set()


async def test_who_may_see_everything_reads_it(it: Door) -> None:
    anna, admin = await it.anna(level="manage"), await it.admin()
    json(await it.browser().get("http://insula/metrics"), 401)
    json(await anna.get("http://insula/metrics"), 403)
    token = json(await admin.post("/tokens", json={"name": "prometheus", "level": "see"}), 201)["token"]
    prometheus = it.browser(Authorization=f"Bearer {token}")
    text = (await prometheus.get("http://insula/metrics")).text
    assert "insula_build_info" in text
    assert "anna" not in text


async def test_an_address_may_read_it_without_signing_in(it: Door) -> None:
    home = it.home
    api = create_api(home.channel, home.store, home.clock, "3", ApiOptions(metrics_readers="192.0.2.0/28, ::1"))
    assert (await it.browser(api.app, "192.0.2.7").get("http://insula/metrics")).status_code == 200
    assert (await it.browser(api.app, "::1").get("http://insula/metrics")).status_code == 200
    json(await it.browser(api.app, "192.0.2.70").get("http://insula/metrics"), 401)
    json(await it.browser(api.app, "192.0.2.7").get("/users"), 401)
    with pytest.raises(InputError, match="metrics_readers"):
        create_api(home.channel, home.store, home.clock, "4", ApiOptions(metrics_readers="everybody"))
