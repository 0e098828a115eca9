"""Subscriptions: what changes through the product is told, to those who asked, for as long as their session lasts."""

from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from ink_infra_mcp.server.build import build_server
from ink_infra_mcp.server.watching import MOST_RESOURCES
from ink_infra_mcp.state.records import News
from tests.guard.bed import Held
from tests.ink import ink
from tests.server.backends import Desk, Echo, Kept, settings_of
from tests.server.raw import Raw, envelope, raw
from tests.server.test_operations import server_of
from tests.server.test_tasks import restarting

pytestmark = pytest.mark.anyio

HANDSHAKE = "2025-11-25"
UPDATED = "notifications/resources/updated"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
RUNS = News(id="op-0001", mark="running")
ENDED = News(id="op-0001", mark="ended", ended=True, apps=("Shop",), servers=("muscle-1",))


class Fleet(Echo):
    """Show the fleet."""

    name: ClassVar[str] = "get_fleet"


class Apps(Echo):
    """Show an app."""

    name: ClassVar[str] = "get_app"


class Operation(Echo):
    """Show an operation."""

    name: ClassVar[str] = "get_operation"


def desk() -> Desk:
    """Return an application in which one operation runs."""
    return Desk([Fleet(), Apps(), Operation()], kept=Kept(new=[RUNS]))


async def listening(client: Raw, uris: list[str], **more: Any) -> list[str]:
    """Open a stream of 2026-07-28; return the resources that the server will tell of."""
    wanted = {"resourceSubscriptions": uris, **more}
    await client.begin("subscriptions/listen", {"notifications": wanted, "_meta": envelope({})})
    said = await client.hear()
    assert said["method"] == ACKNOWLEDGED, said
    return said["params"]["notifications"].get("resourceSubscriptions", [])


async def told(client: Raw, count: int) -> set[str]:
    """Return of which resources the next notifications are."""
    heard = [await client.hear() for _ in range(count)]
    assert {message["method"] for message in heard} == {UPDATED}
    return {message["params"]["uri"] for message in heard}


async def test_a_stream_tells_of_an_operation_and_of_what_it_touched() -> None:
    """Each new word is told under the operation's address, its end under those of its app, its server and the fleet.

    Addresses are told as they were asked for; what is no address of ours is not acknowledged.
    """
    it = desk()
    ours = ["operation://op-0001", "app://shop", "app://SHOP", "server://muscle-1", "fleet://overview"]
    others = ["app://blog", "server://muscle-2", "operation://op-0002"]
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(it))) as client:
            honoured = await listening(client, [*ours, *others, "file:///etc/passwd", "app://", ours[0]])
            it.kept.new = [RUNS.model_copy(update={"mark": "running step 2"})]
            first = await told(client, 1)
            it.kept.new = [ENDED]
            second = await told(client, 5)
            it.kept.new = []
            answer = await client.request("ping", {"_meta": envelope({})})
    assert honoured == [*ours, *others]
    assert (first, second) == ({ours[0]}, {*ours})
    assert "error" in answer


async def test_a_session_of_the_handshake_subscribes_and_unsubscribes() -> None:
    """resources/subscribe tells of the same, until resources/unsubscribe; an address of nothing is refused."""
    it = desk()
    uri = {"uri": "operation://op-0001"}
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(it))) as client:
            hello = await client.handshake(HANDSHAKE, {})
            bad = await client.request("resources/subscribe", {"uri": "https://example.com/"})
            answers = [await client.request("resources/subscribe", each) for each in (uri, {"uri": "app://shop"})]
            it.kept.new = [RUNS.model_copy(update={"mark": "running step 2"})]
            first = await told(client, 1)
            await client.request("resources/unsubscribe", uri)
            it.kept.new = [ENDED]
            second = await told(client, 1)
    assert hello["result"]["capabilities"]["resources"]["subscribe"] is True
    assert bad["error"]["code"] == -32602
    assert [answer["result"] for answer in answers] == [{}, {}]
    assert (first, second) == ({"operation://op-0001"}, {"app://shop"})


async def test_what_was_before_is_not_told() -> None:
    """An operation that ended before anybody asked is no news, however recently that was; its next is."""
    it = desk()
    it.kept.new = [ENDED]
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(it))) as client:
            await listening(client, ["fleet://overview"])
            it.kept.new = [ENDED, ENDED.model_copy(update={"id": "op-0002"})]
            first = await told(client, 1)
            with anyio.move_on_after(0.2) as silence:
                await client.hear()
    assert first == {"fleet://overview"}
    assert silence.cancelled_caught


async def test_resources_are_watched_up_to_a_number() -> None:
    """A stream is acknowledged as many as there is room for; beyond that, a subscription is refused with the number."""
    uris = [f"app://app-{number}" for number in range(MOST_RESOURCES + 5)]
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(desk()))) as client:
            honoured = await listening(client, uris)
        async with raw(build_server(settings_of(desk()))) as client:
            await client.handshake(HANDSHAKE, {})
            said = [await client.request("resources/subscribe", {"uri": uri}) for uri in uris[: MOST_RESOURCES + 1]]
            again = await client.request("resources/subscribe", {"uri": uris[0]})
    assert honoured == uris[:MOST_RESOURCES]
    assert ["error" in answer for answer in said] == [False] * MOST_RESOURCES + [True]
    assert said[-1]["error"]["message"] == f"At most {MOST_RESOURCES} resources are watched."
    assert again["result"] == {}


async def test_a_hidden_tools_resource_is_not_watched() -> None:
    """Where get_app is not shown, no app is told of."""
    it = Desk([Operation()])
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(it))) as client:
            honoured = await listening(client, ["app://shop", "operation://op-0001"])
    assert honoured == ["operation://op-0001"]


async def test_tasks_are_told_of_to_nobody_who_does_not_take_them() -> None:
    """Who asks for tasks on a stream without their extension is told what is missing."""
    wanted = {"taskIds": ["op-0001"]}
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(desk()))) as client:
            params = {"notifications": wanted, "_meta": envelope({})}
            answer = await client.request("subscriptions/listen", params)
    assert answer["error"]["code"] == -32021


async def test_a_real_operation_is_told_of_as_it_runs_and_ends(tmp_path: Path) -> None:
    """From one connection's subscription to another's restart: the app and the operation are told of, and no poll."""
    held = Held("coolify.restart")
    with anyio.fail_after(60):
        async with ink(tmp_path, wrap_handler=held) as it, raw(server_of(it)) as one, raw(server_of(it)) as other:
            await listening(other, ["app://shop", "fleet://overview"])
            begun = await restarting(one)
            await held.entered.wait()
            held.go.set()
            ended = await told(other, 2)
    assert begun["taskId"].startswith("op-")
    assert ended == {"app://shop", "fleet://overview"}
