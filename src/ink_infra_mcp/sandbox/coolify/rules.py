"""Validates the fields of a request by Laravel's rules, in Laravel's words."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.call import Call, JsonObject, invalid, is_true

Kind = Literal["string", "boolean", "integer", "numeric", "array", "enum"]
Errors = dict[str, list[str]]
Check = Callable[[str, JsonValue], list[str]]
WRITTEN: Mapping[str, str] = {
    "boolean": r'true|false|0|1|"0"|"1"',
    "integer": r'-?\d+|"-?\d+"',
    "numeric": r'-?\d+(\.\d+)?|"-?\d+(\.\d+)?"',
}
"""How a value of a kind may be written in JSON."""
SHORT = "This field is required."
LONG = "The {} field is required."
KINDS: Mapping[Kind, str] = {
    "string": "must be a string",
    "boolean": "must be true or false",
    "integer": "must be an integer",
    "numeric": "must be a number",
    "array": "must be an array",
}
NOT_ALLOWED = "This field is not allowed."


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of one field. `low` and `high` bound a number, or the length of a text."""

    kind: Kind
    required: bool = False
    nullable: bool = False
    low: int | None = None
    high: int | None = None
    pattern: str = ""
    one_of: tuple[str, ...] = ()
    check: Check | None = None

    def needed(self) -> "Rule":
        """Return the same rule for a field that must be there."""
        return replace(self, required=True)


Rules = Mapping[str, Rule]


def text(high: int | None = None, pattern: str = "", *, low: int | None = None, nullable: bool = False) -> Rule:
    """Return the rule of a text."""
    return Rule("string", low=low, high=high, pattern=pattern, nullable=nullable)


def switch(*, nullable: bool = False) -> Rule:
    """Return the rule of a boolean."""
    return Rule("boolean", nullable=nullable)


def whole(low: int | None = None, high: int | None = None, *, nullable: bool = False) -> Rule:
    """Return the rule of an integer."""
    return Rule("integer", low=low, high=high, nullable=nullable)


def choice(*options: str, nullable: bool = False) -> Rule:
    """Return the rule of a text that is one of `options`."""
    return Rule("enum", one_of=options, nullable=nullable)


def errors_of(fields: JsonObject, rules: Rules, *, required: str) -> Errors:
    """Return what is wrong with the fields that have a rule; `required` words a missing one."""
    found = {name: _messages(name, fields, rule, required) for name, rule in rules.items()}
    return {name: messages for name, messages in found.items() if messages}


def validate(call: Call, rules: Rules, *, allowed: Iterable[str] | None = None, short: bool = True) -> JsonObject:
    """Return the fields that have a rule, as the database will hold them.

    `allowed` names the only fields that may be there; `short` is the wording of customApiValidator.

    Raises:
        Refusal: 422 with the errors of every field.
    """
    errors = errors_of(call.fields, rules, required=SHORT if short else LONG)
    for name in unknown(call, allowed):
        errors.setdefault(name, []).append(NOT_ALLOWED)
    refuse(errors)
    return stored_fields(call.fields, rules)


def check_tags(call: Call) -> None:
    """Let tags pass that are texts of two signs or more, also after Coolify has trimmed them (HandlesTagsApi, 4.3.11).

    Raises:
        Refusal: 422.
    """
    tags = enumerate(call.items("tags"))
    refuse({f"tags.{place}": wrong for place, tag in tags if (wrong := _wrong(f"tags.{place}", tag, text(low=2)))})


def refuse(errors: Errors) -> None:
    """Let no errors pass.

    Raises:
        Refusal: 422 with a list for each field.
    """
    if errors:
        raise invalid({name: list[JsonValue](messages) for name, messages in errors.items()})


def stored_fields(fields: JsonObject, rules: Rules) -> JsonObject:
    """Return the valid fields that have a rule, as the database holds them."""
    return {name: stored(fields[name], rule) for name, rule in rules.items() if name in fields}


def unknown(call: Call, allowed: Iterable[str] | None) -> list[str]:
    """Return the fields of the request that are not allowed; query parameters count too."""
    if allowed is None:
        return []
    known = set(allowed)
    return [name for name in call.fields if name not in known]


def stored(value: JsonValue, rule: Rule) -> JsonValue:
    """Return a valid value as the database holds it."""
    if value is None or rule.kind not in {"boolean", "integer", "numeric"}:
        return value
    if rule.kind == "boolean":
        return is_true(value)
    number = float(str(value))
    return int(number) if number == int(number) else number


def _messages(name: str, fields: JsonObject, rule: Rule, required: str) -> list[str]:
    value = fields.get(name)
    if value is not None:
        return _wrong(name, value, rule)
    if rule.required:
        return [required.format(name.replace("_", " "))]
    if rule.nullable or name not in fields:
        return []
    return _wrong(name, value, rule)


def _wrong(name: str, value: JsonValue, rule: Rule) -> list[str]:
    label = name.replace("_", " ")
    return _of_kind(label, value, rule) or _of_size(label, value, rule) or _of_shape(name, value, rule)


def _of_kind(label: str, value: JsonValue, rule: Rule) -> list[str]:
    if rule.kind == "enum":
        return [] if value in rule.one_of else [f"The selected {label} is invalid."]
    return [] if _is_kind(value, rule.kind) else [f"The {label} field {KINDS[rule.kind]}."]


def _is_kind(value: JsonValue, kind: Kind) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "array":
        return isinstance(value, list | dict)
    return re.fullmatch(WRITTEN[kind], json.dumps(value)) is not None


def _of_size(label: str, value: JsonValue, rule: Rule) -> list[str]:
    unit = " characters" if rule.kind == "string" else ""
    size = _size(value, rule)
    if size > _or(rule.high, size):
        return [f"The {label} field must not be greater than {rule.high}{unit}."]
    return [f"The {label} field must be at least {rule.low}{unit}."] if size < _or(rule.low, size) else []


def _or(limit: int | None, none: float) -> float:
    return none if limit is None else limit


def _size(value: JsonValue, rule: Rule) -> float:
    return float(str(value)) if rule.kind in {"integer", "numeric"} else len(str(value))


def _of_shape(name: str, value: JsonValue, rule: Rule) -> list[str]:
    if rule.pattern and not re.fullmatch(rule.pattern, str(value)):
        return [f"The {name.replace('_', ' ')} field format is invalid."]
    return rule.check(name, value) if rule.check else []
