"""The official Cloud API description, where it is at hand, as JSON schemas for requests and answers."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator, ValidationError, validate

NAME = "hetzner/cloud.spec.slim.json"
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
    """Return the description, or skip the test with the reason."""
    folder = os.environ.get("INK_SPECS_DIR")
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "specs"
    file = (Path(folder) if folder else beside) / NAME
    if not file.is_file():
        pytest.skip(f"the official API description is not here ({NAME}; set INK_SPECS_DIR)")
    return CloudSpec(json.loads(file.read_text(encoding="utf-8")))
