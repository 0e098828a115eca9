"""The step that waits until a zone's own name servers answer as planned. It only reads."""

from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.clients.nameservers.look import Nameservers
from ink_infra_mcp.core.dns.proving import Expected, asked_name, expected_of
from ink_infra_mcp.core.dns.zones import Told, agree, told_in_words
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until


@dataclass(frozen=True, slots=True)
class NameserverSteps:
    """Binds the handler to the name servers of the internet."""

    nameservers: Nameservers

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"nameservers.prove_records": self.prove_records}

    async def prove_records(self, call: StepCall) -> JsonObject:
        """Wait until each of `servers` gives exactly what is `expected`, and the rest of the world too for wildcards.

        Below a wildcard a name is asked for that nobody ever asked for, which no cache can know.

        Raises:
            StepFailed: after `within_s` seconds one still says something else, or nothing. The records stay.
        """
        servers = [str(each) for each in items(call.params["servers"])]
        expected = [expected_of(table(each), call.results) for each in items(call.params["expected"])]
        within_s = int(str(call.params["within_s"]))

        async def look() -> list[JsonValue] | NotYet:
            seen: list[JsonValue] = []
            for each in expected:
                told = await self._ask(call, servers, each)
                words = f"{each.type} of {each.name}: {told_in_words(told)}"
                if not agree(told, each.values):
                    return NotYet(f"waiting for {words}", _not_so(table(call.params["zone"]), each, words, within_s))
                seen.append(words)
            return seen

        return {"seen": await until(call, look, within_s=within_s)}

    async def _ask(self, call: StepCall, servers: list[str], each: Expected) -> tuple[Told, ...]:
        name = asked_name(each.name, call.operation_id)
        told = await self.nameservers.ask(servers, name, each.type)
        if name == each.name or not agree(told, each.values):
            return told
        return (*told, await self.nameservers.world(name, each.type))


def _not_so(zone: JsonObject, each: Expected, words: str, within_s: int) -> StepFailed:
    wanted = ", ".join(sorted(each.values)) or "none"
    return StepFailed(
        f"After {within_s} s the name servers do not all give {wanted} for {each.name} ({each.type}); {words}.",
        done="The records are set at the provider.",
        next=f"See whether the zone {zone.get('name')} is delegated there and this machine may ask port 53, then call "
        "again.",
        stage="dns",
    )
