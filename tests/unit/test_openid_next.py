"""Where a browser may be sent when it has signed in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.api.errors import RequestError
from insula.api.openid import checked_next


@pytest.mark.parametrize(
    "next_",
    [
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "evil.example",
        "",
        " /rooms",
        "/" + "x" * 500,
        "/ü",
    ],
)
def test_what_leads_elsewhere_is_refused(next_: str) -> None:
    with pytest.raises(RequestError, match="a path of this server"):
        checked_next(next_)


@pytest.mark.parametrize("next_", ["/", "/rooms/12?day=2026-01-01#now", "/a//b", "/%2F%2Fevil.example", "/?next=//b"])
def test_a_path_of_this_server_stays_as_it_is(next_: str) -> None:
    assert checked_next(next_) == next_


@given(st.text(alphabet="/\\:@?#.%ae \t\n\0", max_size=12))
def test_what_is_taken_has_a_path_and_no_host(next_: str) -> None:
    """A browser reads a backslash as a slash, and drops tabs and line ends (URL Standard)."""
    try:
        taken = checked_next(next_)
    except RequestError:
        return
    read = taken.replace("\\", "/").translate({9: None, 10: None, 13: None})
    assert read.startswith("/")
    assert not read.startswith("//")
