"""What Hetzner's Cloud API puts round its answers and errors, for the parts of it that clients of ours split up."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, JsonValue

from ink_infra_mcp.clients.answers import (
    Answer,
    Model,
    classify_plainly,
    done_words,
    retry_after_s,
    shaped,
    undocumented,
)
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.core.errors import BadAnswer, VendorError
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.untrusted import clean_name

PER_PAGE = 50
MAX_PAGES = 200
ByCode = Mapping[str, tuple[type[VendorError], str]]
"""What each of the vendor's codes means to us, and what to do then."""


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Paging(_Seen):
    """Where a list goes on."""

    next_page: int | None = None


class Meta(_Seen):
    """The `meta` of a list."""

    pagination: Paging = Paging()


@dataclass(frozen=True, slots=True)
class Envelope:
    """Opens the answers of one service. Each method raises `BadAnswer` for a part that is missing or misshapen."""

    service: str

    def parsed(self, answer: Answer, key: str, model: type[Model]) -> Model:
        """Return the part `key` of an answer."""
        return shaped(self.service, answer, self._part(answer, key), model)

    def listed(self, answer: Answer, key: str, model: type[Model]) -> tuple[Model, ...]:
        """Return the list `key` of an answer."""
        part = self._part(answer, key)
        if not isinstance(part, list):
            raise self.undocumented(answer, f"{key} is not a list")
        return tuple(shaped(self.service, answer, item, model) for item in part)

    async def pages(
        self, http: Http, path: str, key: str, model: type[Model], query: Mapping[str, str] | None = None
    ) -> tuple[Model, ...]:
        """Return a list from all its pages; a page that does not come after the last one would never end."""
        found: list[Model] = []
        page = 1
        while True:
            answer = await http.get(path, {**(query or {}), "page": page, "per_page": PER_PAGE})
            found.extend(self.listed(answer, key, model))
            following = self.parsed(answer, "meta", Meta).pagination.next_page
            if following is None:
                return tuple(found)
            if following <= page or following > MAX_PAGES:
                raise self.undocumented(answer, f"page {following} follows page {page}")
            page = following

    def undocumented(self, answer: Answer, why: str) -> BadAnswer:
        """Return the error for a good answer that is not as documented."""
        return undocumented(self.service, answer, why)

    def _part(self, answer: Answer, key: str) -> JsonValue:
        body = table(answer.json)
        if key not in body:
            raise self.undocumented(answer, f"{key} is missing")
        return body[key]


def classified(service: str, answer: Answer, by_code: ByCode) -> VendorError:
    """Return the error for an error answer, with the vendor's code, its words and the correlation id."""
    error = table(answer.json).get("error")
    plain = classify_plainly(service, answer)
    if not isinstance(error, dict):
        return plain
    code = str(error.get("code") or "")
    kind, advice = by_code.get(code, (type(plain), plain.next))
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
