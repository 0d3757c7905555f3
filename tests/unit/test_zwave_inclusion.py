"""Including, excluding, resetting: against a simulated controller, on real sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from zwave_js_server.model.controller import Controller

from insula.errors import Failed, InputError, Unavailable
from insula.gateways.zwave import inclusion
from insula.gateways.zwave.inclusion import Member, current_home_id, exclude, include, reset
from insula.simulator.zwave_nodes import make_node
from insula.simulator.zwave_server import ZwaveServer

DSK = "34673-15546-46480-39591-32400-22155-07715-45994"
SECOND_S = 0.05
"""How long a person who never comes is waited for."""


@pytest.fixture
async def server() -> AsyncIterator[ZwaveServer]:
    server = ZwaveServer(port=0, give_up_s=0.0)
    server.add(make_node("dimmer", 3, "ZE27"))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def said() -> list[str]:
    return []


async def test_a_node_whose_button_is_pressed_is_taken_in(server: ZwaveServer, said: list[str]) -> None:
    server.inclusion.offer("multisensor", 8)
    member = await include(server.url, on_event=said.append)
    assert member == Member(8, "MultiSensor 6", True)
    assert 8 in server.nodes
    assert said[0].startswith("the controller listens")
    assert said[-1] == "included: node 8 (MultiSensor 6)"


async def test_a_node_may_come_later(server: ZwaveServer, said: list[str]) -> None:
    def press(text: str) -> None:
        said.append(text)
        if text.startswith("the controller listens"):
            server.inclusion.offer("dimmer", 9, "Hall")

    assert (await include(server.url, on_event=press)).label == "Hall"
    assert 9 in server.nodes


async def pin(dsk: str) -> str:
    assert dsk == DSK[5:]
    return " 34673 "


async def wrong_pin(dsk: str) -> str:
    return "00000"


async def test_a_secure_node_wants_the_pin_on_its_label(server: ZwaveServer, said: list[str]) -> None:
    server.inclusion.offer("dimmer", 9, dsk=DSK)
    assert (await include(server.url, on_event=said.append, ask_pin=pin)).secure is True


async def test_a_wrong_pin_takes_it_in_without_security_and_says_so(server: ZwaveServer, said: list[str]) -> None:
    server.inclusion.offer("dimmer", 9, dsk=DSK)
    assert (await include(server.url, on_event=said.append, ask_pin=wrong_pin)).secure is False
    assert said[-1].endswith("without security")


async def test_without_anybody_to_ask_only_security_without_pin_is_granted(
    server: ZwaveServer, said: list[str]
) -> None:
    server.inclusion.offer("dimmer", 9, dsk=DSK)
    assert (await include(server.url, on_event=said.append)).secure is True


async def test_an_answer_that_the_controller_does_not_take_is_told(
    server: ZwaveServer, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = server.inclusion.command

    def forgetful(command: str, message: dict[str, object]) -> dict[str, object] | None:
        return None if command == "controller.grant_security_classes" else handle(command, message)

    monkeypatch.setattr(server.inclusion, "command", forgetful)
    server.inclusion.offer("dimmer", 9, dsk=DSK)
    with pytest.raises(Failed):
        await include(server.url, on_event=said.append, timeout=SECOND_S)
    assert any("did not take the answer" in text for text in said)


async def test_an_interview_that_does_not_end_is_not_waited_for(
    server: ZwaveServer, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inclusion, "INTERVIEW_S", 0.01)
    emit = server.emit
    monkeypatch.setattr(server, "emit", lambda event: None if event["event"] == "ready" else emit(event))
    server.inclusion.offer("multisensor", 8)
    assert (await include(server.url, on_event=said.append)).node_id == 8


async def test_nobody_came_and_the_controller_listens_no_more(server: ZwaveServer, said: list[str]) -> None:
    with pytest.raises(Failed, match="no node came"):
        await include(server.url, on_event=said.append, timeout=SECOND_S)
    with pytest.raises(Failed, match="no node came"):
        await exclude(server.url, on_event=said.append, timeout=SECOND_S)
    server.inclusion.offer("dimmer", 9)
    assert 9 not in server.nodes


async def test_a_controller_that_is_busy_is_left_alone(server: ZwaveServer, said: list[str]) -> None:
    server.inclusion.command("controller.begin_exclusion", {})
    with pytest.raises(Failed, match="busy"):
        await include(server.url, on_event=said.append)
    with pytest.raises(Failed, match="busy"):
        await exclude(server.url, on_event=said.append)
    assert said == []


@pytest.mark.parametrize("work", [include, exclude])
async def test_failures_of_the_radio_are_told(server: ZwaveServer, work: object, said: list[str]) -> None:
    mode = "inclusion" if work is include else "exclusion"

    def fail(text: str) -> None:
        server.emit({"source": "controller", "event": f"{mode} failed"})

    with pytest.raises(Failed, match=f"the {mode} failed"):
        await (include if work is include else exclude)(server.url, on_event=fail)


async def test_a_node_that_leaves_is_named(server: ZwaveServer, said: list[str]) -> None:
    server.inclusion.leave(3)
    assert await exclude(server.url, on_event=said.append) == Member(3, "ZE27")
    assert server.nodes == {}
    assert said[-1] == "excluded: node 3 (ZE27)"


async def test_a_lost_connection_is_told(server: ZwaveServer) -> None:
    with pytest.raises(Unavailable, match="lost"):
        await include(server.url, on_event=lambda _: server.drop_clients())


async def test_without_a_server(server: ZwaveServer, said: list[str]) -> None:
    await server.stop()
    with pytest.raises(Unavailable):
        await include(server.url, on_event=said.append)
    with pytest.raises(Unavailable):
        await reset(server.url, "1")


@pytest.mark.parametrize("write", ["{}", "0x{:08x}", "{:x}", " {:X} "])
async def test_a_reset_wants_the_home_id_typed(server: ZwaveServer, write: str, said: list[str]) -> None:
    home_id = await current_home_id(server.url)
    new = await reset(server.url, write.format(home_id), on_event=said.append)
    assert server.nodes == {}
    assert new == server.home_id != home_id
    assert said == ["the controller forgets its network and starts again"]


@pytest.mark.parametrize("typed", ["", "yes", "0", "7e570002"])
async def test_another_home_id_resets_nothing(server: ZwaveServer, typed: str) -> None:
    with pytest.raises(InputError, match="nothing was reset"):
        await reset(server.url, typed)
    assert 3 in server.nodes


async def test_a_controller_that_does_not_come_back_is_told(
    server: ZwaveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "forget_nodes", server.cut)
    with pytest.raises(Unavailable, match="has not come back"):
        await reset(server.url, hex(server.home_id), timeout=0.1)


async def test_whoever_gives_up_waiting_stops_the_inclusion(
    server: ZwaveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listens, stopped = asyncio.Event(), asyncio.Event()
    stop = Controller.async_stop_inclusion

    async def stop_and_tell(controller: Controller) -> bool:
        stopped.set()
        return await stop(controller)

    monkeypatch.setattr(Controller, "async_stop_inclusion", stop_and_tell)
    task = asyncio.create_task(include(server.url, on_event=lambda _: listens.set()))
    await listens.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()
