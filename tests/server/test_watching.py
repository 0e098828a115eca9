"""Subscriptions: what changes through the product is told, to those who asked, for as long as their session lasts."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from ink_infra_mcp.core.errors import StateUnavailable
from ink_infra_mcp.server.build import build_server
from ink_infra_mcp.server.watching import MOST_RESOURCES
from ink_infra_mcp.state.records import News
from ink_infra_mcp.tools.get_app import GetApp
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


@dataclass(slots=True)
class Breaking(Kept):
    """Operations of a store that breaks with `error` while there is one, and waits for `ready`; looks are counted."""

    error: Exception | None = None
    ready: anyio.Event | None = None
    looked: anyio.Condition = field(default_factory=anyio.Condition)
    looks: int = 0

    async def news(self, *, since: float) -> tuple[News, ...]:
        """Return what the test says, or raise what it says."""
        if self.ready is not None:
            await self.ready.wait()
        async with self.looked:
            self.looks += 1
            self.looked.notify_all()
        if self.error is not None:
            raise self.error
        return tuple(self.new)

    async def looked_at(self, times: int) -> None:
        """Return when it has been looked at so many times more."""
        async with self.looked:
            until = self.looks + times
            while self.looks < until:
                await self.looked.wait()


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


async def test_streams_that_begin_at_once_share_the_number() -> None:
    """However many ask in the same moment, all of them together are told of no more."""
    ready, streams = anyio.Event(), 4
    it = Desk([Apps()], kept=Breaking(ready=ready))
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(it))) as client:
            for stream in range(streams):
                uris = [f"app://app-{stream}-{number}" for number in range(MOST_RESOURCES // 2)]
                wanted = {"notifications": {"resourceSubscriptions": uris}, "_meta": envelope({})}
                await client.begin("subscriptions/listen", wanted)
            await anyio.wait_all_tasks_blocked()
            ready.set()
            said = [(await client.hear())["params"]["notifications"] for _ in range(streams)]
    assert sum(len(each.get("resourceSubscriptions", [])) for each in said) == MOST_RESOURCES


async def test_what_only_looks_like_an_address_of_ours_is_refused() -> None:
    """An address ends where it ends: with a line break behind it, it is another one."""
    odd = ["operation://op-0001\n", "app://shop\n", "APP://shop", "fleet://overview/", "app://a/b", "app://shop?x"]
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(desk()))) as client:
            await client.handshake(HANDSHAKE, {})
            said = [await client.request("resources/subscribe", {"uri": uri}) for uri in odd]
    assert [answer["error"]["message"] for answer in said] == ["Resource not found"] * len(odd)


@pytest.mark.parametrize(
    ("error", "level"),
    [(StateUnavailable("The store is locked.", next="Wait."), "WARNING"), (RuntimeError("inside"), "ERROR")],
)
async def test_a_look_that_breaks_is_said_once_until_it_is_well(
    error: Exception, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A second later it breaks again, and the log says nothing new; what happened meanwhile is told afterwards."""
    kept = Breaking(new=[RUNS])
    with caplog.at_level(logging.WARNING, "ink_infra_mcp.server.watching"), anyio.fail_after(30):
        async with raw(build_server(settings_of(Desk([Operation()], kept=kept)))) as client:
            await listening(client, ["operation://op-0001"])
            for _ in range(2):
                kept.error = error
                await kept.looked_at(5)
                kept.new = [RUNS.model_copy(update={"mark": f"running {kept.looks}"})]
                kept.error = None
                await told(client, 1)
    assert [record.levelname for record in caplog.records] == [level, "WARNING"] * 2


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
    """From one connection's subscription to another's restart: the fleet and the app, by each name of it; no poll."""
    held = Held("coolify.restart")
    with anyio.fail_after(60):
        async with ink(tmp_path, wrap_handler=held) as it, raw(server_of(it)) as one, raw(server_of(it)) as other:
            shop = await it.app.queries["get_app"].observe(GetApp.args.model_validate({"app": "shop"}), it.app.look)
            uris = ["app://shop", f"app://{shop.uuid}", "fleet://overview"]
            await listening(other, uris)
            begun = await restarting(one)
            await held.entered.wait()
            held.go.set()
            ended = await told(other, 3)
    assert begun["taskId"].startswith("op-")
    assert ended == {*uris}
