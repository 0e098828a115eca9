"""The step handler that proves on a Muscle itself that its proxy leads a name to an app, whatever DNS says of it."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.web.visiting import Visit, visit_from
from ink_infra_mcp.ssh.pool import HostPool

ANSWERS_WITHIN_S = 90.0
_NO_ROUTE = "404 page not found"
"""What Traefik says to a name that it leads nowhere."""


@dataclass(frozen=True, slots=True)
class WebSteps:
    """Binds the handler to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.prove_answer": self.prove_answer}

    async def prove_answer(self, call: StepCall) -> JsonObject:
        """Return what a GET of `url` gives on `muscle`, sent to the Muscle's own address whatever DNS says of the name.

        A certificate is not looked at: nobody gives one for a name that leads elsewhere still. An answer of 500 and
        more, and that of a proxy without a route, is none.

        Raises:
            StepFailed: there was no answer within 90 seconds. HostError: the Muscle cannot be asked.
        """
        muscle, url = call.text("muscle"), call.text("url")
        address = self._address(muscle)

        async def answered() -> JsonObject | NotYet:
            seen = await visit_from(self.pool, muscle, url, address=address)
            if why := _why_none(seen):
                return NotYet(f"waiting on {muscle} for an answer of {url}", _no_answer(url, muscle, why))
            return {"status": seen.status}

        return await until(call, answered, within_s=ANSWERS_WITHIN_S)

    def _address(self, muscle: str) -> str:
        host = self.pool.hosts[muscle]
        for address in filter(None, (host.address, host.private_address)):
            if _is_address(address):
                return address
        raise StepFailed(
            f"fleet.toml knows no IP address of {muscle}, to which a GET could be sent.",
            done="Nothing was asked.",
            next="Give it its address in fleet.toml.",
            stage="web",
        )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _why_none(seen: Visit) -> str:
    if seen.status is None:
        return seen.error or "no answer"
    if seen.status >= 500:
        return f"it answers {seen.status}"
    return "its proxy has no route for it" if _is_lost(seen) else ""


def _is_lost(seen: Visit) -> bool:
    return seen.status == 404 and seen.untrusted_start.strip() == _NO_ROUTE


def _no_answer(url: str, muscle: str, why: str) -> StepFailed:
    return StepFailed(
        f"The app gives no good answer on {muscle} for {urlsplit(url).hostname}: {clean_name(why, limit=200)}.",
        done="It was deployed there; its domain was not switched.",
        next="Look at get_app_logs, mend it, then call again.",
        stage="web",
    )
