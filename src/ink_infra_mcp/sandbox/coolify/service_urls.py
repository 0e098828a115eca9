"""The `urls` of a service: how their items are checked, and how its containers get them.

Source: applyServiceUrls and the rules in ServicesController of coollabsio/coolify at v4.3.11.
"""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.call import Call, JsonObject, invalid
from ink_infra_mcp.sandbox.coolify.domains import (
    conflicts_of,
    domain_errors,
    doubled,
    listed,
    normalized,
    refuse_conflicts,
)
from ink_infra_mcp.sandbox.state_coolify import Service, ServicePart

STRANGE_ITEM = "An item in the urls array has invalid fields. Only name and url fields are supported."


def check_items(call: Call) -> None:
    """Let `urls` pass whose items have a name, and a text for their URL, before anything is changed.

    Raises:
        Refusal: 422 that names the item by its place.
    """
    for place, item in enumerate(call.items("urls")):
        path = f"urls.{place}"
        if not isinstance(item, dict) or set(item) - {"name", "url"}:
            raise invalid({path: [STRANGE_ITEM]})
        if not item.get("name"):
            raise invalid({f"{path}.name": [f"The {path}.name field is required."]})
        if not isinstance(item.get("url"), str | None):
            raise invalid({f"{path}.url": [f"The {path}.url field must be a string."]})


def apply_urls(call: Call, service: Service) -> None:
    """Give each container its URLs; those whose own are in order get them although others are refused.

    Raises:
        Refusal: 422 whose `errors` are a bare list, or 409 with the conflicts of all of them.
    """
    items = [item for item in call.items("urls") if isinstance(item, dict)]
    _check_urls(call, items)
    fronts = {part.name: part for part in service.parts if not part.is_database}
    conflicts = [conflict for item in items for conflict in _apply(call, fronts, item)]
    named = (str(item["name"]) for item in items)
    _refuse([f"Service container with '{name}' not found." for name in named if name not in fronts])
    refuse_conflicts(conflicts)


def _check_urls(call: Call, items: list[JsonObject]) -> None:
    _refuse([error for item in items for error in domain_errors(item.get("url"))])
    urls = [url for item in items for url in listed(normalized(item.get("url")))]
    _refuse(doubled(call, urls, "conflicting URLs across containers: {}. Use"))


def _apply(call: Call, fronts: dict[str, ServicePart], item: JsonObject) -> list[JsonObject]:
    """Return what has the URLs of one item already; where nothing has, or the request insists, they are set."""
    part = fronts.get(str(item["name"]))
    if part is None:
        return []
    wanted = normalized(item.get("url"))
    conflicts = conflicts_of(call.coolify, listed(wanted), own_uuid=part.uuid)
    if conflicts and not call.switch("force_domain_override"):
        return conflicts
    part.fqdn = wanted
    return []


def _refuse(errors: list[str]) -> None:
    if errors:
        raise invalid(list[JsonValue](errors))
