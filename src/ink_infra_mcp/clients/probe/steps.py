"""The step that visits a URL as a user does, until it answers as it should or its time is over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ink_infra_mcp.clients.probe import HttpSeen, Probe, TlsSeen
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until

OK = range(200, 300)
_MOVED = range(300, 400)
_NOT_FROM_HERE = "refused_by_us"


@dataclass(frozen=True, slots=True)
class VisitSteps:
    """Handlers of the kinds `web.*`."""

    probe: Probe

    def handlers(self) -> Mapping[str, Handler]:
        """Return each kind with its handler."""
        return {"web.visit": self.visit}

    async def visit(self, call: StepCall) -> JsonObject:
        """Visit the https `url` at `address`, then the same over http, until both are good or `deadline_s` is over.

        Good is a certificate that browsers trust with a status of 2xx, and over http the same or a way to https. The
        name goes with the request; that it leads to the address is proved by DNS steps. An address that is not public
        is not visited: `visited` is false then, with the reason in `why`.

        Raises:
            StepFailed: it did not answer so in time; the last that was seen is told.
        """
        url, address = call.text("url"), call.given("address")
        plain = "http://" + url.removeprefix("https://")
        seen = await self._until(call, url, address, _is_good)
        if seen.kind == _NOT_FROM_HERE:
            return {"visited": False, "why": seen.error}
        over_http = await self._until(call, plain, address, _is_answer)
        return {"visited": True, "status": seen.status, "http": over_http.status, **_certificate(seen.tls)}

    async def _until(self, call: StepCall, url: str, address: str, good: Callable[[HttpSeen], bool]) -> HttpSeen:
        """Visit until it is good, or until it is told that nobody goes there from here."""

        async def visited() -> HttpSeen | NotYet:
            seen = await self.probe.http(url, address=address)
            if good(seen) or seen.kind == _NOT_FROM_HERE:
                return seen
            return NotYet(f"waiting for {url}: {_told(seen)}", _not_so(call, url, _told(seen)))

        return await until(call, visited, within_s=_deadline(call))


def _deadline(call: StepCall) -> float:
    seconds = call.params["deadline_s"]
    if not isinstance(seconds, int):
        raise TypeError(f"step {call.step_id}: deadline_s is not a number")
    return float(seconds)


def _certificate(tls: TlsSeen | None) -> JsonObject:
    end = tls.not_after if tls else None
    return {"issuer": tls.issuer if tls else "", "until": end.isoformat() if end else ""}


def _is_answer(seen: HttpSeen) -> bool:
    return seen.status in OK or seen.status in _MOVED


def _is_good(seen: HttpSeen) -> bool:
    return seen.status in OK and seen.tls is not None and seen.tls.trusted


def _told(seen: HttpSeen) -> str:
    if seen.tls is not None and not seen.tls.trusted:
        return f"its certificate is not trusted ({seen.tls.problem})"
    return f"it answers {seen.status}" if seen.status is not None else seen.error or "no answer"


def _not_so(call: StepCall, url: str, what: str) -> StepFailed:
    return StepFailed(
        f"{url} does not answer as it should: {what}.",
        done=f"{call.target} runs.",
        next="Look at the proxy of its server, at DNS and at the ports with check_firewall; then call again.",
        stage="web",
    )
