"""Which networks, volumes, configs and secrets Docker Compose shows beside the services (seen with 2.26.1)."""

from collections.abc import Mapping

from ink_infra_mcp.sandbox.compose import typed
from ink_infra_mcp.sandbox.compose.reader import Map, MaybeMap, Value, entries, maybe_entries


def outlined(project_name: str, document: Map, services: Mapping[str, Map]) -> Map:
    """Return the sections with their names, used or not."""
    sections = {kind: maybe_entries(document.get(kind)) for kind in ("volumes", "secrets", "configs")}
    default: dict[str, MaybeMap] = {"default": None} if "default" in _networks(services) else {}
    sections["networks"] = {**default, **maybe_entries(document.get("networks"))}
    return {kind: _named(project_name, found) for kind, found in sections.items() if found}


def used(project_name: str, document: Map, services: Mapping[str, Map]) -> Map:
    """Return what services use of the sections."""
    names = {
        "networks": _networks(services),
        "volumes": _sources(services, "volumes"),
        "configs": _sources(services, "configs"),
        "secrets": _sources(services, "secrets"),
    }
    made = {kind: _section(kind, project_name, document, names[kind]) for kind in names}
    return {kind: section for kind, section in made.items() if section}


def _section(kind: str, project_name: str, document: Map, names: set[str]) -> Map:
    there = maybe_entries(document.get(kind))
    found = {name: there.get(name) for name in sorted(names) if name in there or name == "default"}
    return {name: _shown(kind, entry) for name, entry in entries(_named(project_name, found)).items()}


def _networks(services: Mapping[str, Map]) -> set[str]:
    return {name for body in services.values() for name in entries(body.get("networks"))}


def _sources(services: Mapping[str, Map], kind: str) -> set[str]:
    found = _granted(services, kind)
    return {str(one["source"]) for one in found if isinstance(one, dict) and one.get("source")}


def _granted(services: Mapping[str, Map], kind: str) -> list[Value]:
    return [one for body in services.values() for one in typed.listed(body.get(kind) or [])]


def _shown(kind: str, entry: Map) -> Map:
    made: Map = {key: value for key, value in entry.items() if value not in (False, None, "")}
    made |= typed.changed(made, ("labels", "driver_opts"), typed.texts)
    return {"ipam": {}, **made} if kind == "networks" else made


def _named(project_name: str, given: Mapping[str, MaybeMap]) -> Map:
    made: Map = {}
    for key, entry in given.items():
        shown: Map = dict(entry or {})
        external = shown.get("external")
        if isinstance(external, dict):
            shown |= {"external": True, "name": external.get("name", key)}
        shown.setdefault("name", key if shown.get("external") else f"{project_name}_{key}")
        made[key] = shown
    return made
