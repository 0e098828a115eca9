"""Reads a TOML file into a frozen model, and names file, line and key of everything that is wrong with it."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from types import UnionType
from typing import Generic, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.words import of_fault
from ink_infra_mcp.settings.toml_lines import KeyPath, TomlLines

M = TypeVar("M", bound=BaseModel)
Leaf = str | int | float | bool | date | time
Tree = Mapping[str, "Node"]
Node = Leaf | list["Node"] | dict[str, "Node"]

MAX_BYTES = 2**20
_SHOWN = 10
_MEND = "Mend the file and start again."
_AT_LINE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")
_SECRET_KEY = re.compile(r"(?i)passw(or)?d|passphrase|secret|token|api_?key|private_?key|credential")
_WORDS = {
    "missing": "is missing",
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list; a list of tables has [[two]] brackets",
    "dict_type": "must be a table",
    "model_type": "must be one table, in [single] brackets",
    "too_short": "is empty",
    "string_too_short": "is empty",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file: where, and what, as the end of a sentence about the key."""

    path: KeyPath
    what: str


@dataclass(frozen=True, slots=True)
class Read(Generic[M]):
    """A file as it was read: the model, and the line of each key."""

    model: M
    file: Path
    lines: TomlLines

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Do nothing when there are no faults.

        Raises:
            ConfigError: naming file, line and key of each.
        """
        if found := list(faults):
            raise wrong(self.file, found, self.lines)


def read_model(file: Path, model: type[M], *, hints: Mapping[KeyPath, str] | None = None) -> Read[M]:
    """Return the model in a TOML file. Types are strict: "22" is no number and 1 is no text.

    `hints` says what would be right for a key whose value has the wrong form, by path without list indices.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or has an unknown key, a wrong type or value, a secret, or a
            `${VAR}` that nothing expands. Every fault is named with its line; values are never shown.
    """
    text = _text_of(file)
    tree, lines = _parsed(file, text)
    if faults := [*_raw_faults(tree, ())]:
        raise wrong(file, faults, lines)
    try:
        found = model.model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise wrong(file, [_fault(detail, model, hints or {}) for detail in details], lines) from None
    return Read(found, file, lines)


def wrong(file: Path, faults: Iterable[Fault], lines: TomlLines) -> ConfigError:
    """Return the error that lists the faults in the order of their lines."""
    told = sorted((lines.line_of(fault.path), dotted(fault.path), fault.what) for fault in faults)
    words = [f"line {line}, key `{key}`: {what}" for line, key, what in told[:_SHOWN]]
    if len(told) > _SHOWN:
        words.append(f"and {len(told) - _SHOWN} more")
    return ConfigError(f"{file} cannot be used: {'; '.join(words)}.", next=_MEND)


def dotted(path: KeyPath) -> str:
    """Return a key path as people write it, such as `muscles[0].name`."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return words.removeprefix(".") or "(top of the file)"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, as the end of a sentence; else all of them."""
    names = sorted(known)
    if close := difflib.get_close_matches(word, names, n=1, cutoff=0.6):
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(names)}"


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"There is no file {file}.", next="Write it, or name another one with --config.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.", next="Mend its permissions.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{file} is larger than 1 MiB.", next="Name the right file with --config.")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}, line {line}: not UTF-8 text.", next="Save the file as UTF-8.") from None


def _parsed(file: Path, text: str) -> tuple[dict[str, Node], TomlLines]:
    try:
        return tomllib.loads(text), TomlLines(text)
    except (ValueError, RecursionError) as error:
        at = _AT_LINE.search(str(error))
        line = int(at["line"]) if at and at["line"] else max(1, len(text.splitlines()))
        what = _AT_LINE.sub("", str(error))
        raise ConfigError(f"{file}, line {line}: not valid TOML: {what}.", next=_MEND) from None


def _raw_faults(node: Node, path: KeyPath) -> Iterator[Fault]:
    """Return what no key may hold, before anybody looks at what the keys mean."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _raw_key_faults(key, value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _raw_faults(value, (*path, index))
    elif what := _leaf_fault(node):
        yield Fault(path, what)


def _raw_key_faults(key: str, value: Node, path: KeyPath) -> Iterator[Fault]:
    if _SECRET_KEY.search(key) and not isinstance(value, dict):
        yield Fault(path, "secrets never go in this file; use `ink-infra-mcp secret set NAME`")
    else:
        yield from _raw_faults(value, path)


def _leaf_fault(value: Leaf) -> str:
    if isinstance(value, date | time):
        return "is a date or a time; no key here takes one"
    if not isinstance(value, str):
        return ""
    if "${" in value:
        return "holds a `${...}` that nothing expands; write the value itself"
    if Redactor()(value) != value:
        return "looks like a secret; secrets never go in this file; use `ink-infra-mcp secret set NAME`"
    return ""


def _fault(detail: ErrorDetails, model: type[BaseModel], hints: Mapping[KeyPath, str]) -> Fault:
    path = tuple(part for part in detail["loc"] if part != "[key]")
    named = tuple(part for part in path if isinstance(part, str))
    return Fault(path, _what(detail, model, path, hints.get(named, "")))


def _what(detail: ErrorDetails, model: type[BaseModel], path: KeyPath, hint: str) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"unknown key; {nearest(str(path[-1]), _keys_at(model, path[:-1]))}"
    if kind == "string_pattern_mismatch" and hint:
        return hint
    if kind in _WORDS:
        return _WORDS[kind]
    return of_fault(detail)


def _keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the keys that the table at `path` may have."""
    here: object = model
    for part in path:
        here = _inside(here, part)
    found = _model_in(here)
    return list(found.model_fields) if found else []


def _inside(annotation: object, part: str | int) -> object:
    found = _model_in(annotation)
    if found is not None and isinstance(part, str):
        field = found.model_fields.get(part)
        return field.annotation if field else None
    arguments = cast("tuple[object, ...]", get_args(annotation))
    if get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        options = cast("tuple[object, ...]", get_args(annotation))
        return next((found for option in options if (found := _model_in(option))), None)
    return None
