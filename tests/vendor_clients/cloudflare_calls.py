"""Runs in the environment of the clients: calls the official Cloudflare package, and asks its types about our bodies.

Reads what is wanted from standard input, and writes what came of it to standard output, both as JSON.
"""

import importlib
import json
import sys
from typing import Any

PARTS = {
    "deletes": "record_batch_params.Delete",
    "patches": "batch_patch_param.BatchPatchParam",
    "puts": "batch_put_param.BatchPutParam",
    "posts": "record_batch_params.Post",
}
"""What each item of a batch has to be, by the types that Cloudflare generates of its own API description."""


def call(client: Any, name: str, words: dict[str, Any]) -> Any:
    """Return what a method answered: an object, a list over all its pages, or what was refused."""
    cloudflare: Any = importlib.import_module("cloudflare")
    method = client
    for part in name.split("."):
        method = getattr(method, part)
    try:
        answer = method(**words)
        found = [*answer] if name.endswith(".list") else answer
    except cloudflare.APIStatusError as error:
        codes = [one["code"] for one in error.body["errors"]]
        return {"refused": type(error).__name__, "status": error.status_code, "codes": codes}
    return [plain(one) for one in found] if isinstance(found, list) else plain(found)  # pyright: ignore[reportUnknownVariableType]


def plain(answer: Any) -> Any:
    """Return a model of the package as it is in JSON, with only what was answered."""
    return answer.model_dump(mode="json", exclude_unset=True)


def problems(body: dict[str, Any]) -> list[str]:
    """Return what the package's types have against the body of a batch; nothing that they do not name may be in it."""
    pydantic: Any = importlib.import_module("pydantic")
    found = [f"{part} is no part of a batch" for part in body.keys() - PARTS.keys()]
    for part, name in PARTS.items():
        module, _, type_ = name.partition(".")
        wanted = getattr(importlib.import_module(f"cloudflare.types.dns.{module}"), type_)
        judge = pydantic.TypeAdapter(list[wanted], config=pydantic.ConfigDict(extra="forbid", strict=True))
        try:
            judge.validate_python(body.get(part, []))
        except pydantic.ValidationError as error:
            found += [f"{part} {one['loc'][-1]}: {one['msg']}" for one in error.errors() if concerns(one, body[part])]
    return found


def concerns(error: Any, items: list[dict[str, Any]]) -> bool:
    """An item is held against the types of all kinds of record; its own kind counts, or A where it names none."""
    number: int = error["loc"][0]
    where: list[Any] = [*error["loc"][1:]]
    kind = f"{items[number].get('type', 'A')}Record"
    return len(where) < 2 or str(where[0]).startswith(kind)


def main() -> None:
    """Do what standard input asks for."""
    wanted: dict[str, Any] = json.load(sys.stdin)
    package: Any = importlib.import_module("cloudflare")
    client = package.Cloudflare(api_token=wanted["token"], base_url=wanted["base_url"], max_retries=0, timeout=10)
    answers = [call(client, name, words) for name, words in wanted["calls"]]
    json.dump([answers, [problems(body) for body in wanted["bodies"]]], sys.stdout)


if __name__ == "__main__":
    main()
