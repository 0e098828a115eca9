"""What an error answer of Robot means to us."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer, classify_plainly, done_words
from ink_infra_mcp.clients.hetzner_robot.models import error_of
from ink_infra_mcp.core.errors import (
    Conflict,
    NotFound,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    VendorError,
)
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.untrusted import clean_name

FIREWALL_IN_PROCESS = "FIREWALL_IN_PROCESS"
NOTHING_THERE = frozenset({"NOT_FOUND", "SERVER_NOT_FOUND", "BOOT_NOT_AVAILABLE", "RESET_NOT_AVAILABLE"})
"""Codes with which Robot says that there is no such thing; an empty list is one."""

_BY_CODE: Mapping[str, tuple[type[VendorError], str]] = {
    "UNAUTHORIZED": (
        Unauthorized,
        "Check hetzner_robot_user and hetzner_robot_password: the webservice user of Robot's settings. "
        "Robot blocks an address for 10 minutes after 3 failed logins, so nothing is tried again till then.",
    ),
    "RATE_LIMIT_EXCEEDED": (RateLimited, "Robot counts requests by the hour; wait, then call again."),
    "SERVER_NOT_FOUND": (NotFound, "Check provider_id in fleet.toml: it is the server number of Robot."),
    "FIREWALL_NOT_AVAILABLE": (NotFound, "This server has no firewall at its switch port; protect it on the host."),
    "FIREWALL_PORT_NOT_FOUND": (NotFound, "Robot does not know the server's switch port; ask Hetzner's support."),
    FIREWALL_IN_PROCESS: (Conflict, "Robot still applies another change; call again in a minute."),
    "FIREWALL_RULE_LIMIT_EXCEEDED": (Rejected, "Robot takes 10 rules for each direction; join some."),
    "FIREWALL_CANNOT_BE_DISABLED": (Rejected, "Hetzner has rules of its own there; ask Hetzner's support."),
    "BOOT_NOT_AVAILABLE": (NotFound, "Robot boots and installs nothing on this server."),
    "BOOT_ACTIVATION_FAILED": (Unavailable, "Look at the server's boot settings in Robot; try again later."),
    "BOOT_DEACTIVATION_FAILED": (Unavailable, "Look at the server's boot settings in Robot; try again later."),
    "RESET_NOT_AVAILABLE": (NotFound, "Robot cannot reset this server: restart it from within."),
    "RESET_MANUAL_ACTIVE": (Conflict, "A technician is at the server already: wait for Hetzner's mail."),
    "RESET_FAILED": (Unavailable, "Look at the server first: it may have been reset all the same."),
    "KEY_CREATE_FAILED": (Unavailable, "Look at the account's SSH keys in Robot; try again later."),
    "KEY_DELETE_FAILED": (Unavailable, "Look at the account's SSH keys in Robot; try again later."),
    "KEY_ALREADY_EXISTS": (Conflict, "The account has that key: use it under the name that it has."),
    "SERVER_CANCELLATION_RESERVE_LOCATION_FALSE_ONLY": (Rejected, "Its place cannot be kept."),
    "VSWITCH_IN_PROCESS": (Conflict, "Robot still changes that vSwitch; call again in a minute."),
    "VSWITCH_VLAN_NOT_UNIQUE": (Rejected, "The server is on another vSwitch with that VLAN: change the VLAN of one."),
    "VSWITCH_SERVER_LIMIT_REACHED": (Rejected, "A vSwitch takes 100 servers."),
    "VSWITCH_PER_SERVER_LIMIT_REACHED": (Rejected, "A server can be on 5 vSwitches: take it off one."),
    "VSWITCH_NOT_AVAILABLE": (Rejected, "This server cannot be on a vSwitch; ask Hetzner's support."),
    "INVALID_INPUT": (Rejected, "Correct what is named, and call again."),
    "CONFLICT": (Conflict, "It is so already, or is being changed; look in Robot, and call again."),
    "MAINTENANCE": (Unavailable, "Hetzner works on Robot; try again later."),
    "UNAVAILABLE": (Unavailable, "Hetzner works on Robot; try again later."),
}
"""Codes of Robot's documentation; all others are told by the status alone."""


def classify(service: str, answer: Answer) -> VendorError:
    """Return the error for an answer of Robot: its limit is a 403, and an error may come with any status."""
    error = error_of(answer.json)
    if error is None:
        return _without_words(service, answer)
    code = clean_name(str(error.get("code") or ""))
    plain = classify_plainly(service, answer)
    kind, advice = _BY_CODE.get(code, (type(plain), plain.next))
    return kind(
        f"{service} answered {answer.status} {code} to {answer.method} {answer.path}: {_words(error)}",
        service=service,
        status=answer.status,
        done=done_words(answer),
        next=advice,
        vendor_code=code,
        retry_after_s=_interval_s(error),
        body=answer.json,
    )


def _without_words(service: str, answer: Answer) -> VendorError:
    """A blocked or refused login may come without Robot's words, and must be known all the same."""
    plain = classify_plainly(service, answer)
    if isinstance(plain, Unauthorized):
        plain.next = _BY_CODE["UNAUTHORIZED"][1]
    return plain


def _interval_s(error: JsonObject) -> float | None:
    """Robot tells over how many seconds it counts; after that time the count is surely over."""
    match error.get("interval"):
        case bool():
            return None
        case int() | float() as interval if interval >= 0:
            return float(interval)
        case _:
            return None


def _words(error: JsonObject) -> str:
    said = clean_name(str(error.get("message") or "no explanation"), limit=300).rstrip(".")
    named = [f"{word}: {', '.join(found)}" for word in ("missing", "invalid") if (found := [*_texts(error.get(word))])]
    limit = error.get("max_request", error.get("max_requests"))
    if limit is not None:
        named.append(f"{clean_name(str(limit))} requests in {clean_name(str(error.get('interval')))} s")
    return f"{said} ({'; '.join(named)})." if named else f"{said}."


def _texts(value: JsonValue) -> Iterator[str]:
    """What is wrong comes as a list, as nested ones, by name, or as one text (seen in recorded answers)."""
    match value:
        case None:
            return
        case list():
            for part in value:
                yield from _texts(part)
        case dict():
            for name, part in value.items():
                yield clean_name(name)
                yield from _texts(part)
        case _:
            yield clean_name(str(value))
