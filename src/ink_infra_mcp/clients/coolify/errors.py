"""What Coolify's error answers mean: each shape it sends becomes one error of our tree, in clean sentences."""

from collections.abc import Callable, Iterator, Mapping

from pydantic import JsonValue, ValidationError

from ink_infra_mcp.clients.answers import Answer, classify_plainly, done_words, not_the_api, retry_after_s, vendor_words
from ink_infra_mcp.clients.coolify.models import DomainConflict
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
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.untrusted import clean_name

_NEW_TOKEN = (
    "Make a new token in Coolify (Security > API Tokens; by default it expires after 30 days) and store it; "
    "`ink-infra-mcp doctor` shows which one is used."
)
_SHOWN_FIELDS = 8
_DEPTH = 4


def classify_coolify(service: str, answer: Answer) -> VendorError:
    """Return the error for an answer with a status of 400 or more; `vendor_code` names the case.

    The shapes are those of the source of version 4.3.11, oddities included: a bad token can be 400, a closed API is
    403 with `success: true`, an unknown path or a wrong method is a 404 with `docs`, and the `errors` of a 422 are
    texts, lists or a bare list.
    """
    if answer.status >= 500 or answer.status == 429:
        return _busy(service, answer)
    if not isinstance(answer.json, dict) or not isinstance(answer.json.get("message"), str):
        return _not_coolify(service, answer)
    return _CASES.get(answer.status, _refused)(service, answer, answer.json)


def flatten_errors(errors: JsonValue) -> tuple[str, ...]:
    """Return the field errors of a 422 as `field: text`, cleaned, each once and in order, whatever their shape."""
    return tuple(dict.fromkeys(text for text in _flat("", errors, _DEPTH) if text))


def domain_conflicts(body: Mapping[str, JsonValue]) -> tuple[DomainConflict, ...]:
    """Return who has the domains already, from the body of a 409; rows of another shape are left out."""
    found: list[DomainConflict] = []
    for row in items(body.get("conflicts")):
        try:
            found.append(DomainConflict.model_validate(row))
        except ValidationError:
            continue
    return tuple(found)


def _flat(field: str, value: JsonValue, depth: int) -> Iterator[str]:
    if isinstance(value, dict | list):
        for name, inner in _members(field, value) if depth else ():
            yield from _flat(name, inner, depth - 1)
    elif value is not None:
        yield _named(clean_name(str(value), limit=200), field)


def _named(text: str, field: str) -> str:
    return f"{clean_name(field)}: {text}" if field and text else text


def _members(field: str, value: dict[str, JsonValue] | list[JsonValue]) -> list[tuple[str, JsonValue]]:
    """Return names and values; a place in a list, which PHP may write as a key, is no name: the field's own counts."""
    if isinstance(value, list):
        return [(field, inner) for inner in value]
    return [(_name(key) or field, inner) for key, inner in value.items()]


def _name(key: str) -> str:
    return "" if key.isdigit() else key


def _make(
    kind: type[VendorError],
    service: str,
    answer: Answer,
    failed: str,
    *,
    code: str,
    next: str,
    body: object = None,
) -> VendorError:
    return kind(
        failed,
        service=service,
        done=done_words(answer),
        next=next,
        status=answer.status,
        vendor_code=code,
        request_id=answer.headers.get("x-request-id"),
        retry_after_s=retry_after_s(answer),
        body=answer.json if body is None else body,
    )


def _asked(service: str, answer: Answer) -> str:
    return f"{service} answered {answer.status} to {answer.method} {answer.path}: {vendor_words(answer)}"


def _busy(service: str, answer: Answer) -> VendorError:
    if answer.status != 429:
        return classify_plainly(service, answer)
    full = "queue is full" in vendor_words(answer)
    return _make(
        RateLimited,
        service,
        answer,
        _asked(service, answer),
        code="queue_full" if full else "rate_limited",
        next="Wait until running deployments end, or cancel one, then call again."
        if full
        else "Wait, then call again; all tokens of one Coolify user share 200 requests a minute.",
    )


def _not_coolify(service: str, answer: Answer) -> VendorError:
    if answer.status == 404 and answer.text.strip() == "404 page not found":
        return _make(
            Unavailable,
            service,
            answer,
            f"A proxy answered {answer.method} {answer.path}, but there is no {service} behind it.",
            code="no_backend",
            next="Check that the coolify container runs on the Factory, and the address in fleet.toml.",
        )
    return not_the_api(service, answer)


def _bad_token(service: str, answer: Answer, _: JsonObject) -> VendorError:
    failed = f"{service} does not accept the token: {vendor_words(answer)}"
    return _make(Unauthorized, service, answer, failed, code="invalid_token", next=_NEW_TOKEN)


def _bad_request(service: str, answer: Answer, body: JsonObject) -> VendorError:
    if body["message"] == "Invalid token.":
        return _bad_token(service, answer, body)
    return _refused(service, answer, body)


def _refused(service: str, answer: Answer, body: JsonObject) -> VendorError:
    details = flatten_errors(body.get("error") or body.get("details"))
    failed = " ".join([_asked(service, answer), *details])
    message = str(body["message"]).lower()
    code = next((code for words, code in _REFUSALS.items() if words in message), "refused")
    return _make(Rejected, service, answer, failed, code=code, next=_REFUSAL_ADVICE.get(code, ""))


def _forbidden(service: str, answer: Answer, body: JsonObject) -> VendorError:
    message = str(body["message"])
    code = next((code for words, code in _BANS.items() if words in message), "policy")
    failed = _BAN_WORDS[code].format(service=service, words=vendor_words(answer), ability=_after_colon(message))
    return _make(Forbidden, service, answer, failed, code=code, next=_BAN_ADVICE[code])


def _after_colon(message: str) -> str:
    return clean_name(message.partition(":")[2], limit=80)


def _not_found(service: str, answer: Answer, body: JsonObject) -> VendorError:
    if "docs" not in body:
        return _make(NotFound, service, answer, _asked(service, answer), code="not_found", next="")
    failed = f"This {service} has no endpoint {answer.method} {answer.path}."
    advice = "Its version may be too old or too new; `ink-infra-mcp doctor` shows the supported range."
    return _make(Rejected, service, answer, failed, code="unknown_endpoint", next=advice)


def _not_allowed(service: str, answer: Answer, body: JsonObject) -> VendorError:
    advice = "This is a fault of ink-infra-mcp: report it with the version of Coolify."
    return _make(Rejected, service, answer, _asked(service, answer), code="post_required", next=advice)


def _conflict(service: str, answer: Answer, body: JsonObject) -> VendorError:
    taken = domain_conflicts(body)
    if not taken:
        return _make(Conflict, service, answer, _asked(service, answer), code="exists", next="")
    who = "; ".join(c.sentence for c in taken[:_SHOWN_FIELDS])
    return _make(
        Conflict,
        service,
        answer,
        f"{service} refused the domain: {who}.",
        code="domain_conflict",
        next="Choose another domain, or remove it from what has it now.",
        body=taken,
    )


def _invalid(service: str, answer: Answer, body: JsonObject) -> VendorError:
    fields = flatten_errors(body.get("errors") or body.get("error"))
    shown = "; ".join(text.rstrip(".") for text in fields[:_SHOWN_FIELDS])
    failed = _asked(service, answer) + (f" {shown}." if shown else "")
    in_use = "is in use and cannot be deleted" in str(body.get("message"))
    code = "unknown_field" if "This field is not allowed" in shown else "key_in_use" if in_use else "validation"
    return _make(Rejected, service, answer, failed, code=code, next=_INVALID_ADVICE[code])


_INVALID_ADVICE: Mapping[str, str] = {
    "unknown_field": "This version of Coolify does not know the field; `ink-infra-mcp doctor` shows what is supported.",
    "validation": "Correct the named fields, then call again.",
    "key_in_use": "Give the servers and apps that use it another key first.",
}
_REFUSALS: Mapping[str, str] = {
    "is not running": "not_running",
    "already running": "already_running",
    "already stopped": "already_stopped",
    "cannot be cancelled": "not_cancellable",
    "queue is full": "queue_full",
    "queue full": "queue_full",
    "already in use": "address_taken",
    "ip already exists": "address_taken",
    "server has resources": "has_resources",
}
_REFUSAL_ADVICE: Mapping[str, str] = {
    "queue_full": "Wait until running deployments end, or cancel one, then call again.",
}
_BANS: Mapping[str, str] = {
    "API is disabled": "api_disabled",
    "not allowed to access the API": "address_not_allowed",
    "Missing required permissions": "missing_ability",
    "Missing required team role": "role",
    "exceed your current role": "role",
}
_BAN_WORDS: Mapping[str, str] = {
    "api_disabled": "{service}'s API is switched off.",
    "address_not_allowed": "{service} does not let this machine's address use its API.",
    "missing_ability": "The {service} token lacks the ability {ability}.",
    "role": "The {service} token has more abilities than its user's role allows: {words}",
    "policy": "{service} does not let the token's user do this: {words}",
}
_BAN_ADVICE: Mapping[str, str] = {
    "api_disabled": "Switch it on in Coolify: Settings > Advanced > API Access.",
    "address_not_allowed": "Add the address in Coolify: Settings > Advanced > Allowed IPs for API access.",
    "missing_ability": "Make a token that has it; in Coolify no ability includes another, except root, which has all.",
    "role": "Use the token of an admin or owner of the team, or one with only the read ability.",
    "policy": "Use a token of a user who may, in the team that owns it.",
}
_CASES: Mapping[int, Callable[[str, Answer, JsonObject], VendorError]] = {
    400: _bad_request,
    401: _bad_token,
    403: _forbidden,
    404: _not_found,
    405: _not_allowed,
    409: _conflict,
    422: _invalid,
}
