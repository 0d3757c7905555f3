"""``docs/asyncapi.yaml`` is what the message types say, and covers all that may be on the topics."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from insula.bus.asyncapi import TYPES, document
from insula.bus.keys import STATE_TYPES
from insula.bus.topics import TOPICS
from insula.bus.wire import COMMANDS, READ_POINT, READINGS, SET_POINT

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"


@pytest.fixture(scope="module")
def api() -> Any:
    return msgspec.yaml.decode(FILE.read_bytes())


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def keys(api: Any, topic: str) -> set[str]:
    """The keys that the document allows on this topic, or the patterns of them."""
    names = api["channels"][topic]["messages"]
    found = [api["components"]["messages"][name]["bindings"]["kafka"]["key"] for name in names]
    return {key.get("const", key.get("pattern")) for key in found}


def test_the_file_is_what_the_types_say() -> None:
    assert FILE.read_text() == document(), "`insula topics asyncapi` writes docs/asyncapi.yaml"


def test_every_topic_is_covered(api: Any) -> None:
    assert api["channels"].keys() == TOPICS.keys()
    assert {name: topic["bindings"]["kafka"]["partitions"] for name, topic in api["channels"].items()} == {
        name: topic.partitions for name, topic in TOPICS.items()
    }


@pytest.mark.parametrize("topic", ["knx", "zwave"])
def test_every_action_is_covered(api: Any, topic: str) -> None:
    actions = {action.key for action in (*READINGS, *COMMANDS) if action.topic == topic}
    assert keys(api, topic) == actions | {READ_POINT, SET_POINT}


def test_every_other_key_is_covered(api: Any) -> None:
    assert keys(api, "events") == {"result", "decision", "lease_end", "passed_on", "alert", "acknowledge"}
    assert keys(api, "db") == {"^[0-9]+$", "end_read_db"}
    assert keys(api, "state") == {f"^{kind}/" for kind in STATE_TYPES}


def test_references_lead_somewhere(api: Any) -> None:
    for reference in references(api):
        node = api
        for step in reference.removeprefix("#/").split("/"):
            assert step in node, reference
            node = node[step]
    assert {type_.__name__ for type_ in TYPES} <= api["components"]["schemas"].keys()


def test_a_command_of_2020_is_described_as_it_is_sent(api: Any) -> None:
    payload = api["components"]["messages"]["percentage_blinds"]["payload"]
    assert payload["allOf"][1]["required"] == ["bloc", "floor", "percentage"]
    assert api["components"]["schemas"]["WireCommand"]["properties"].keys() >= {"bloc", "floor", "percentage", "class"}
