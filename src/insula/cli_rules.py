"""``insula rules show | check | apply | shadow | versions | export | restore``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

from cyclopts import App, Parameter

from insula.ask import ask, ask_text, get_json
from insula.cli import _say
from insula.cli_control import URL, Url, me
from insula.errors import InputError

rules = App(name="rules", help="The rules: show, check, apply, shadow, versions, export, restore.")
Version = Annotated[str, Parameter(help="a version of before; empty: the rules in force")]


@rules.command
def show(*, url: Url = URL) -> None:
    """The rules in force, one a line."""
    found = get_json(url, "/api/v1/rules")
    _say(f"{found['name']}, version {found['version']}{_brought(found)}")
    for rule in found["rules"]:
        _say(f"  {rule['name']}: {rule['target']} to {rule['value']:g} when {rule['when']}")


@rules.command
def check(file: Path) -> None:
    """Every fault of a file of rules, with its line. Needs no running Insula."""
    from insula.building.rules import parse_ruleset

    ruleset = parse_ruleset(_text(file), str(file))
    _say(f"{file}: {len(ruleset.rules)} rules, version {ruleset.version}: no fault")


@rules.command
def apply(file: Path, *, url: Url = URL) -> None:
    """Put the rules of a file in force, without a restart."""
    from insula.building.rules import parse_ruleset

    text = _text(file)
    parse_ruleset(text, str(file))  # its faults with the file's name; the API checks again
    path = f"/api/v1/rules?{urlencode({'by': me()})}"
    found = ask(url, path, "PUT", text.encode(), "application/toml")
    _say(f"in force: {found['name']}, version {found['version']}, {found['rules']} rules")


@rules.command
def shadow(file: Annotated[Path, Parameter(help="a file of rules; or off")], *, url: Url = URL) -> None:
    """Try the rules of a file beside those in force: they only tell what they would do. off: try none any more."""
    from insula.building.rules import parse_ruleset

    path = f"/api/v1/rules/shadow?{urlencode({'by': me()})}"
    if str(file) == "off":
        ask(url, path, "DELETE")
        _say("no shadow any more")
        return
    text = _text(file)
    parse_ruleset(text, str(file))
    found = ask(url, path, "PUT", text.encode(), "application/toml")
    _say(f"as shadow: {found['name']}, version {found['version']}, {found['rules']} rules; see insula why")


@rules.command
def versions(*, url: Url = URL) -> None:
    """Every version that was, the newest first: when, by whom."""
    for one in get_json(url, "/api/v1/rules/versions")["versions"]:
        shadow = ", as shadow" if one["shadow"] else ""
        _say(f"{one['version']}  {one['name']}, {one['rules']} rules{_brought(one)}{shadow}")


@rules.command
def export(*, version: Version = "", url: Url = URL) -> None:
    """The rules as TOML, on standard output."""
    path = f"/api/v1/rules/versions/{quote(version, safe='')}" if version else "/api/v1/rules"
    _say(ask_text(url, f"{path}?form=toml").rstrip("\n"))


@rules.command
def restore(version: str, *, url: Url = URL) -> None:
    """Put a version of before in force again."""
    path = f"/api/v1/rules/versions/{quote(version, safe='')}/restore?{urlencode({'by': me()})}"
    found = ask(url, path, "POST", b"")
    _say(f"in force: {found['name']}, version {found['version']}, {found['rules']} rules")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: {error}") from error


def _brought(version: dict[str, object]) -> str:
    at = version["at"]
    if not isinstance(at, int) or not at:
        return ""
    time = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f", {time}, by {version['by'] or 'somebody'}"
