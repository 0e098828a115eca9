"""What was seen of an app that may be down: each fact is known, or unknown with the reason, or was not asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ink_infra_mcp.core.plan import Frozen

SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read: why, and what to do about it. It never means that all is fine."""

    why: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """A fact that nobody looked at, and why there was no need to."""

    why: str


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
    """The last deployment, `at` in ISO 8601. `cause` is what its log tells of a failure; `of_image`: a registry's."""

    uuid: str
    status: str
    at: str = ""
    cause: str = ""
    of_image: bool = False
    active: bool = False

    @property
    def failed(self) -> bool:
        """Return whether it ended otherwise than well: it failed, or somebody ended it."""
        return not self.active and self.status != "finished"


@dataclass(frozen=True, slots=True)
class Box:
    """A container of the app. `fresh`: it was started a moment ago. `may_end`: it may end well, and then counts."""

    name: str
    state: str = "running"
    health: str = ""
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    fresh: bool = False
    may_end: bool = False

    @property
    def runs(self) -> bool:
        """Return whether it runs at this moment."""
        return self.state == "running"

    @property
    def well(self) -> bool:
        """Return whether it is as it should be: it runs and no check says otherwise, or it ended well as it may."""
        if self.runs:
            return self.health in {"", "none", "healthy"}
        return self.may_end and self.state == "exited" and self.exit_code == 0


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
class Answer:
    """What one visit saw: a status, or why there was none. `unrouted`: the proxy has no router for the name."""

    status: int | None = None
    start: str = ""
    error: str = ""
    unrouted: bool = False

    @property
    def good(self) -> bool:
        """Return whether the app answered, and not with an error of a server."""
        return self.status is not None and self.status < SERVER_ERRORS and not self.unrouted


@dataclass(frozen=True, slots=True)
class Page:
    """One URL of the app. `leads` is where its name leads, `seen` the words for it, `delegation` what is wrong with the
    zone's. `certificate` is what is wrong with it, empty where it is trusted.
    """

    url: str
    leads: Literal["here", "elsewhere", "nowhere"] | Unread
    answer: Answer | Unread
    certificate: str | Unread | NotAsked
    seen: str = ""
    delegation: str = ""

    @property
    def bad(self) -> bool:
        """Return whether it was seen that nobody is served there."""
        return isinstance(self.answer, Answer) and not self.answer.good

    @property
    def good(self) -> bool:
        """Return whether it was seen that it is reached as it should be, all of it."""
        answers = isinstance(self.answer, Answer) and self.answer.good
        return answers and self.leads == "here" and (self.certificate == "" or isinstance(self.certificate, NotAsked))

    def unread(self) -> Iterator[tuple[str, Unread]]:
        """Yield what of it could not be seen, by its name."""
        facts = (("where its name leads", self.leads), ("answer", self.answer), ("certificate", self.certificate))
        yield from ((f"{self.url}: {name}", fact) for name, fact in facts if isinstance(fact, Unread))


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was looked at of one app. `rollout` is None where there never was one.

    `missing` says which promised part of it has no container that runs, `refused` what Docker Compose has against its
    file, `shut` which of its server's web ports a firewall keeps closed. `skipped` is what nobody looked at.
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
    shut: tuple[str, ...] | NotAsked | Unread = NotAsked("not asked")
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
    def silent(self) -> bool:
        """Return whether one of its URLs was seen to serve nobody."""
        return any(page.bad for page in self.pages)

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
        }
        found = {name: fact.why for name, fact in facts.items() if isinstance(fact, Unread)}
        if isinstance(self.machine, Machine):
            found |= {f"{name} of {self.machine.name}": fact.why for name, fact in self.machine.unread.items()}
        return found | {name: fact.why for page in self.pages for name, fact in page.unread()}

    @property
    def up(self) -> bool:
        """Return whether everything was read and is as it should be."""
        return not self.unread and not self.falls and all(page.good for page in self.pages)
