"""The official Cloud API description as JSON schemas for requests and answers."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError, validate

from tests.specs.reading import description

NAME = "hetzner_cloud.json"
Schema = dict[str, Any]


class CloudSpec:
    """Validates bodies against the operations of the description."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self.operations = {
            (method.upper(), path)
            for path, methods in spec["paths"].items()
            for method in methods
            if method != "parameters"
        }

    def problems_of(self, method: str, path: str, query: Iterable[str] = (), body: object = None) -> list[str]:
        """Return what is wrong with a request: an operation or a name in the query that is not described, a body."""
        shapes = {re.sub(r"\{\w+\}", "[^/]+", template): template for m, template in self.operations if m == method}
        fitting = [template for shape, template in shapes.items() if re.fullmatch(shape, path)]
        if not fitting:
            return [f"{method} {path} is not described"]
        template = min(fitting, key=lambda one: one.count("{"))
        names = {one["name"] for one in self._spec["paths"][template][method.lower()].get("parameters", [])}
        told = [f"?{name} is not described" for name in query if name not in names]
        told += self.request_problems(method, template, body) if body is not None else []
        return [f"{method} {path}: {problem}" for problem in told]

    def request_problems(self, method: str, path: str, body: object) -> list[str]:
        """Return the first thing that is wrong with a request body, if any."""
        schema = self._spec["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
        return self._problems(schema, body)

    def answer_problems(self, method: str, path: str, status: int, body: object) -> list[str]:
        """Return what is wrong with an answer: a status that the description lacks, or a body of another shape."""
        responses = self._spec["paths"][path][method.lower()]["responses"]
        if str(status) not in responses:
            return [f"status {status} is not described"]
        content = self._resolved(responses[str(status)]).get("content")
        if content is None:
            return [] if body is None else ["a body where none is described"]
        return self._problems(content["application/json"]["schema"], body)

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


def cloud_spec() -> CloudSpec:
    """Return the description."""
    return CloudSpec(description(NAME))
