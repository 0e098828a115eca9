"""Machines that are paid for and did not become Muscles: each is named, with its price and what may become of it."""

from collections.abc import Iterator

from pydantic import JsonValue

from ink_infra_mcp.areas.machines.costs import Costs
from ink_infra_mcp.core.operation import Results
from ink_infra_mcp.core.plan import JsonObject, Plan, Step

MONTHLY = "monthly"
"""The part of a plan's `pinned` that has what each machine costs a month, by name."""
_NOT_KNOWN = "a price that is not known"


def monthly(costs: Costs | None) -> JsonObject:
    """Return what the machines of a plan cost a month in words, bought in it or before, to be told however it ends."""
    if costs is None:
        return {}
    prices: dict[str, JsonValue] = {
        name: str(price) if price else _NOT_KNOWN for name, price in (costs.there | costs.added).items()
    }
    return {MONTHLY: prices} if prices else {}


def unfinished(plan: Plan, results: Results) -> list[JsonValue]:
    """Return a sentence for each machine that is bought, by this operation or an earlier one, and is no Muscle yet."""
    return [*_told(plan, results)]


def _told(plan: Plan, results: Results) -> Iterator[str]:
    prices = plan.pinned.get(MONTHLY)
    for last in plan.steps:
        if last.kind == "fleet.add_muscle" and last.id not in results and (it := _machine(last, results)):
            name, (server, address) = last.target, it
            price = prices.get(name) if isinstance(prices, dict) else None
            yield (
                f"{name} is bought and is no Muscle: the Cloud server {server} at {address} costs "
                f"{price or _NOT_KNOWN}, until it is deleted. To go on with it: add_muscle with the same arguments. "
                f"To delete it: remove_muscle name={name} machine=delete."
            )


def _machine(last: Step, results: Results) -> tuple[str, str] | None:
    """Return its id at Hetzner and its address, None where none is bought: what fleet.toml would have got of it."""
    fields = last.params["fields"]
    if not isinstance(fields, dict) or fields.get("provider") != "hetzner_cloud":
        return None
    server, address = (_known(fields.get(name), results) for name in ("provider_id", "address"))
    return (server, address or "no address yet") if server else None


def _known(value: JsonValue, results: Results) -> str:
    """Return a text, or what an earlier step returned where it has run; empty where it has not."""
    if not isinstance(value, dict):
        return str(value or "")
    nothing: JsonObject = {}
    return str(results.get(str(value.get("step")), nothing).get(str(value.get("field"))) or "")
