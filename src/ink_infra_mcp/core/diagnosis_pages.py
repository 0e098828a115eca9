"""What a visit to a URL of an app saw; what could not be read, or what nobody asked for, is a kind of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

SERVER_ERRORS = 500
OF_APPS = frozenset({*range(200, 300), 404, 405, 410})
"""Statuses that only what serves pages gives. A redirect, a login, a refusal and a limit may be those of a middleware
in front of an app that is down; 400 is what a program says that does not know its own name."""
LOGIN = 401
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read: why, and what to do about it. It never means that all is fine."""

    why: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """A fact that nobody looked at, and why there was no need to."""

    why: str


NOT_ASKED = NotAsked("not asked")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one visit saw: a status, or why there was none. `unrouted`: 404 in the words that Traefik has for a name
    without a router, which are those of programs in Go, too. `via` is the status of the first redirect to the same host
    that was followed, 0 where none was; `at` is the URL that gave this answer, `to` the other host that it leads to.
    """

    status: int | None = None
    start: str = ""
    error: str = ""
    unrouted: bool = False
    via: int = 0
    at: str = ""
    to: str = ""

    @property
    def gates(self) -> bool:
        """Return whether it stands before the pages: it asks for a login, or leads to another host."""
        return self.status == LOGIN or (self.status in REDIRECTS and bool(self.to))

    @property
    def good(self) -> bool:
        """Return whether it can only be from what serves the pages."""
        return self.status in OF_APPS and not self.unrouted

    @property
    def bad(self) -> bool:
        """Return whether nobody is served: there is no answer, or an error of a server."""
        return self.status is None or self.status >= SERVER_ERRORS

    @property
    def words(self) -> str:
        """Return in words what was answered."""
        if self.status is None:
            return "no answer"
        return f"answers {self.via}, then {self.status}" if self.via else f"answers {self.status}"


@dataclass(frozen=True, slots=True)
class Door:
    """Where the proxy asks an app, and in which networks both are where they have none in common."""

    address: str
    port: int
    apart: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One URL of the app, of scheme, host and path alone. `leads` is where its name leads, `seen` the words for it,
    `delegation` what is wrong with the zone's. `certificate` is what is wrong with it, empty where it is trusted.
    `inside` is what its container itself answered there, asked without the proxy at `inside_at`; None: nobody asked.
    `deaf`: nothing listens at that address and port; `listens` is another port that answers, 0 where none was found.
    `apart` says in which networks proxy and container are, where those have none in common. `unvisited` are
    addresses of its name that are its server's, too, and at which nobody visited it.
    """

    url: str
    leads: Literal["here", "elsewhere", "nowhere"] | Unread
    answer: Answer | Unread
    certificate: str | Unread | NotAsked
    seen: str = ""
    delegation: str = ""
    inside: Answer | None = None
    inside_at: str = ""
    deaf: bool = False
    listens: int = 0
    apart: str = ""
    unvisited: tuple[str, ...] = ()

    @property
    def entered(self) -> bool:
        """Return whether an answer that stands before the pages is no doubt about the app: its container itself gives
        the same one, or good pages behind a login.
        """
        answer, inside = self.answer, self.inside
        if inside is None or not isinstance(answer, Answer) or not answer.gates:
            return False
        return (answer.status == LOGIN and inside.good) or (inside.status, inside.to) == (answer.status, answer.to)

    @property
    def inside_words(self) -> str:
        """Return in words what its container itself answered."""
        if self.inside is None:
            return "not asked"
        if not self.deaf:
            return f"{self.inside.words}{f' at {self.inside_at}' if self.inside_at else ''}"
        return f"nothing listens at {self.inside_at}{f', and port {self.listens} answers' if self.listens else ''}"

    @property
    def host(self) -> str:
        """Return the name in it."""
        return _parts(self.url)[0]

    @property
    def well(self) -> bool:
        """Return whether it was seen that its name, its certificate and its answer are as they should be."""
        return (
            self._serves and self.leads == "here" and (self.certificate == "" or isinstance(self.certificate, NotAsked))
        )

    @property
    def _serves(self) -> bool:
        return isinstance(self.answer, Answer) and (self.answer.good or self.entered)

    def unread(self) -> Iterator[tuple[str, Unread]]:
        """Yield what of it could not be seen, by its name."""
        facts = (("where its name leads", self.leads), ("answer", self.answer), ("certificate", self.certificate))
        yield from ((name, fact) for name, fact in facts if isinstance(fact, Unread))


def closest(routes: Iterable[str], url: str) -> int:
    """Return how much of a URL the closest of these routes has, 0 where none leads there: a proxy takes the closest."""
    asked = "{}/{}".format(*_parts(url))
    return max((len(route) for route in routes if asked.startswith(route)), default=0)


def _parts(url: str) -> tuple[str, str]:
    """Return host and path of a URL that has nothing else."""
    host, _, path = url.partition("://")[2].partition("/")
    return host, path
