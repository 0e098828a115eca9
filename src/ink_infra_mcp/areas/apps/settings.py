"""The settings of an app that Coolify builds: what the caller says, what policy adds, and what stays as it is."""

from typing import Annotated

from pydantic import Field, ValidationError

from ink_infra_mcp.areas.apps.home import Home
from ink_infra_mcp.areas.apps.limits import limit_bytes
from ink_infra_mcp.areas.apps.plain_values import refuse_secrets_in
from ink_infra_mcp.areas.apps.source import ResolvedSource, SourceArgs
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.bodies import AppChanges
from ink_infra_mcp.core.arguments import Mark
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Cpus, Domain, Memory, Port
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.run_options import lacking, run_options, weakening
from ink_infra_mcp.core.words import of_fault

NO_CHECK = "none"
_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"


class SettingArgs(SourceArgs):
    """The part of deploy_app's arguments that says what to run, and how."""

    domain: Annotated[Domain | None, Mark.OPTION] = None
    port: Annotated[Port | None, Mark.OPTION] = None
    memory: Annotated[Memory | None, Mark.OPTION] = None
    cpus: Annotated[Cpus | None, Mark.NUMBER, Mark.OPTION] = None
    build_command: Annotated[str | None, Field(max_length=1000, pattern=_ONE_LINE), Mark.CLEARS, Mark.OPTION] = None
    start_command: Annotated[str | None, Field(max_length=1000, pattern=_ONE_LINE), Mark.CLEARS, Mark.OPTION] = None
    run_options: Annotated[
        str | None,
        Field(max_length=1000, pattern=_ONE_LINE),
        Mark.CLEARS,
        Mark.OPTION,
    ] = None
    health_path: Annotated[
        str | None,
        Field(pattern=r"^(?:/[\w/.~%-]*|none)$", max_length=255, description="none: no check"),
        Mark.OPTION,
    ] = None


def refuse_unfit(args: SettingArgs, look: Look) -> None:
    """Return when no command or option plainly holds a secret, and the run options that are asked for weaken nothing,
    together with what policy sets: one may undo the other.

    Raises:
        InputError: they would weaken isolation, and how; or one holds a secret.
    """
    refuse_secrets_in(args.build_command or "", what="The build command")
    refuse_secrets_in(args.start_command or "", what="The start command")
    refuse_secrets_in(args.run_options or "", what="run_options")
    if args.run_options and (reasons := weakening(_options(args, look), look.isolation)):
        raise InputError(f"run_options would weaken isolation: {'; '.join(reasons)}.", next="Leave them out.")


def wanted_settings(
    args: SettingArgs, look: Look, home: Home, source: ResolvedSource | None, now: Application | None
) -> AppChanges:
    """Return what the app shall be; of one that exists, only what the caller or the policy says.

    Raises:
        InputError: Coolify could not take one of the settings.
    """
    settings = (_defaults(look) if now is None else {}) | _said(args) | (source.settings if source else {})
    if now is None or args.domain or not now.domains:
        settings["domains"] = [home.url]
    if now is not None and args.memory is None and not limit_bytes(now.limits_memory):
        settings["limits_memory"] = look.fleet.defaults.memory
    if not _keeps_options(args, look, now):
        settings["custom_docker_run_options"] = _options(args, look)
    try:
        return AppChanges.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"Coolify cannot take this {where}: {of_fault(first)}.", next="Correct it.") from error


def _defaults(look: Look) -> JsonObject:
    defaults = look.fleet.defaults
    return {"ports_exposes": [defaults.port], "limits_memory": defaults.memory, "limits_cpus": defaults.cpus}


def _said(args: SettingArgs) -> JsonObject:
    """Return the settings that the caller named."""
    named: JsonObject = {
        "build_command": args.build_command,
        "start_command": args.start_command,
        "ports_exposes": [args.port] if args.port else None,
        "limits_memory": args.memory,
        "limits_cpus": args.cpus,
        **_health(args.health_path),
    }
    return {name: value for name, value in named.items() if value is not None}


def _health(path: str | None) -> JsonObject:
    """A check that is switched off keeps its path in Coolify: it says nothing then."""
    if path == NO_CHECK:
        return {"health_check_enabled": False}
    return {"health_check_enabled": True if path else None, "health_check_path": path}


def _options(args: SettingArgs, look: Look) -> str:
    return " ".join(filter(None, (run_options(look.isolation), args.run_options)))


def _keeps_options(args: SettingArgs, look: Look, now: Application | None) -> bool:
    """Return whether an app's own options stay: they isolate it as policy says, and nobody asks for others."""
    if now is None or args.run_options is not None:
        return False
    options = now.custom_docker_run_options
    return not lacking(options, look.isolation) and not weakening(options, look.isolation)
