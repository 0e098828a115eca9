"""What an error answer of the Cloud API means to us."""

from collections.abc import Mapping

from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer, classify_plainly, done_words, retry_after_s
from ink_infra_mcp.core.errors import (
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    VendorError,
)
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.untrusted import clean_name

_BY_CODE: Mapping[str, tuple[type[VendorError], str]] = {
    "unauthorized": (Unauthorized, "Check the Hetzner Cloud token of this project; it may have been deleted."),
    "token_readonly": (Forbidden, "Give ink-infra-mcp a Hetzner Cloud token with read and write permission."),
    "forbidden": (Forbidden, "Use a token of the project that owns the thing."),
    "maintenance": (Unavailable, "Hetzner works on it; try again later."),
    "resource_limit_exceeded": (Rejected, "Ask Hetzner to raise the limit of the project, or remove what is not used."),
    "conflict": (Conflict, "It was being changed at the same time; call again."),
    "uniqueness_error": (Conflict, "Something of that name is there already; choose another name or use that one."),
    "locked": (Conflict, "Another action works on it; call again when that has ended."),
    "protected": (Rejected, "It is protected; a person must take the protection away in the Hetzner Console first."),
    "resource_unavailable": (Rejected, "It is sold out there; choose another server type or location."),
    "placement_error": (Rejected, "There is no room for it now; choose another server type or location."),
    "resource_in_use": (Rejected, "It is still in use; take it off everything first."),
    "firewall_already_applied": (Rejected, "It is attached there already."),
    "firewall_managed_by_label_selector": (
        Rejected,
        "A label selector attaches it: change the selector or the server's labels, not the server alone.",
    ),
    "firewall_resource_not_found": (NotFound, "The server is gone, or of another project."),
    "private_net_only_server": (Rejected, "The server has no public side, so there is nothing to protect there."),
    "incompatible_network_type": (Rejected, "Cloud firewalls protect the public side of Cloud servers only."),
    "server_already_added": (Rejected, "The same server is named twice; name it once."),
    "rate_limit_exceeded": (RateLimited, "Requests come back one each second; wait, then call again."),
    "deprecated_api_endpoint": (Rejected, "Hetzner removed this part of its API; update ink-infra-mcp."),
}
"""Codes of the official Cloud documentation; all others are told by the status alone."""


def classify(service: str, answer: Answer) -> VendorError:
    """Return the error for an answer of the Cloud API, with the vendor's code, its words and the correlation id."""
    error = table(answer.json).get("error")
    if not isinstance(error, dict):
        return classify_plainly(service, answer)
    code = str(error.get("code") or "")
    plain = classify_plainly(service, answer)
    kind, advice = _BY_CODE.get(code, (type(plain), plain.next))
    return kind(
        f"{service} answered {answer.status} {clean_name(code)} to {answer.method} {answer.path}: {_words(error)}",
        service=service,
        status=answer.status,
        done=done_words(answer),
        next=advice,
        vendor_code=code,
        request_id=answer.headers.get("x-correlation-id"),
        retry_after_s=retry_after_s(answer),
        body=answer.json,
    )


def _words(error: Mapping[str, JsonValue]) -> str:
    """Return the vendor's message, and for a wrong input what is wrong with each field."""
    words = clean_name(str(error.get("message") or "no explanation"), limit=300).rstrip(".")
    fields = items(table(error.get("details")).get("fields"))
    named = [_field(field) for field in fields if isinstance(field, dict)]
    return f"{words} ({'; '.join(named)})." if named else f"{words}."


def _field(field: Mapping[str, JsonValue]) -> str:
    said = ", ".join(str(message) for message in items(field.get("messages")))
    return clean_name(f"{field.get('name')}: {said}" if said else str(field.get("name")), limit=200)
