"""Makes the extracts of API descriptions anew: `python -m tests.specs.extract FOLDER`, with the whole ones in FOLDER.

What goes into them is what the sandbox answers, which holds all that the product asks for. Parts that are the same and
large are kept once.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from ink_infra_mcp.sandbox.hetzner.app import ROUTES as CLOUD
from ink_infra_mcp.sandbox.robot.app import ROUTES as ROBOT

HERE = Path(__file__).resolve().parent
SOURCES = {
    "hetzner_cloud.json": "hetzner/cloud.spec.slim.json",
    "hetzner_robot.json": "hetzner/robot.spec.patched.json",
    "robot_endpoints.json": "hetzner/robot_endpoints_limits_errors.json",
}
"""Each extract, with the description that it is of."""
TEXTS = {"description", "summary", "title", "example", "examples", "tags", "operationId", "externalDocs", "security"}
NAMES = {"properties", "patternProperties", "responses", "schemas", "parameters", "requestBodies", "paths"}
"""What holds parts by names of their own, which may be those of texts."""
LARGE = 250
"""From how many characters on a schema that comes again is kept once."""
Node = dict[str, Any]
Wanted = set[tuple[str, str]]


def main() -> None:
    """Write every extract."""
    for name in SOURCES:
        (HERE / name).write_text(made(name, Path(sys.argv[1])), encoding="utf-8")


def made(name: str, folder: Path) -> str:
    """Return the text of an extract of the descriptions below `folder`."""
    whole = json.loads((folder / SOURCES[name]).read_text(encoding="utf-8"))
    if name == "robot_endpoints.json":
        kept = [{key: one[key] for key in ("method", "path", "limit", "codes")} for one in whole]
        lines = [_text(one) for one in kept if (one["method"], _template(one["path"])) in _asked(ROBOT)]
        return _in_lines("[", lines, "]")
    found = _shared(_reduced(whole, _asked(CLOUD if name == "hetzner_cloud.json" else ROBOT)))
    parts = {"paths": found["paths"], **{f"components/{kind}": one for kind, one in found["components"].items()}}
    blocks = [f"{_text(kind)}: " + _in_lines("{", _pairs(one), "}").rstrip() for kind, one in parts.items()]
    return _in_lines("{", blocks, "}")


def _in_lines(begin: str, lines: Iterable[str], end: str) -> str:
    """One line for each part, so that a change of the vendor's is a change of few lines."""
    return begin + "\n" + ",\n".join(lines) + "\n" + end + "\n"


def _pairs(parts: Node) -> list[str]:
    return [f"{_text(name)}: {_text(part)}" for name, part in sorted(parts.items())]


def _asked(routes: Iterable[Any]) -> Wanted:
    return {(route.method, _template(route.path)) for route in routes}


def _template(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", path)


def _reduced(whole: Node, wanted: Wanted) -> Node:
    """Return the wanted operations, with the components that they refer to."""
    paths: Node = {}
    for path, methods in whole["paths"].items():
        here = {m: _bare(one) for m, one in methods.items() if (m.upper(), _template(path)) in wanted}
        if here:
            paths[path] = here
    kept: dict[str, Node] = {}
    left = list(_references(paths))
    while left:
        reference = left.pop()
        _, _, kind, name = reference.split("/")
        if name not in kept.setdefault(kind, {}):
            kept[kind][name] = _bare(whole["components"][kind][name])
            left += _references(kept[kind][name])
    return {"paths": paths, "components": kept}


def _bare(node: Any, *, names: bool = False) -> Any:
    """Return a part without its texts."""
    if isinstance(node, list):
        return [_bare(one) for one in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    parts = cast(Node, node)
    shown = {key: one for key, one in parts.items() if names or not (key in TEXTS or key.startswith("x-"))}
    return {key: _bare(one, names=not names and key in NAMES) for key, one in shown.items()}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in cast(list[Any], node):
            yield from _references(one)
    elif isinstance(node, dict):
        parts = cast(Node, node)
        if isinstance(parts.get("$ref"), str):
            yield parts["$ref"]
        for one in parts.values():
            yield from _references(one)


def _shared(spec: Node) -> Node:
    """Return the description with each large schema that comes more than once among the components."""
    seen = Counter(_text(one) for one in _schemas(spec))
    names = {text: f"Shared{number}" for number, text in enumerate(sorted(t for t in seen if seen[t] > 1), start=1)}
    schemas = {name: _with_references(json.loads(text), names, inside=True) for text, name in names.items()}
    whole = cast(Node, _with_references(spec, names))
    whole["components"]["schemas"] = {**whole["components"].get("schemas", {}), **schemas}
    return whole


def _schemas(node: Any) -> Iterator[Node]:
    """Give every large schema of an object."""
    if isinstance(node, list):
        for one in cast(list[Any], node):
            yield from _schemas(one)
    elif isinstance(node, dict):
        parts = cast(Node, node)
        if _is_large(parts):
            yield parts
        for one in parts.values():
            yield from _schemas(one)


def _is_large(node: Node) -> bool:
    return node.get("type") == "object" and isinstance(node.get("properties"), dict) and len(_text(node)) >= LARGE


def _text(node: object) -> str:
    return json.dumps(node, sort_keys=True)


def _with_references(node: Any, names: dict[str, str], *, inside: bool = False) -> Any:
    if isinstance(node, list):
        return [_with_references(one, names) for one in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    parts = cast(Node, node)
    if not inside and _is_large(parts) and (name := names.get(_text(parts))):
        return {"$ref": f"#/components/schemas/{name}"}
    return {key: _with_references(one, names) for key, one in parts.items()}


if __name__ == "__main__":
    main()
