"""Checks that creating and changing an application share, in Coolify's order and with its mixed shapes of `errors`."""

import base64
import binascii

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.call import Call, JsonObject, invalid
from ink_infra_mcp.sandbox.coolify.containers import routing_labels
from ink_infra_mcp.sandbox.coolify.defaults import setting_column
from ink_infra_mcp.sandbox.coolify.domains import domain_errors, listed, normalized, refuse_taken
from ink_infra_mcp.sandbox.coolify.rules import Rules
from ink_infra_mcp.sandbox.state_coolify import Application, Server

NOT_BASE64 = "The {} should be base64 encoded."
USE_COMPOSE_DOMAINS = (
    "The domains field cannot be used for dockercompose applications. "
    "Use docker_compose_domains instead to set domains for individual services."
)
RAW_COMPOSE_ONLY = "Raw compose deployment can only be enabled for Docker Compose applications."


def check_data(call: Call, server: Server, *, own_uuid: str = "") -> None:
    """Let ports, labels and domains pass that are well formed and free.

    Raises:
        Refusal: 422 whose `errors` hold a text, or are a bare list for domains; 409 for a domain that is taken.
    """
    _check_ports(call)
    if "custom_labels" in call.fields:
        decoded(call, "custom_labels")
    if "domains" in call.fields and rows.has_proxy(server):
        _check_domains(call, own_uuid)


def _check_ports(call: Call) -> None:
    outer = [mapping.split(":")[0] for mapping in call.text("ports_mappings").split(",")]
    if len(outer) != len(set(outer)):
        raise invalid({"ports_mappings": "The first number before : should be unique between mappings."})


def _check_domains(call: Call, own_uuid: str) -> None:
    errors = list[JsonValue](domain_errors(call.fields["domains"]))
    if errors:
        raise invalid(errors)
    refuse_taken(call, listed(normalized(call.fields["domains"])), own_uuid=own_uuid)


def check_nginx(call: Call) -> None:
    """Let an own configuration of nginx pass that is base64.

    Raises:
        Refusal: 422 with a text for the field.
    """
    if call.text("custom_nginx_configuration"):
        decoded(call, "custom_nginx_configuration")


def check_raw_compose(call: Call, build_pack: str) -> None:
    """Let the switch for raw compose files pass only for compose applications.

    Raises:
        Refusal: 422.
    """
    if call.switch("is_raw_compose_deployment_enabled") and build_pack != "dockercompose":
        raise invalid({"is_raw_compose_deployment_enabled": RAW_COMPOSE_ONLY})


def check_no_domains(call: Call, build_pack: str) -> None:
    """Let `domains` pass only where it means something.

    Raises:
        Refusal: 422 for a compose application.
    """
    if build_pack == "dockercompose" and "domains" in call.fields:
        raise invalid({"domains": USE_COMPOSE_DOMAINS})


def decoded(call: Call, field: str) -> str:
    """Return the text behind a field that must be base64, and not null.

    Raises:
        Refusal: 422 with a text, not a list, for the field.
    """
    if call.fields.get(field) is None:
        raise invalid({field: NOT_BASE64.format(field)})
    try:
        raw = base64.b64decode(call.text(field), validate=True)
        plain = raw.decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise invalid({field: NOT_BASE64.format(field)}) from error
    if base64.b64encode(raw).decode() != call.text(field):
        raise invalid({field: NOT_BASE64.format(field)})
    return plain


def put_columns(app: Application, given: JsonObject, rules: Rules) -> None:
    """Write validated fields into the application's row."""
    app.columns = {**app.columns, **{name: value for name, value in given.items() if name in rules}}


def put_settings(app: Application, given: JsonObject, rules: Rules) -> None:
    """Write validated fields into the settings' row."""
    app.settings = {**app.settings, **{setting_column(n): v for n, v in given.items() if n in rules and v is not None}}


def write_labels(app: Application) -> None:
    """Put Coolify's own labels over those in the row: they are read-only by default, so custom ones do not last."""
    if app.is_on("is_container_label_readonly_enabled"):
        lines = "\n".join(f"{name}={value}" for name, value in routing_labels(app).items())
        app.columns["custom_labels"] = base64.b64encode(lines.encode()).decode()
