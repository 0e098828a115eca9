"""Looks at one app from end to end, with the readers of other tools; what cannot be read is kept as unknown."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio

from ink_infra_mcp.areas.apps.app import App, find_app, host_of
from ink_infra_mcp.areas.apps.log_lines import masked, redacted
from ink_infra_mcp.areas.apps.own_values import OwnValues, own_values
from ink_infra_mcp.areas.apps.services import NO_SERVICES, Services
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.providers import server_of
from ink_infra_mcp.areas.ports.web_ports import shut_to_web
from ink_infra_mcp.areas.told import (
    Containers,
    Door,
    containers_in,
    copies_of,
    door_of,
    last_deployment,
    machine_of,
    parts_of,
    promise_of,
    rollout_of,
    said_of,
    skipped_of,
)
from ink_infra_mcp.areas.visited import (
    Deadline,
    asked_inside,
    bare_words,
    or_unread,
    visitable,
    visited,
    visited_bare,
    with_zone,
)
from ink_infra_mcp.clients.coolify.buildlog import Deployment
from ink_infra_mcp.core.diagnosis_facts import Seen
from ink_infra_mcp.core.diagnosis_found import by_proxy
from ink_infra_mcp.core.diagnosis_pages import Answer, NotAsked, Page, Unread
from ink_infra_mcp.core.errors import VendorError
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.causes import Why, why_not_up
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather
from ink_infra_mcp.hosts.upkeep.upkeep_facts import UpkeepFacts, gather_upkeep

WITHIN_S = 45.0
"""One look, from the first question to Coolify to the last line of a log: a client that waits gives up after a minute.
"""
_FINDING = 0.5
"""The part of it that Coolify has to tell which app it is: the rest is for the app's domain."""
MOST_URLS = 10
LOG_LINES, LINE = 30, 300
_NOT_YET = Unread("nobody asked")
_NO_NEED = NotAsked("its URLs are answered, or none was visited")
_ELSEWHERE = "not in fleet.toml"


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of an app, what was asked for it and from where, and the last lines that tell why it fell.

    `untrusted_log` is the build's, or that of the containers that fell; `note` says what of it is not masked or shown.
    """

    seen: Seen
    asked: tuple[str, ...]
    untrusted_log: tuple[str, ...] = ()
    note: str = ""


async def looked_at(look: Look, wanted: str, *, within_s: float = WITHIN_S) -> Looked:
    """Return all that can be seen of the app that is called so, or of that host name where Coolify cannot be asked.

    What has not come within `within_s` is unread.

    Raises:
        UnknownName: there is no such app. AmbiguousName: there are several. ConfigError: Coolify's token is missing.
    """
    until = Deadline.within(within_s)
    try:
        with anyio.fail_after(within_s * _FINDING):
            app = await find_app(look, wanted)
    except VendorError as error:
        return await _without_coolify(look, wanted, Unread(error.failed, error.next), until)
    except TimeoutError:
        why = Unread(f"Coolify did not answer within {within_s * _FINDING:g} seconds")
        return await _without_coolify(look, wanted, why, until)
    looking = _Looking(look, app, until)
    await looking.run()
    return await looking.told()


@dataclass(slots=True)
class _Looking:
    """One look at one app: its fields fill while it goes on."""

    look: Look
    app: App
    until: Deadline
    facts: HostFacts | Unread = _NOT_YET
    upkeep: UpkeepFacts | Unread = _NOT_YET
    last: Deployment | NotAsked | Unread | None = _NOT_YET
    services: Services | Unread = NO_SERVICES
    pages: dict[str, Page] = field(default_factory=dict[str, Page])
    shut: tuple[str, ...] | NotAsked | Unread = _NO_NEED
    why: Why | Unread = field(default_factory=Why)
    own: OwnValues | Unread | None = None
    visits: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def urls(self) -> tuple[str, ...]:
        """Return the URLs by which users call it."""
        return tuple(dict.fromkeys(filter(None, map(visitable, self.app.urls))))

    async def run(self) -> None:
        """Look at everything, side by side; then at what only matters where something is wrong."""
        async with anyio.create_task_group() as group:
            for part in (self._deployments, self._parts, self._server, self._rooms):
                group.start_soon(part)
            for url in self.urls[:MOST_URLS]:
                group.start_soon(self._page, url)
        await self._inside()
        if any(isinstance(page.answer, Answer) and page.answer.status is None for page in self.pages.values()):
            self.shut = await self._asked_door()
        if self._may_tell_more():
            await self._why_not_up()

    async def told(self) -> Looked:
        """Return what was seen."""
        seen, lines = self._seen(), self._log()
        if not lines:
            return Looked(seen, tuple(self._asked()))
        own = await self._own_values()
        if isinstance(own, Unread):
            note = f"its log is left out, since its own values, which are masked there, are not known: {own.why}"
            return Looked(seen, tuple(self._asked()), note=note)
        # all lines are masked before the last are taken: nobody knows the half of a secret
        last = masked(own, lines)[-LOG_LINES:]
        return Looked(seen, tuple(self._asked()), redacted(self.look, last, limit=LINE), own.note)

    async def _why_not_up(self) -> None:
        own = await self._own_values()
        if isinstance(own, Unread):
            self.why = own
            return
        promise = promise_of(self.app.uuid, self.services)
        self.why = await or_unread(
            lambda: why_not_up(self.look.hosts, self.app.muscle, promise, mask=own.mask), self.until
        )

    async def _own_values(self) -> OwnValues | Unread:
        if self.own is None:
            self.look.learn_secrets()
            service = self.app.kind == "service"
            self.own = await or_unread(
                lambda: own_values(self.look.coolify, self.app.uuid, service=service), self.until
            )
        return self.own

    def _asked(self) -> Iterator[str]:
        yield f"Coolify: the app ({self.app.status}) and its last deployment"
        if self.app.muscle:
            yield f"{self.app.muscle} over SSH: containers, Docker, memory, disks"
        yield from (self.visits[url] for url in self.urls if url in self.visits)
        if self.shut is not _NO_NEED:
            yield f"{self.app.muscle} and its provider: who gets in at ports 80 and 443"

    async def _deployments(self) -> None:
        self.last = NotAsked("Coolify keeps none of a compose app")
        if self.app.kind == "application":
            self.last = await or_unread(lambda: last_deployment(self.look, self.app), self.until)

    async def _parts(self) -> None:
        self.services = await or_unread(lambda: parts_of(self.look, self.app), self.until)

    async def _server(self) -> None:
        muscle = self.app.muscle
        if not muscle:
            self.facts = Unread(f"its server is {_ELSEWHERE}", "add_muscle")
            return
        found = await or_unread(lambda: gather(self.look.hosts, muscle), self.until)
        self.facts = await _with_power(self.look, muscle, found, self.until) if isinstance(found, Unread) else found

    async def _rooms(self) -> None:
        if self.app.muscle:
            self.upkeep = await or_unread(lambda: gather_upkeep(self.look.hosts, self.app.muscle), self.until)

    async def _page(self, url: str) -> None:
        if not self.app.muscle:
            self.pages[url] = page = await _bare(self.look, url, self.until)
            self.visits[url] = bare_words(page)
            return
        found = await or_unread(lambda: visited(self.look, self.app.muscle, url), self.until)
        page, words = (_unread_page(url, found), f"{url}: {found.why}") if isinstance(found, Unread) else found
        leads_astray = page.leads in ("nowhere", "elsewhere")
        self.pages[url] = await with_zone(self.look, page, self.until) if leads_astray else page
        self.visits[url] = words

    async def _inside(self) -> None:
        """Where a login or another host stands before an app, or the proxy gets nothing of it, its container is asked
        itself.
        """
        containers, seen = self._containers(), self._seen()
        if isinstance(containers, Unread):
            return
        async with anyio.create_task_group() as group:
            for url, page in [*self.pages.items()]:
                door = door_of(containers, url) if not seen.astray(page) else None
                if door and isinstance(page.answer, Answer) and _asks_for_more(page.answer):
                    group.start_soon(self._enter, url, page.answer, door)

    async def _enter(self, url: str, answer: Answer, door: Door) -> None:
        page = self.pages[url]
        found = await or_unread(lambda: asked_inside(self.look, self.app.muscle, page, answer, door), self.until)
        if isinstance(found, Unread):
            self.visits[url] += f"; its container itself: {found.why}"
            return
        self.pages[url] = found
        self.visits[url] += f"; its container itself, asked by {self.app.muscle}: {found.inside_words}"

    async def _asked_door(self) -> tuple[str, ...] | Unread:
        if isinstance(self.facts, Unread):
            return self.facts
        return await or_unread(lambda: shut_to_web(self.look, self.app.muscle), self.until)

    def _may_tell_more(self) -> bool:
        """An app of one container without any has nobody who could tell."""
        found = self._containers()
        if isinstance(found, Unread) or not found.fallen:
            return False
        return bool(found.own) or self.app.kind == "service"

    def _containers(self) -> Containers | Unread:
        return containers_in(self.facts, self.app.uuid, self.services, self.look.clock.now())

    def _seen(self) -> Seen:
        own = self._containers()
        boxes, lacks = (own, "") if isinstance(own, Unread) else (own.boxes, own.missing)
        return Seen(
            name=self.app.name,
            muscle=self.app.muscle,
            coolify=said_of(self.app),
            rollout=rollout_of(self.last, self.look.clock.now()) if isinstance(self.last, Deployment) else self.last,
            boxes=boxes,
            machine=machine_of(self.look, self.app, self.facts, self.upkeep, own),
            pages=(*(self.pages[url] for url in self.urls[:MOST_URLS]), *self._unvisited()),
            missing=lacks,
            refused=self._refused if not boxes else "",
            no_compose=isinstance(self.why, Why) and self.why.no_compose,
            shut=self.shut,
            wildcard=next((m.wildcard_domain or "" for m in self.look.fleet.muscles if m.name == self.app.muscle), ""),
            rivals=frozenset() if isinstance(own, Unread) else own.rivals,
            riddles=frozenset() if isinstance(own, Unread) else own.riddles,
            more=dict(self._more()),
            skipped=tuple(skipped_of(self.app)),
        )

    @property
    def _refused(self) -> str:
        return self.why.cause if isinstance(self.why, Why) and not self.why.no_compose else ""

    def _more(self) -> Iterator[tuple[str, Unread]]:
        yield from copies_of(self.app)
        if isinstance(self.services, Unread):
            yield "which parts it promises", self.services
        if isinstance(self.why, Unread):
            yield "what its containers say of why they fell", self.why

    def _unvisited(self) -> Iterator[Page]:
        """What is beyond the first URLs, or none, is not known, and keeps the app from being called up."""
        if more := max(0, len(self.urls) - MOST_URLS):
            yield _unread_page(f"{more} more of its URLs", Unread(f"only the first {MOST_URLS} are visited"))
        if odd := sum(not visitable(url) for url in self.app.urls):
            why = Unread("Coolify has there what is no URL of http or https with a plain host name")
            yield _unread_page(f"{odd} of its URLs", why)

    def _log(self) -> list[str]:
        """The containers tell more of why it is down than a build that is over."""
        if isinstance(self.why, Why) and self.why.untrusted_log:
            return [*self.why.untrusted_log]
        if not isinstance(self.last, Deployment) or not rollout_of(self.last, self.look.clock.now()).failed:
            return []
        return [part for line in self.last.lines or () for part in line.untrusted_text.splitlines()]


def _asks_for_more(answer: Answer) -> bool:
    """Return whether only its container can say more of an app than that answer does."""
    return answer.gates or answer.status is None or by_proxy(answer)


async def _with_power(look: Look, muscle: str, why: Unread, until: Deadline) -> Unread:
    """Return why a server could not be asked, with what its provider says of it, where that can be asked."""
    host, cloud = look.fleet.host(muscle), look.hetzner
    if host.provider != "hetzner_cloud" or cloud is None:
        return why
    found = await or_unread(cloud.servers, until)
    if isinstance(found, Unread):
        return Unread(f"{why.why}; what Hetzner Cloud says of it is not known: {found.why}", why.next)
    server = server_of(host, found)
    words = (
        f"Hetzner Cloud says that it is {clean_name(server.status)}" if server else "Hetzner Cloud has no such server"
    )
    return Unread(f"{why.why.rstrip('.')}; {words}", why.next)


async def _bare(look: Look, url: str, until: Deadline) -> Page:
    found = await or_unread(lambda: visited_bare(look, url), until)
    return _unread_page(url, found) if isinstance(found, Unread) else found


def _unread_page(url: str, why: Unread) -> Page:
    return Page(url, why, why, why)


async def _without_coolify(look: Look, wanted: str, why: Unread, until: Deadline) -> Looked:
    """Return what can be seen of a host name, where that is what the app was called by: nothing else of what was given
    is visited or shown."""
    host = host_of(wanted)
    url = visitable(f"https://{host}/") if "." in host else ""
    pages = (await _bare(look, url, until),) if url else ()
    untold = Unread("Coolify does not tell it", why.next)
    asked = ("Coolify: no good answer", *map(bare_words, pages))
    skipped = () if pages else ("names, certificates and answers: give the app's domain in place of its name",)
    shut = NotAsked("its server is not known")
    name = clean_name(host) or "the app"
    seen = Seen(name, "", why, untold, untold, untold, pages, shut=shut, skipped=skipped)
    return Looked(seen, asked)
