"""The published description of Robot, against what we send and what the emulator answers."""

import re
from collections.abc import Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError, validate

from ink_infra_mcp.sandbox.robot.forms import Nested, parse_form
from tests.specs.reading import description

NAME = "hetzner_robot.json"
Schema = dict[str, Any]


class RobotSpec:
    """Validates forms and answers against the operations of the description."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._paths = [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), path) for path in spec["paths"]]

    def request_problems(self, method: str, path: str, raw: str) -> list[str]:
        """Return what is wrong with a request: an endpoint that is not described, or a form of another shape."""
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path} is not described"]
        body = operation.get("requestBody")
        if body is None:
            return ["a form where none is described"] if raw else []
        schema = self._resolved(body)["content"]["application/x-www-form-urlencoded"]["schema"]
        return self._problems(schema, {name: _listed(value) for name, value in parse_form(raw).items()})

    def answer_problems(self, method: str, path: str, status: int, body: object) -> list[str]:
        """Return what is wrong with an answer: a status that the description lacks, or a body of another shape."""
        operation = self._operation(method, path)
        if operation is None or str(status) not in operation["responses"]:
            return [f"status {status} of {method} {path} is not described"]
        content = self._resolved(operation["responses"][str(status)]).get("content")
        if content is None:
            return [] if body is None else ["a body where none is described"]
        return self._problems(content["application/json"]["schema"], body)

    def _operation(self, method: str, path: str) -> Schema | None:
        fitting = [template for pattern, template in self._paths if pattern.fullmatch(path)]
        best = min(fitting, key=lambda template: template.count("{"), default="")
        return cast("Schema | None", self._spec["paths"].get(best, {}).get(method.lower()))

    def _problems(self, schema: Schema, body: object) -> list[str]:
        try:
            validate(cast(Any, body), cast(Schema, self._plain(schema)), cls=Draft202012Validator)
        except ValidationError as error:
            return [f"{error.json_path}: {error.message[:200]}"]
        return []

    def _resolved(self, node: Schema) -> Schema:
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return node
        target: Any = self._spec
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        return cast(Schema, target)

    def _plain(self, node: object) -> object:
        """Turn OpenAPI 3.0 into JSON schema: references followed, `nullable` written as a type."""
        if isinstance(node, list):
            return [self._plain(item) for item in cast(list[object], node)]
        if not isinstance(node, dict):
            return node
        resolved = self._resolved(cast(Schema, node))
        plain = {key: self._plain(value) for key, value in resolved.items() if key not in {"example", "examples"}}
        return (
            {"anyOf": [{**plain, "nullable": False}, {"type": "null"}]} if resolved.get("nullable") is True else plain
        )


def _listed(value: "str | Nested") -> object:
    """What PHP reads with the keys 0, 1, 2 is a list."""
    if not isinstance(value, dict):
        return value
    parts = {key: _listed(part) for key, part in value.items()}
    return [*parts.values()] if [*parts] == [str(n) for n in range(len(parts))] else parts


def robot_spec() -> RobotSpec:
    """Return the description."""
    return RobotSpec(description(NAME))
