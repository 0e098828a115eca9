"""Reading Coolify's JSON: lists, objects and models out of an answer, or a BadAnswer that names path and field."""

import re
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.coolify.fields import list_from_php
from ink_infra_mcp.core.errors import BadAnswer, InputError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.untrusted import clean_name

M = TypeVar("M", bound=BaseModel)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def uuid_word(part: str) -> str:
    """Return `part` if it is a word that can stand in a path.

    Coolify's uuids are 7 to 36 letters, digits and hyphens (source, version 4.3.11); anything else could reach another
    endpoint, so it is refused.

    Raises:
        InputError: it is no such word.
    """
    if not _ID.fullmatch(part):
        raise InputError(
            f"{clean_name(part)!r} is not a Coolify uuid.", next="Give the uuid as Coolify shows it, or the name."
        )
    return part


def path(*parts: str) -> str:
    """Return the path made of fixed words and uuids; raises InputError like `uuid_word`."""
    return "/" + "/".join(uuid_word(part) for part in parts)


def bad_shape(service: str, answer: Answer, what: str) -> BadAnswer:
    """Return the error for good JSON of another shape; after a write it says that the change was probably made."""
    return BadAnswer(
        f"{service} answered {answer.method} {answer.path} in a shape that is not known: {what}.",
        service=service,
        status=answer.status,
        done="Nothing was changed." if answer.only_read else "The change was probably made: it was accepted.",
        next="Compare the version of Coolify with the supported range; `ink-infra-mcp doctor` shows both.",
        unsure=not answer.only_read,
        of_read=answer.only_read,
    )


def record(service: str, answer: Answer) -> JsonObject:
    """Return the JSON object in the answer.

    Raises:
        BadAnswer: there is none.
    """
    if not isinstance(answer.json, dict):
        raise bad_shape(service, answer, f"an object was expected, {_kind(answer.json)} came")
    return answer.json


def rows(service: str, answer: Answer, field: str = "") -> list[JsonObject]:
    """Return the objects of a list, which is the answer itself or its `field`.

    `GET /deployments` sends a list with gaps, which arrives as an object (source, version 4.3.11): both are read.

    Raises:
        BadAnswer: it is neither, or an item is not an object.
    """
    value = record(service, answer).get(field) if field else answer.json
    items = list_from_php(value)
    if items is None:
        raise bad_shape(service, answer, f"a list was expected{_in(field)}, {_kind(value)} came")
    found: list[JsonObject] = []
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            raise bad_shape(service, answer, f"item {place}{_in(field)} is {_kind(item)}, not an object")
        found.append(item)
    return found


def parse(service: str, answer: Answer, model: type[M], value: JsonObject) -> M:
    """Return `value` as a model.

    Raises:
        BadAnswer: it does not fit; the message names the path and the field, never the value.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the object"
        why = "is missing" if first["type"] == "missing" else "has another type"
        raise bad_shape(service, answer, f"{model.__name__} field {where} {why}") from None


def parse_all(service: str, answer: Answer, model: type[M], field: str = "") -> tuple[M, ...]:
    """Return the list in the answer as models; raises BadAnswer like `rows` and `parse`."""
    return tuple(parse(service, answer, model, row) for row in rows(service, answer, field))


def _in(field: str) -> str:
    return f" in {field}" if field else ""


def _kind(value: JsonValue) -> str:
    return _KINDS.get(type(value).__name__, "a number")


_KINDS = {"dict": "an object", "list": "a list", "str": "text", "bool": "true or false", "NoneType": "nothing"}
