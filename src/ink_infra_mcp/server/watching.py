"""Subscriptions to resources: what changes through this product is told; the world itself is never polled for it.

Told is each new word of an operation as it runs, and at its end the apps, servers and the fleet that it touched, in
whichever process on the same store it runs. What people or Coolify change by themselves is not seen here. Nothing is
looked at while nobody is subscribed, and no subscription outlives its session.
"""

import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio
from mcp import MCPError, types
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.server import answers, asking
from ink_infra_mcp.server.asking import TASKS, Context
from ink_infra_mcp.server.backend import Open
from ink_infra_mcp.server.catalogue import Catalogue
from ink_infra_mcp.server.reading import FLEET_SUBJECT, Subject, subject_of
from ink_infra_mcp.state.records import News

log = logging.getLogger(__name__)
MOST_STREAMS = 64
MOST_RESOURCES = 256
"""Resources that one process watches for its clients."""
LOOK_EVERY_S = 1.0
OVERLAP_S = 10.0
"""How far each look reaches back behind the one before: clocks of processes differ, and a commit takes its time."""


@dataclass(slots=True)
class Watching:
    """Answers subscriptions/listen, resources/subscribe and resources/unsubscribe. `now` gives Unix seconds."""

    catalogue: Catalogue
    open: Open
    now: Callable[[], float] = time.time
    look_every_s: float = LOOK_EVERY_S
    _bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    _streamed: Counter[str] = field(default_factory=Counter[str])
    _told: dict[str, ServerSession] = field(default_factory=dict[str, ServerSession])
    _marks: dict[str, str] | None = None
    _since: float = 0.0
    _wanted: anyio.Event = field(default_factory=anyio.Event)
    _looking: anyio.Lock = field(default_factory=anyio.Lock)
    _broken: bool = False
    _listen: ListenHandler = field(init=False)

    def __post_init__(self) -> None:
        """Begin without subscriptions."""
        self._listen = ListenHandler(self._bus, max_subscriptions=MOST_STREAMS)

    @asynccontextmanager
    async def life(self) -> AsyncGenerator[None]:
        """Watch for as long as the server serves; with its end all subscriptions end."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
                self._told.clear()
                self._streamed.clear()

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one stream of protocol 2026-07-28; what it acknowledges is what it will tell, and no more.

        Raises:
            MCPError: tasks are asked for without their extension, or the state store cannot be read.
        """
        wanted = params.notifications
        if "taskIds" in (wanted.model_extra or {}) and not asking.takes_tasks(ctx):
            raise MCPError(
                code=types.MISSING_REQUIRED_CLIENT_CAPABILITY,
                message="Missing required client capability",
                data={"requiredCapabilities": {"extensions": {TASKS: {}}}},
            )
        ours = [uri for uri in dict.fromkeys(wanted.resource_subscriptions or ()) if self._is_ours(uri)]
        if ours:
            await self._begin()
        # from here to its own place nobody else comes in between
        ours = ours[: max(0, MOST_RESOURCES - len(self._watched()))]
        honoured = wanted.model_copy(update={"resource_subscriptions": ours or None})
        with self._streaming(ours):
            return await self._listen(ctx, params.model_copy(update={"notifications": honoured}))

    async def subscribe(self, ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        """Tell the session of this request of a resource from now on (protocols before 2026-07-28).

        Raises:
            MCPError: there is no such resource, too many are watched, or the state store cannot be read.
        """
        uri = str(params.uri)
        if not self._is_ours(uri):
            raise MCPError(code=types.INVALID_PARAMS, message="Resource not found", data={"uri": uri[:200]})
        await self._begin()
        if uri not in self._told and len(self._watched()) >= MOST_RESOURCES:
            raise MCPError(code=types.INVALID_REQUEST, message=f"At most {MOST_RESOURCES} resources are watched.")
        self._told[uri] = ctx.session
        self._wanted.set()
        return types.EmptyResult()

    async def unsubscribe(self, _: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        """Tell of it no more; one that nobody was told of stays so."""
        self._told.pop(str(params.uri), None)
        return types.EmptyResult()

    @contextmanager
    def _streaming(self, uris: Iterable[str]) -> Generator[None]:
        self._streamed.update(uris)
        self._wanted.set()
        try:
            yield
        finally:
            self._streamed.subtract(uris)
            self._streamed = +self._streamed

    def _is_ours(self, uri: str) -> bool:
        subject = subject_of(uri)
        return subject is not None and subject.tool in self.catalogue.contracts

    def _watched(self) -> set[str]:
        return {*self._streamed, *self._told}

    async def _begin(self) -> None:
        """Know where everything stands before anybody is promised what is new."""
        async with self._looking:
            if self._watched() and self._marks is not None:
                return
            self._marks, self._since = None, self.now()
            try:
                await self._changed()
            except InkError as error:
                raise answers.fault(error, None) from error

    async def _watch(self) -> None:
        while True:
            await self._wanted.wait()
            await anyio.sleep(self.look_every_s)
            if not self._watched():
                self._marks, self._wanted = None, anyio.Event()
                continue
            try:
                async with self._looking:
                    changed = await self._changed()
                self._is_well()
                await self._tell(changed)
            except InkError as error:
                if self._breaks():
                    log.warning("subscriptions: %s It is tried again, and said when it is well.", error)
            except Exception:
                if self._breaks():
                    log.exception("subscriptions: a look broke; it is tried again, and said when it is well")

    def _breaks(self) -> bool:
        """Say whether that is new: the next look is a second away, and breaks likewise until somebody sees to it."""
        known, self._broken = self._broken, True
        return not known

    def _is_well(self) -> None:
        if self._broken:
            log.warning("subscriptions: operations are seen again; what is new since is told now")
        self._broken = False

    async def _changed(self) -> set[Subject]:
        """Return what is new since the last look that succeeded; the first look makes nothing new."""
        began = self.now()
        found = await (await self.open()).records.news(since=self._since - OVERLAP_S)
        known, self._marks, self._since = self._marks, {each.id: each.mark for each in found}, began
        if known is None:
            return set()
        return {about for each in found if known.get(each.id) != each.mark for about in _touched(each)}

    async def _tell(self, changed: set[Subject]) -> None:
        for uri in self._watched():
            if subject_of(uri) in changed:
                if uri in self._streamed:
                    await self._bus.publish(ResourceUpdated(uri=uri))
                if (session := self._told.get(uri)) is not None:
                    await session.send_resource_updated(uri)


def _touched(news: News) -> Iterator[Subject]:
    yield Subject("operation", news.id)
    if news.ended and (news.apps or news.servers):
        yield FLEET_SUBJECT
    yield from (Subject("app", name.lower()) for name in news.apps)
    yield from (Subject("server", name.lower()) for name in news.servers)
