"""What an error answer of the Cloud API means to us."""

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.envelope import ByCode, classified
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

_BY_CODE: ByCode = {
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
    "server_already_attached": (Rejected, "It is attached there already."),
    "server_already_added": (Rejected, "The same server is named twice; name it once."),
    "rate_limit_exceeded": (RateLimited, "Requests come back one each second; wait, then call again."),
    "deprecated_api_endpoint": (Rejected, "Hetzner removed this part of its API; update ink-infra-mcp."),
}
"""Codes of the official Cloud documentation; all others are told by the status alone."""


def classify(service: str, answer: Answer) -> VendorError:
    """Return the error for an answer of the Cloud API, with the vendor's code, its words and the correlation id."""
    return classified(service, answer, _BY_CODE)
