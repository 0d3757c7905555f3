"""The rules over HTTP: those in force, new ones, and every version that was."""

from typing import Annotated, TypedDict, cast

import msgspec
from litestar import MediaType, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from insula.api.access import acting, answers
from insula.api.asking import Asked
from insula.api.audit import Audit
from insula.api.bodies import JSON, TEXT, TOML, gives, takes
from insula.api.errors import NotFound, RequestError
from insula.building.rules import parse_ruleset
from insula.building.rules_text import ruleset_of
from insula.clock import Clock
from insula.errors import RuleError
from insula.messages import Rule, RuleSet
from insula.store.building import rules_in_force
from insula.store.engine import Store
from insula.store.rule_versions import (
    Version,
    end_shadow,
    find_version,
    list_versions,
    put_rules,
    put_shadow,
    shadow_rules,
)

MOST_BYTES = 800_000
"""A rule set goes over the bus in one record."""
By = Annotated[str, QueryParameter(description="who does this, at the console")]
Form = Annotated[str, QueryParameter(description="`json`, or `toml` as it was given", pattern="^(json|toml)$")]


class Summary(TypedDict):
    """``rules``: how many; ``at``: when it was brought (ms, real time), by whom; 0 and empty: with Insula."""

    name: str
    version: str
    rules: int
    by: str
    at: int
    shadow: bool


class Whole(TypedDict):
    """As ``Summary``, with the rules themselves."""

    name: str
    version: str
    rules: list[Rule]
    by: str
    at: int
    shadow: bool


class Versions(TypedDict):
    versions: list[Summary]


class NoShadow(TypedDict):
    shadow: None


Answer = Response[Whole]


def rule_routes(store: Store, clock: Clock, audit: Audit) -> list[HTTPRouteHandler]:
    @get("/", summary="The rules in force", tags=["rules"], opt=gives(TEXT))
    async def rules(form: Form = "json") -> Answer:
        return _answer(await rules_in_force(store), form)

    @put("/", summary="Put rules in force, as TOML or JSON", tags=["rules"], opt=takes(TOML, JSON))
    async def apply(request: Asked, by: By = "") -> Summary:
        """The body: TOML (``application/toml``), or a JSON object with ``name`` and ``rules``. Nothing is changed
        unless every rule compiles and names known values; ``faults`` says what is wrong and where."""
        ruleset, text = _read(await request.body(), request.content_type[0])
        return await put_in_force(request, "rules changed", ruleset, text, by)

    @get("/shadow", summary="The rules that are only tried", tags=["rules"], opt={**answers(404), **gives(TEXT)})
    async def shadow(form: Form = "json") -> Answer:
        """Decided beside those in force, on the same values; what they would do is told in ``/why``, never done."""
        async with store.read() as connection:
            found = await shadow_rules(connection)
        if found is None:
            raise NotFound("no rules are tried as shadow")
        return _answer(found, form)

    @put("/shadow", summary="Try rules beside those in force", tags=["rules"], opt=takes(TOML, JSON))
    async def try_out(request: Asked, by: By = "") -> Summary:
        """The body: as of ``PUT /rules``. They drive nothing."""
        ruleset, text = _read(await request.body(), request.content_type[0])
        entry = audit.entry(request, "rules tried", _called(ruleset), by)
        return _summary(await put_shadow(store, ruleset, text, acting(request, by), clock.real(), entry))

    @delete("/shadow", summary="Try none any more", tags=["rules"], status_code=200)
    async def try_none(request: Asked, by: By = "") -> NoShadow:
        await end_shadow(store, acting(request, by), clock.real(), audit.entry(request, "rules tried no more", "", by))
        return {"shadow": None}

    @get("/versions", summary="Every version of the rules, the newest first", tags=["rules"])
    async def versions(limit: FromQuery[int] = 100) -> Versions:
        async with store.read() as connection:
            return {"versions": [_summary(one) for one in await list_versions(connection, max(1, min(limit, 1000)))]}

    @get("/versions/{version:str}", summary="A version of the rules", tags=["rules"], opt=gives(TEXT))
    async def version(version: FromPath[str], form: Form = "json") -> Answer:
        return _answer(await _find(store, version), form)

    @post("/versions/{version:str}/restore", summary="Put a version in force again", tags=["rules"])
    async def restore(request: Asked, version: FromPath[str], by: By = "") -> Summary:
        found = await _find(store, version)
        ruleset, text = _read(found.source.encode(), "application/toml")
        return await put_in_force(request, "rules restored", ruleset, text, by)

    async def put_in_force(request: Asked, action: str, ruleset: RuleSet, text: str, by: str) -> Summary:
        before = await rules_in_force(store)
        entry = audit.entry(request, action, _called(ruleset), by, before=_called(before.ruleset))
        return _summary(await put_rules(store, ruleset, text, acting(request, by), clock.real(), before, entry))

    return [rules, apply, shadow, try_out, try_none, versions, version, restore]


async def _find(store: Store, version: str) -> Version:
    async with store.read() as connection:
        found = await find_version(connection, version)
    if found is None:
        raise NotFound(f"no version {version} of the rules")
    return found


def _called(ruleset: RuleSet) -> str:
    return f"{ruleset.name} {ruleset.version}"


def _read(body: bytes, content_type: str) -> tuple[RuleSet, str]:
    """The rules, and their text. Raises RequestError with the place of each fault."""
    if len(body) > MOST_BYTES:
        raise RequestError(f"rules of more than {MOST_BYTES} bytes")
    if content_type != "application/json":
        return _read_toml(body)
    try:
        return ruleset_of(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"no JSON: {error}") from None
    except RuleError as error:
        faults = [{"rule": rule, "text": text} if rule else {"text": text} for rule, text in error.faults]
        said = "; ".join(f"rule {rule}: {text}" if rule else text for rule, text in error.faults)
        raise RequestError(said, {"faults": faults}) from None


def _read_toml(body: bytes) -> tuple[RuleSet, str]:
    try:
        text = body.decode()
        return parse_ruleset(text), text
    except UnicodeDecodeError as error:
        raise RequestError(f"no UTF-8: {error}") from None
    except RuleError as error:
        raise RequestError(str(error), {"faults": [{"line": at, "text": text} for at, text in error.faults]}) from None


def _summary(version: Version) -> Summary:
    ruleset = version.ruleset
    return {
        "name": ruleset.name,
        "version": ruleset.version,
        "rules": len(ruleset.rules),
        "by": version.by,
        "at": version.at,
        "shadow": version.shadow,
    }


def _answer(version: Version, form: str) -> Answer:
    if form == "toml":
        return cast(Answer, Response(version.source, media_type=MediaType.TEXT))
    return Response({**_summary(version), "rules": msgspec.to_builtins(version.ruleset.rules)})
