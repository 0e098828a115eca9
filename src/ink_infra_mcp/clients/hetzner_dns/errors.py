"""What an error answer of Hetzner's DNS API means to us."""

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.envelope import ByCode, classified
from ink_infra_mcp.core.errors import Conflict, Forbidden, Rejected, Unavailable, VendorError

_BY_CODE: ByCode = {
    "token_readonly": (Forbidden, "Give ink-infra-mcp a Hetzner Cloud token with read and write permission."),
    "forbidden": (Forbidden, "Use a token of the project that owns the zone."),
    "maintenance": (Unavailable, "Hetzner works on it; try again later."),
    "conflict": (Conflict, "The zone was being changed at the same time; call again."),
    "locked": (Conflict, "The zone is being changed; call again when that has ended."),
    "uniqueness_error": (Conflict, "Records of that name and type are there already; call again."),
    "protected": (Rejected, "The records are protected; a person takes that away in the Hetzner Console first."),
    "incorrect_zone_mode": (Rejected, "The zone is a copy of one elsewhere; change it there."),
    "deprecated_api_endpoint": (Rejected, "Hetzner removed this part of its API; update ink-infra-mcp."),
}


def classify(service: str, answer: Answer) -> VendorError:
    """Return the error for an answer, with the vendor's code, its words and the correlation id."""
    return classified(service, answer, _BY_CODE)
