"""The worked cases in tools/<tool>/plans: facts in, plan or refusal out, as anybody may read them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.words import of_fault
from ink_infra_mcp.server.backend import AnyMutation
from tests.contract.catalog import MUTATIONS

FOLDER = Path(__file__).resolve().parents[2] / "tools"


class CaseFile(BaseModel):
    """One file. `facts` is null where the arguments alone are refused; there is a plan or a refusal, never both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    why: str
    args: dict[str, JsonValue]
    facts: dict[str, JsonValue] | None
    plan: JsonObject | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A case and the tool that it is about."""

    tool: AnyMutation
    path: Path

    def read(self) -> CaseFile:
        """Return what the file says.

        Raises:
            ValidationError: it is no case.
        """
        return CaseFile.model_validate_json(self.path.read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        """Return the case's name among all."""
        return f"{self.tool.name}/{self.path.stem}"


def all_cases() -> list[Case]:
    """Return every case of every tool that changes things."""
    return [Case(tool, path) for tool in MUTATIONS for path in sorted((FOLDER / tool.name / "plans").glob("*.json"))]


def facts_of(tool: AnyMutation, given: Mapping[str, JsonValue]) -> object:
    """Return the tool's Facts.

    Raises:
        ValidationError: a fact is missing or of another kind.
        ValueError: a fact is given that the tool's Facts do not have.
    """
    adapter = TypeAdapter[object](get_type_hints(type(tool).plan)["facts"])
    facts = adapter.validate_json(json.dumps(dict(given)))
    if lost := _lost(dict(given), adapter.dump_python(facts, mode="json"), ""):
        raise ValueError(f"not among the facts of {tool.name}: {', '.join(lost)}")
    return facts


def _lost(given: object, kept: object, where: str) -> list[str]:
    """Return the paths of what was given and is not there after loading: a dataclass takes what it does not know."""
    if isinstance(given, dict):
        held = cast(dict[str, object], kept) if isinstance(kept, dict) else {}
        parts = cast(dict[str, object], given).items()
        return [
            path
            for name, value in parts
            for path in (_lost(value, held[name], f"{where}.{name}") if name in held else [f"{where}.{name}"])
        ]
    if isinstance(given, list) and isinstance(kept, list):
        ours, theirs = cast(list[object], given), cast(list[object], kept)
        if len(ours) != len(theirs):
            return [where]
        return [
            path
            for number, pair in enumerate(zip(ours, theirs, strict=True))
            for path in _lost(*pair, f"{where}[{number}]")
        ]
    return [] if given == kept else [where]


def outcome(tool: AnyMutation, case: CaseFile) -> Plan | str:
    """Return the plan that the tool makes of the case, or the words of its refusal."""
    try:
        args = tool.args.model_validate(case.args)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return "; ".join(f"[invalid_input] {'.'.join(map(str, e['loc'])) or 'arguments'}: {of_fault(e)}" for e in found)
    if case.facts is None:
        raise ValueError("the arguments are not refused, and there are no facts")
    try:
        return tool.plan(args, facts_of(tool, case.facts))
    except InkError as error:
        return f"[{error.code}] {error}"


def said(found: Plan | str) -> dict[str, Any]:
    """Return an outcome as it stands in a file: of a plan, what differs from its defaults."""
    return (
        {"refusal": found} if isinstance(found, str) else {"plan": found.model_dump(mode="json", exclude_defaults=True)}
    )


def write(case: Case) -> None:
    """Write into the file what the tool makes of its arguments and facts."""
    given = json.loads(case.path.read_text(encoding="utf-8"))
    kept = {name: given[name] for name in ("why", "args", "facts")}
    found = said(outcome(case.tool, CaseFile.model_validate(kept)))
    case.path.write_text(json.dumps(kept | found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
