"""What was seen of an app that may be down: each fact is known, or unknown with the reason, or was not asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from ink_infra_mcp.core.diagnosis_pages import NOT_ASKED, Answer, NotAsked, Page, Unread, closest
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.routing import may_lead

LOOPS = 2
"""So many starts after a fall, the last one a moment ago, are no accident."""
FRESH = timedelta(minutes=2)
"""A moment: what was started since then may fall again."""


class Finding(Frozen):
    """One thing that is wrong: what it is, what was seen of it, and the call or act that mends it."""

    code: str
    what: str
    evidence: str
    mend: str


@dataclass(frozen=True, slots=True)
class CoolifySaid:
    """What Coolify says of the app. `runs` is its own word, which may be old; `crashes` are the starts that it counted
    since the last deployment or stop. `port` and `memory` are as they are set, empty where none is.
    """

    status: str
    runs: bool
    crashes: int = 0
    port: str = ""
    memory: str = ""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The last deployment, `at` in ISO 8601. `cause` is what its log tells of a failure; `of_image`: a registry's.

    `lasting`: it waits or runs for so long that nobody may be working on it.
    """

    uuid: str
    status: str
    at: str = ""
    cause: str = ""
    of_image: bool = False
    active: bool = False
    lasting: bool = False

    @property
    def failed(self) -> bool:
        """Return whether it ended otherwise than well: it failed, or somebody ended it."""
        return not self.active and self.status != "finished"


@dataclass(frozen=True, slots=True)
class Box:
    """A container of the app. `fresh`: it was started a moment ago. `may_end`: it may end well, and then counts.

    `routes` are the URLs that the proxy leads to it, as `host/path`: all that begin so.
    """

    name: str
    state: str = "running"
    health: str = ""
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    fresh: bool = False
    may_end: bool = False
    routes: frozenset[str] = frozenset()

    @property
    def runs(self) -> bool:
        """Return whether it runs at this moment."""
        return self.state == "running"

    @property
    def loops(self) -> bool:
        """Return whether it ends soon after each start: one that was started again a moment ago runs in between."""
        return self.state == "restarting" or (self.runs and self.fresh and self.restarts >= LOOPS)

    @property
    def well(self) -> bool:
        """Return whether it is as it should be: it runs, stays up and no check says more, or ended well."""
        if self.runs:
            return not self.loops and self.health in {"", "none", "healthy"}
        return self.may_end and self.state == "exited" and self.exit_code == 0

    def is_led(self, url: str) -> bool:
        """Return whether the proxy leads a URL to it."""
        return closest(self.routes, url) > 0


@dataclass(frozen=True, slots=True)
class Machine:
    """The app's server as it tells of itself. `troubles` are what is wrong there; `unread` are the facts that it did
    not tell, by their names. `memory` is what is available, and all, in bytes; None where that is unread.
    """

    name: str
    troubles: tuple[Finding, ...] = ()
    memory: tuple[int, int] | None = None
    unread: Mapping[str, Unread] = field(default_factory=dict[str, Unread])

    def of(self, *codes: str) -> tuple[Finding, ...]:
        """Return the troubles of these codes."""
        return tuple(trouble for trouble in self.troubles if trouble.code in codes)


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was looked at of one app. `rollout` is None where there never was one.

    `missing` says which promised part of it has no container that runs, `refused` what Docker Compose has against its
    file, `no_compose` that its server has none to read it with, `shut` which of its server's web ports a firewall keeps
    closed. `wildcard` is the domain below which all names lead to its server, `rivals` are the routes to what else runs
    there, `riddles` the rules of it that are not read. `more` is what else could not be read, by its name, `skipped`
    what nobody looked at.
    """

    name: str
    muscle: str
    coolify: CoolifySaid | Unread
    rollout: Rollout | NotAsked | Unread | None
    boxes: tuple[Box, ...] | Unread
    machine: Machine | Unread
    pages: tuple[Page, ...] = ()
    missing: str = ""
    refused: str = ""
    no_compose: bool = False
    shut: tuple[str, ...] | NotAsked | Unread = NOT_ASKED
    wildcard: str = ""
    rivals: frozenset[str] = frozenset()
    riddles: frozenset[str] = frozenset()
    more: Mapping[str, Unread] = field(default_factory=dict[str, Unread])
    skipped: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[Box, ...]:
        """Return the containers that were seen; none where they could not be."""
        return () if isinstance(self.boxes, Unread) else self.boxes

    @property
    def none(self) -> bool:
        """Return whether it was seen that it has no container."""
        return self.boxes == ()

    @property
    def runs(self) -> bool:
        """Return whether one of its containers was seen to run."""
        return any(box.runs for box in self.known)

    @property
    def falls(self) -> bool:
        """Return whether it was seen that its containers are not as they should be."""
        return not isinstance(self.boxes, Unread) and bool(self.none or self.missing or self._unwell)

    @property
    def _unwell(self) -> bool:
        return not all(box.well for box in self.known)

    @property
    def without_proxy(self) -> bool:
        """Return whether it was seen that its server's proxy does not run."""
        return isinstance(self.machine, Machine) and bool(self.machine.of("proxy"))

    def astray(self, page: Page) -> str | Unread:
        """Return why an answer there is not from a container of it, empty where the proxy leads the URL to one."""
        if isinstance(self.boxes, Unread):
            return self.boxes
        if self.without_proxy:
            return "the proxy of its server does not run"
        return self._contested(page)

    def _contested(self, page: Page) -> str:
        own = max((closest(box.routes, page.url) for box in self.known if box.runs), default=0)
        if not own:
            return "no container of it that runs has labels that lead the URL there"
        if closest(self.rivals, page.url) >= own:
            return "what is not of it has labels that lead the URL there, too"
        if any(map(partial(may_lead, host=page.host), self.riddles)):
            return "what is not of it has a rule for the proxy that is not read here, and may lead the URL there"
        return ""

    def unled(self, page: Page) -> bool:
        """Return whether it was seen that no labels at all lead the URL anywhere, those of other apps included."""
        if isinstance(self.boxes, Unread):
            return False
        routes = (*self.rivals, *(route for box in self.known if box.runs for route in box.routes))
        return not closest(routes, page.url)

    def bad(self, page: Page) -> bool:
        """Return whether it was seen that nobody is served there."""
        answer = page.answer
        if not isinstance(answer, Answer) or not answer.unrouted:
            return isinstance(answer, Answer) and answer.bad
        astray = self.astray(page)
        return isinstance(astray, str) and bool(astray)

    def fallen(self, page: Page) -> bool:
        """Return whether its containers explain an error there: none that is as it should be is led to by the URL."""
        return self.falls and not any(box.well and box.is_led(page.url) for box in self.known)

    @property
    def silent(self) -> bool:
        """Return whether one of its URLs was seen to serve nobody."""
        return any(map(self.bad, self.pages))

    @property
    def unreached(self) -> bool:
        """Return whether one of its URLs was visited and gave no answer at all."""
        return any(isinstance(page.answer, Answer) and page.answer.status is None for page in self.pages)

    @property
    def ails(self) -> bool:
        """Return whether anything was seen that a trouble of its server would explain."""
        return self.falls or self.silent

    @property
    def unread(self) -> dict[str, str]:
        """Return every fact that could not be read, and why."""
        facts = {
            "what Coolify says": self.coolify,
            "the last deployment": self.rollout,
            "its containers": self.boxes,
            f"the server {self.muscle}".strip(): self.machine,
            "its firewalls": self.shut,
            **self.more,
            **dict(self._doubts()),
        }
        return {name: fact.why for name, fact in facts.items() if isinstance(fact, Unread)}

    @property
    def up(self) -> bool:
        """Return whether everything was read and is as it should be."""
        return not self.unread and not self.falls and all(page.well for page in self.pages)

    def _doubts(self) -> Iterator[tuple[str, Unread]]:
        if isinstance(self.machine, Machine):
            yield from ((f"{name} of {self.machine.name}", fact) for name, fact in self.machine.unread.items())
        yield from self._unsettled()
        for page in self.pages:
            yield from ((f"{page.url}: {name}", fact) for name, fact in (*page.unread(), *self._served(page)))

    def _unsettled(self) -> Iterator[tuple[str, Unread]]:
        for box in self.known:
            if box.well and box.fresh and box.restarts:
                yield f"whether {box.name} stays up", Unread("it has fallen, and was started again a moment ago")

    def _served(self, page: Page) -> Iterator[tuple[str, Unread]]:
        """Yield what an answer leaves open of whether it is the app that serves people."""
        if not isinstance(page.answer, Answer) or self.bad(page):
            return
        yield from self._who(page, page.answer)
        if page.leads == "elsewhere":
            yield "what people get there", Unread(f"nobody was visited where its name leads: {page.seen}")

    def _who(self, page: Page, answer: Answer) -> Iterator[tuple[str, Unread]]:
        astray = self.astray(page)
        if answer.unrouted:
            why = "it answers 404 in words that the proxy and programs share, so that nobody knows whose they are"
            yield "answer", Unread(why)
        elif not answer.good and not page.entered:
            inside = f"; its container itself: {page.inside_words}" if page.inside else ""
            yield "answer", Unread(f"it {answer.words}, before the app could be seen{inside}")
        elif astray:
            words = astray if isinstance(astray, Unread) else Unread(f"something {answer.words}, and {astray}")
            yield "who answered", words
