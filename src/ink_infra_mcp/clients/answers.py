"""What a vendor answered, and what kind of trouble an error answer is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from ink_infra_mcp.core.errors import (
    MAYBE_DONE,
    NOTHING_DONE,
    BadAnswer,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    VendorError,
)
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.untrusted import clean

Model = TypeVar("Model", bound=BaseModel)
READS = frozenset({"GET", "HEAD"})
"""The methods that may be reads: where they are not, as in old versions of Coolify, they are sent with a permit."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: status, lower-case headers, text, and the JSON in it (None when there is none).

    `permitted` says that the request was a write, sent with a permit, whatever its method.
    """

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    text: str
    json: JsonValue
    permitted: bool = False

    @property
    def only_read(self) -> bool:
        """Return whether the request can have changed nothing."""
        return self.method in READS and not self.permitted

    @property
    def is_html(self) -> bool:
        """Return whether a web page came back where an API was expected.

        The body decides: Coolify itself sends its version and health as bare text with the content type of HTML.
        """
        return self.text.lstrip()[:1] == "<"


class Classify(Protocol):
    """Turns an error answer into the right VendorError; a vendor adds what only its API says."""

    def __call__(self, service: str, answer: Answer) -> VendorError:
        """Return the error to raise."""
        ...


_BY_STATUS: Mapping[int, type[VendorError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    423: Conflict,
    429: RateLimited,
}


def classify_plainly(service: str, answer: Answer) -> VendorError:
    """Return the VendorError that the status alone calls for, with the vendor's own words where they are JSON."""
    if answer.is_html and answer.status < 500:
        return not_the_api(service, answer)
    kind = _BY_STATUS.get(answer.status, Unavailable if answer.status >= 500 else Rejected)
    return kind(
        f"{service} answered {answer.status} to {answer.method} {answer.path}: {vendor_words(answer)}",
        service=service,
        status=answer.status,
        done=done_words(answer),
        next=_ADVICE.get(kind, ""),
        request_id=answer.headers.get("x-correlation-id") or answer.headers.get("x-request-id"),
        retry_after_s=retry_after_s(answer),
        body=answer.json,
    )


def vendor_words(answer: Answer, *, limit: int = 300) -> str:
    """Return the vendor's message as one clean sentence, without its HTML."""
    message = table(answer.json).get("message")
    if isinstance(message, str) and message:
        return clean(" ".join(message.split()), limit=limit).rstrip(".") + "."
    return "no explanation." if answer.is_html or not answer.text else clean(answer.text, limit=limit)


def done_words(answer: Answer) -> str:
    """Return what is known of the change."""
    return MAYBE_DONE if may_have_acted(answer) else NOTHING_DONE


def may_have_acted(answer: Answer) -> bool:
    """Return whether a bad answer leaves it open if a write happened: after a 5xx, or something that is no answer."""
    return not answer.only_read and (answer.status >= 500 or answer.status < 400)


def retry_after_s(answer: Answer) -> float | None:
    """Return the seconds of Retry-After, or None when there is none (or a date, which these vendors do not send)."""
    value = answer.headers.get("retry-after", "")
    return float(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def not_the_api(service: str, answer: Answer) -> BadAnswer:
    """Return the error for a web page, a redirect or a proxy's login in front of the API."""
    where = f" (it points to {clean(answer.headers['location'], limit=120)})" if "location" in answer.headers else ""
    return BadAnswer(
        f"What answers for {service} at {answer.path} is not its API: "
        f"status {answer.status}, {answer.headers.get('content-type', 'no content type')}{where}.",
        service=service,
        status=answer.status,
        done=done_words(answer),
        next="Check the address in fleet.toml; a login page or proxy may stand in front of the API.",
    )


def shaped(service: str, answer: Answer, value: JsonValue, model: type[Model]) -> Model:
    """Return a part of a good answer as what the vendor documents.

    Raises:
        BadAnswer: it is missing or of another shape.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        where = ".".join((model.__name__, *(str(part) for part in error.errors()[0]["loc"])))
        raise undocumented(service, answer, f"{where} is missing or of another shape") from error


def undocumented(service: str, answer: Answer, why: str) -> BadAnswer:
    """Return the error for a good answer that is not as documented: what a write came to is then open."""
    return BadAnswer(
        f"{service} answered {answer.method} {answer.path} with something else than documented: {why}.",
        service=service,
        status=answer.status,
        done=done_words(answer),
        next="Update ink-infra-mcp; if that does not help, report it.",
        request_id=answer.headers.get("x-correlation-id") or answer.headers.get("cf-ray"),
        unsure=may_have_acted(answer),
        of_read=answer.only_read,
    )


_ADVICE: Mapping[type[VendorError], str] = {
    Unauthorized: "Check or renew the token; `ink-infra-mcp doctor` shows which one is used.",
    Forbidden: "Give the token the ability it lacks; `ink-infra-mcp doctor` shows what it may do.",
    RateLimited: "Wait, then call again.",
    Unavailable: "Try again later; if it stays, look at the service's own logs.",
}
