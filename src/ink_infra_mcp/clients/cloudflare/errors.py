"""What an error answer of Cloudflare's API means to us."""

from collections.abc import Mapping

from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer, classify_plainly, done_words, retry_after_s
from ink_infra_mcp.core.errors import Conflict, Forbidden, Rejected, Unauthorized, VendorError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.untrusted import clean_name

_TOKEN = "Check the Cloudflare token; it needs Zone Read and DNS Edit for the zone."
_BY_CODE: Mapping[int, tuple[type[VendorError], str]] = {
    1000: (Unauthorized, _TOKEN),
    6003: (Unauthorized, _TOKEN),
    6111: (Unauthorized, _TOKEN),
    9106: (Unauthorized, _TOKEN),
    9109: (Forbidden, _TOKEN),
    10000: (Forbidden, _TOKEN),
    10001: (Unauthorized, _TOKEN),
    81044: (Conflict, "The record is gone: somebody else changed it; call again."),
    81053: (Conflict, "Another kind of record of that name is there already; call again."),
    81054: (Conflict, "A CNAME record of that name is there already; call again."),
    81056: (Conflict, "Another kind of record of that name is there already; call again."),
    81057: (Conflict, "The record is there already; call again."),
    81058: (Conflict, "An identical record is there already; call again."),
    81045: (Rejected, "The zone has as many records as its plan allows; remove some or change the plan."),
}
"""Codes of Cloudflare's DNS API; all others are told by the status alone."""


def classify(service: str, answer: Answer) -> VendorError:
    """Return the error for an answer, with the vendor's first code, its words and the ray's id."""
    errors = [table(each) for each in items(table(answer.json).get("errors"))]
    plain = classify_plainly(service, answer)
    if not errors or answer.status >= 500:
        return plain
    code = _code(errors[0])
    kind, advice = _BY_CODE.get(code, (type(plain), plain.next))
    return kind(
        f"{service} answered {answer.status} to {answer.method} {answer.path}: {_words(errors)}",
        service=service,
        status=answer.status,
        done=done_words(answer),
        next=advice,
        vendor_code=str(code),
        request_id=answer.headers.get("cf-ray"),
        retry_after_s=retry_after_s(answer),
        body=answer.json,
    )


def _code(error: JsonObject) -> int:
    code: JsonValue = error.get("code")
    return code if isinstance(code, int) else 0


def _words(errors: list[JsonObject]) -> str:
    chain = [table(each) for error in errors for each in (error, *items(error.get("error_chain")))]
    said = "; ".join(f"{each.get('message')} ({each.get('code')})" for each in chain)
    return f"{clean_name(said, limit=300)}."
