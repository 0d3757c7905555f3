"""Signing in by OpenID Connect over HTTP, with two API processes and a provider on loopback that really signs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import structlog
from joserfc.jwk import OctKey

from insula.api.app import Api, create_api
from insula.api.openid import BROWSER
from insula.api.options import ApiOptions
from insula.api.provider import KEPT_MS, Provider, ProviderSettings
from insula.clock import ManualClock, settle
from insula.store.first_admin import first_admin
from insula.store.openid import LASTS_MS, PER_ADDRESS
from tests.flows.house import house
from tests.flows.test_signing_in import ADMINS, Door, json
from tests.openid_provider import CLIENT, EC, RSA, SECRET, OpenIdProvider, openid_provider

BEGIN, BACK = "/openid/house", "/api/v1/openid/house/callback"


@dataclass
class Gate(Door):
    provider: OpenIdProvider

    def settings(self, **more: Any) -> ProviderSettings:
        given = {"issuer": self.provider.issuer, "client_id": CLIENT, "client_secret": SECRET, **more}
        return ProviderSettings(name="house", **given)

    def process(self, **more: Any) -> Api:
        """One more API process, not yet heard of what changes."""
        at = self.home
        provider = Provider(self.settings(**more), at.clock)
        return create_api(at.channel, at.store, at.clock, "1", ApiOptions(providers=[provider]))

    async def begun(self, browser: httpx.AsyncClient, next_: str = "/rooms") -> str:
        """The browser has gone to the provider; where that sends it back to."""
        to = await browser.get(BEGIN, params={"next": next_})
        assert to.status_code == 302, to.text
        async with httpx.AsyncClient() as net:
            back = await net.get(to.headers["location"])
        assert back.status_code == 302, back.text
        return str(back.headers["location"])

    async def sign_in(self, browser: httpx.AsyncClient | None = None) -> httpx.Response:
        browser = browser or self.browser()
        return await browser.get(await self.begun(browser))

    async def refused(self, why: str, status: int = 401) -> None:
        """A sign-in ends so, nobody is signed in, and the audit says why."""
        browser = self.browser()
        answer = await self.sign_in(browser)
        assert why in json(answer, status)["detail"]
        json(await browser.get("/session"), 401)
        assert why in (await self.audit("sign in refused"))[0]["details"]["why"]

    async def audit(self, action: str) -> list[dict[str, Any]]:
        found = json(await self.home.http.get("/api/v1/audit", params={"action": action}))["items"]
        assert isinstance(found, list)
        return found


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Gate]:
    """A building whose accounts are made by a first sign-in; ``here`` and ``there`` are two API processes."""
    clock = ManualClock()
    async with house(tmp_path, clock) as home, openid_provider(clock) as provider:
        await first_admin(home.store, clock, ADMINS)
        gate = Gate(home, home.api, provider)
        running = [serve(gate, create_accounts=True) for _ in range(2)]
        home.api, gate.other = (api for api, _ in running)
        await settle(100)
        try:
            yield gate
        finally:
            await stopped(*(task for _, task in running))


def serve(gate: Gate, **settings: Any) -> tuple[Api, asyncio.Task[None]]:
    api = gate.process(**settings)
    return api, asyncio.create_task(api.run())


async def stopped(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# --- signing in


async def test_a_sign_in_begins_in_one_process_and_ends_in_another(it: Gate) -> None:
    here, there = it.browser(it.here), it.browser(it.there)
    back = await it.begun(here)
    there.cookies = here.cookies
    answer = await there.get(back)
    assert (answer.status_code, answer.headers["location"]) == (302, "/rooms")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("insula_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    here.cookies = there.cookies
    for browser in (here, there):
        me = json(await browser.get("/session"))
        assert (me["name"], me["admin"], me["rooms"], me["while_there"]) == ("anna.m", False, {}, {})
    assert [(one["name"], one["details"]) for one in await it.audit("sign in")] == [("anna.m", {"by": "house"})]
    json(await there.delete("/session"))
    json(await there.get("/session"), 401)


async def test_the_same_subject_is_the_same_account_whatever_its_name(it: Gate) -> None:
    await it.sign_in()
    it.provider.claims = {"preferred_username": "anna.married"}
    browser = it.browser(it.there)
    assert (await it.sign_in(browser)).status_code == 302
    assert json(await browser.get("/session"))["name"] == "anna.m"
    users = json(await it.home.http.get("/api/v1/users"))["users"]
    assert [(user["name"], user["has_password"]) for user in users] == [("admin", True), ("anna.m", False)]


async def test_a_name_or_an_address_links_nothing(it: Gate) -> None:
    it.provider.claims = {"preferred_username": "admin", "email": "admin@house.example", "email_verified": False}
    await it.refused("there is a user 'admin' already", 400)


async def test_without_the_setting_a_first_sign_in_is_refused_and_makes_nothing(it: Gate) -> None:
    it.home.api, task = serve(it, create_accounts=False)
    await settle(100)
    await it.refused("you have no account here", 403)
    assert [user["name"] for user in json(await it.home.http.get("/api/v1/users"))["users"]] == ["admin"]
    said = (await it.audit("sign in refused"))[0]["details"]
    assert (said["by"], said["subject"]) == ("house", "subject 1")
    await stopped(task)


async def test_a_closed_account_stays_out(it: Gate) -> None:
    browser = it.browser()
    await it.sign_in(browser)
    json(await it.home.http.patch("/api/v1/users/anna.m", json={"active": False}))
    await it.told()
    json(await browser.get("/session"), 401)
    await it.refused("the account anna.m is closed", 403)


async def test_a_cookie_is_secure_where_browsers_come_by_tls(it: Gate) -> None:
    at, provider = it.home, Provider(it.settings(create_accounts=True), it.home.clock)
    api = create_api(
        at.channel, at.store, at.clock, "3", ApiOptions(providers=[provider], public_url="https://insula.example/")
    )
    browser = it.browser(api.app)
    to = await browser.get(BEGIN)
    assert "Secure" in to.headers["set-cookie"]
    asked = parse_qs(urlsplit(to.headers["location"]).query)
    assert asked["redirect_uri"] == [f"https://insula.example{BACK}"]


# --- what a provider says about groups


async def test_teams_and_administrators_follow_the_provider(it: Gate) -> None:
    it.home.api, task = serve(it, create_accounts=True, admin_group="boss", teams={"g-1": "cleaners", "g-2": "guests"})
    for team in ("cleaners", "guests", "friends"):
        json(await it.home.http.put(f"/api/v1/teams/{team}", json={}))
    it.provider.claims = {"groups": ["boss", "g-1", "other"]}
    browser = it.browser()
    await it.sign_in(browser)
    assert json(await browser.get("/session"))["admin"]
    json(await it.home.http.put("/api/v1/teams/friends", json={"members": ["anna.m"]}))
    assert await members(it) == {"cleaners": ["anna.m"], "friends": ["anna.m"], "guests": []}
    it.provider.claims = {"groups": ["g-2"]}
    await it.sign_in(browser)
    assert not json(await browser.get("/session"))["admin"]
    assert await members(it) == {"cleaners": [], "friends": ["anna.m"], "guests": ["anna.m"]}
    assert [one["details"]["joined"] for one in await it.audit("teams")] == [["guests"], ["cleaners"]]
    await stopped(task)


async def members(it: Gate) -> dict[str, list[str]]:
    return {team["name"]: team["members"] for team in json(await it.home.http.get("/api/v1/teams"))["teams"]}


# --- linking


async def test_who_has_signed_in_by_password_links_the_own_account(it: Gate) -> None:
    admin = await it.admin()
    asked = json(await admin.post("/openid/house/link"))
    async with httpx.AsyncClient() as net:
        back = (await net.get(asked["url"])).headers["location"]
    answer = await admin.get(back, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    browser = it.browser(it.there)
    await it.sign_in(browser)
    assert json(await browser.get("/session"))["name"] == "admin"


async def test_a_page_elsewhere_or_a_token_links_nothing(it: Gate) -> None:
    admin = await it.admin()
    json(await admin.post("/openid/house/link", headers={"Sec-Fetch-Site": "cross-site"}), 401)
    token = json(await admin.post("/tokens", json={"name": "script"}), 201)["token"]
    json(await it.browser(Authorization=f"Bearer {token}").post("/openid/house/link"), 403)


async def test_who_is_linked_already_is_not_taken_over(it: Gate) -> None:
    await it.sign_in()
    admin = await it.admin()
    asked = json(await admin.post("/openid/house/link"))
    async with httpx.AsyncClient() as net:
        back = (await net.get(asked["url"])).headers["location"]
    assert "somebody else" in json(await admin.get(back), 400)["detail"]


# --- what is wrong with a token


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"nonce": "another"}, "nonce"),
    ({"nonce": None}, "nonce"),
    ({"aud": "another client"}, "aud"),
    ({"aud": [CLIENT, "another"], "azp": "another"}, "azp"),
    ({"iss": "http://127.0.0.1:1"}, "iss"),
    ({"exp": 1}, "exp"),
    ({"exp": "soon"}, "exp"),
    ({"exp": None}, "exp"),
    ({"iat": 1 << 40}, "iat"),
    ({"sub": None}, "sub"),
    ({"sub": ""}, "sub"),
    ({"sub": "x" * 300}, "sub"),
    ({"sub": {"a": 1}}, "sub"),
    ({"at_hash": "another"}, "at_hash"),
]


async def test_a_wrong_claim_is_refused(it: Gate) -> None:
    for claims, why in WRONG:
        it.provider.claims = claims
        await it.refused(f"the ID token is not right: {why}")


async def test_only_the_providers_own_signature_counts(it: Gate) -> None:
    it.provider.algorithm = "none"
    await it.refused("the ID token is not right")
    it.provider.algorithm, it.provider.signs = "HS256", OctKey.import_key(SECRET, {"kid": RSA[0].kid})
    await it.refused("the ID token is not right")
    forged = type(RSA[1]).import_key(RSA[1].as_dict(private=True) | {"kid": RSA[0].kid})
    it.provider.algorithm, it.provider.signs = "RS256", forged
    await it.refused("the ID token is not right: BadSignatureError")
    it.provider.signs = RSA[1]
    await it.refused("the ID token is signed with an unknown key")
    it.provider.signs = None
    assert (await it.sign_in()).status_code == 302


async def test_a_new_key_of_the_provider_is_taken_at_once(it: Gate) -> None:
    browser = it.browser()
    await it.sign_in(browser)
    it.provider.keys, it.provider.algorithm = [EC, RSA[1]], "ES256"
    assert (await it.sign_in(browser)).status_code == 302
    asked = it.provider.asked.count("/keys")
    assert (await it.sign_in(browser)).status_code == 302
    assert it.provider.asked.count("/keys") == asked


# --- state, code, browser, next


async def test_a_sign_in_ends_once(it: Gate) -> None:
    browser = it.browser()
    back = await it.begun(browser)
    assert (await browser.get(back)).status_code == 302
    json(await browser.get(back), 401)
    again = await it.begun(browser)
    replayed = httpx.URL(again).copy_set_param("code", httpx.URL(back).params["code"])
    assert "does not take the code" in json(await browser.get(replayed), 401)["detail"]


async def test_a_sign_in_ends_in_the_browser_that_began_it(it: Gate) -> None:
    victim, attacker = it.browser(), it.browser(address="203.0.113.5")
    back = await it.begun(attacker)
    json(await victim.get(back), 401)
    await victim.get(BEGIN)
    json(await victim.get(back), 401)
    json(await victim.get("/session"), 401)
    assert (await attacker.get(back)).status_code == 302


async def test_a_state_that_nobody_gave_and_one_that_is_over_are_refused(it: Gate) -> None:
    browser = it.browser()
    back = httpx.URL(await it.begun(browser))
    for state in ("", "guessed"):
        json(await browser.get(back.copy_set_param("state", state)), 401)
    await it.home.clock.step(LASTS_MS / 1000)
    json(await browser.get(back, headers={"Cookie": f"{BROWSER}={browser.cookies[BROWSER]}"}), 401)


async def test_another_provider_may_not_answer(it: Gate) -> None:
    browser = it.browser()
    back = httpx.URL(await it.begun(browser)).copy_set_param("iss", "https://evil.example")
    assert "another provider" in json(await browser.get(back), 401)["detail"]
    assert "/token" not in it.provider.asked


async def test_who_cancels_is_told_so_without_the_providers_words(it: Gate) -> None:
    browser = it.browser()
    back = httpx.URL(await it.begun(browser)).copy_remove_param("code")
    said = {"error": "access_denied", "error_description": "<script>alert(1)</script>"}
    answer = await browser.get(back.copy_merge_params(said))
    assert json(answer, 401)["detail"] == "house did not sign you in"
    assert "script" not in answer.text


async def test_next_leads_nowhere_else(it: Gate) -> None:
    for next_ in ("https://evil.example", "//evil.example", "/\\evil.example"):
        answer = await it.browser().get(BEGIN, params={"next": next_})
        assert "next: a path of this server" in json(answer, 400)["detail"]


async def test_sign_ins_that_only_begin_are_bounded_by_address(it: Gate) -> None:
    browser = it.browser()
    for _ in range(PER_ADDRESS):
        assert (await browser.get(BEGIN)).status_code == 302
    json(await browser.get(BEGIN), 429)
    assert (await it.browser(address="198.51.100.9").get(BEGIN)).status_code == 302
    await it.home.clock.step(LASTS_MS / 1000)
    assert (await browser.get(BEGIN)).status_code == 302


# --- a provider that is away, or answers nonsense


DISCOVERY, KEYS, TOKEN = "/.well-known/openid-configuration", "/keys", "/token"


NONSENSE = [
    (DISCOVERY, 500, "oops"),
    (DISCOVERY, 404, ""),
    (DISCOVERY, 302, ""),
    (DISCOVERY, 200, "<html>sign in to the hotel's network</html>"),
    (DISCOVERY, 200, "{}"),
    (DISCOVERY, 200, '{"issuer": 1}'),
    (DISCOVERY, 200, '"\\ud800"'),
    (DISCOVERY, 200, "[" * 100_000),
    (DISCOVERY, 200, " " * 1_000_001),
    (KEYS, 503, ""),
    (KEYS, 200, "[]"),
    (KEYS, 200, "[" * 100_000),
    (KEYS, 200, '{"keys": []}'),
    (KEYS, 200, '{"keys": [{"kty": "RSA", "n": "x"}]}'),
    (KEYS, 200, '{"keys": {"a": 1}}'),
    (TOKEN, 500, "trace"),
    (TOKEN, 200, "null"),
    (TOKEN, 200, '{"id_token": 7}'),
    (TOKEN, 400, "<html>"),
]


async def test_nonsense_is_answered_by_a_clear_refusal(it: Gate) -> None:
    for path, status, text in NONSENSE:
        await it.home.clock.step(KEPT_MS / 1000)
        browser = it.browser()
        back = await it.begun(browser) if path == TOKEN else BEGIN
        it.provider.answers[path] = (status, text)
        assert "does not work now" in json(await browser.get(back), 424)["detail"], (path, status, text[:80])
        it.provider.answers.clear()
        assert (await it.sign_in(browser)).status_code == 302


async def test_a_token_that_is_none_is_refused(it: Gate) -> None:
    for token in ("", "a.b.c", "x", "e30.e30.e30", "eyJhbGciOiJSUzI1NiJ9.W10.eA"):
        browser = it.browser()
        back = await it.begun(browser)
        it.provider.answers[TOKEN] = (200, f'{{"id_token": "{token}"}}')
        json(await browser.get(back), 401)


async def test_a_discovery_document_of_somebody_else_is_not_taken(it: Gate) -> None:
    for field in ("issuer", "token_endpoint"):
        it.provider.metadata = {field: "ftp://evil.example"}
        json(await it.browser().get(BEGIN), 424)


async def test_a_provider_that_takes_no_basic_authentication_gets_the_secret_in_the_form(it: Gate) -> None:
    it.provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await it.sign_in()).status_code == 302


async def test_with_the_provider_down_all_else_works_and_no_secret_is_logged(it: Gate) -> None:
    at = it.home
    down = ProviderSettings(name="house", issuer="http://127.0.0.1:1", client_id=CLIENT, client_secret=SECRET)
    api = create_api(at.channel, at.store, at.clock, "3", ApiOptions(providers=[Provider(down, at.clock)]))
    browser = it.browser(api.app)
    with structlog.testing.capture_logs() as logs:
        said = json(await browser.get(BEGIN), 424)
    assert said["detail"] == "signing in by house does not work now (answer: ConnectError); try again later"
    assert [entry["event"] for entry in logs] == ["a provider of sign-in failed"]
    assert SECRET not in str(logs) + repr(down)
    json(await browser.post("/session", json={"name": "admin", "password": ADMINS}))
    assert json(await browser.get("/openid"))["providers"] == [{"name": "house", "button": "house"}]
    json(await browser.get("/openid/another"), 404)
    json(await browser.get("/openid/another/callback"), 404)
