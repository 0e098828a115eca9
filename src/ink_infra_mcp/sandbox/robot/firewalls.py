"""Firewalls at the switch ports: shown, replaced as a whole, cleared, and in process for 20 to 60 seconds."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.robot.call import Call, JsonObject, RobotError, Route, invalid
from ink_infra_mcp.sandbox.robot.rules import rules_of
from ink_infra_mcp.sandbox.robot.servers import find_server
from ink_infra_mcp.sandbox.state_robot import ALLOW_ALL, RobotRule, RobotServer, RobotSet, RobotTemplate

LIMIT = 500


def _server(call: Call) -> RobotServer:
    server = find_server(call)
    if not server.has_firewall:
        raise RobotError(404, "FIREWALL_NOT_AVAILABLE", "Firewall is not available for this server")
    if not server.has_port:
        raise RobotError(404, "FIREWALL_PORT_NOT_FOUND", "Switch port not found")
    return server


def _rules(rules: list[RobotRule]) -> list[JsonValue]:
    return [rule.model_dump(mode="json") for rule in rules]


def _shown(call: Call, server: RobotServer) -> JsonObject:
    firewall = server.firewall
    return {
        "firewall": {
            "server_ip": server.ipv4,
            "server_number": server.number,
            "status": firewall.status if server.ready_at <= call.now else "in process",
            "filter_ipv6": firewall.filter_ipv6,
            "whitelist_hos": firewall.whitelist_hos,
            "port": "main",
            "rules": {"input": _rules(firewall.input), "output": _rules(firewall.output)},
        }
    }


def _get(call: Call) -> JsonValue:
    return _shown(call, _server(call))


def _post(call: Call) -> JsonValue:
    """Both directions are replaced by what the form holds, and by nothing where it holds nothing."""
    server = _free(call)
    wanted = _from_template(call) if "template_id" in call.form else _from_form(call, server.firewall)
    _change(call, server, wanted)
    return _shown(call, server)


def _delete(call: Call) -> JsonValue:
    """Everything may pass again, in both directions; while that is in process no rules are shown."""
    server = _free(call)
    open_ = RobotSet(status=server.firewall.status, input=[ALLOW_ALL.model_copy()], output=[ALLOW_ALL.model_copy()])
    _change(call, server, open_)
    shown = _shown(call, server)
    inner = shown["firewall"]
    return {"firewall": {**inner, "rules": {}}} if isinstance(inner, dict) else shown


def _free(call: Call) -> RobotServer:
    server = _server(call)
    if server.ready_at > call.now:
        words = "The firewall can not be updated because a update is currently running"
        raise RobotError(409, "FIREWALL_IN_PROCESS", words)
    return server


def _change(call: Call, server: RobotServer, wanted: RobotSet) -> None:
    if wanted.status == "disabled" and server.pinned:
        raise RobotError(409, "FIREWALL_CANNOT_BE_DISABLED", "The firewall can not be disabled")
    server.changes += 1
    server.before, server.firewall = server.firewall, wanted
    server.ready_at = call.now + 20 + (server.number + 17 * server.changes) % 41


def _from_form(call: Call, now: RobotSet) -> RobotSet:
    status = call.form.get("status", now.status)
    if status not in ("active", "disabled"):
        raise invalid("status")
    return RobotSet(
        status=status,
        filter_ipv6=_flag(call, "filter_ipv6", default=now.filter_ipv6),
        whitelist_hos=_flag(call, "whitelist_hos", default=now.whitelist_hos),
        input=rules_of(call.form, "input"),
        output=rules_of(call.form, "output"),
    )


def _flag(call: Call, name: str, *, default: bool) -> bool:
    value = call.form.get(name)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise invalid(name)
    return value == "true"


def _from_template(call: Call) -> RobotSet:
    """A template goes with neither rules nor whitelist_hos."""
    if wrong := [name for name in ("rules", "whitelist_hos") if name in call.form]:
        raise invalid(*wrong)
    template = _template(call, str(call.form["template_id"]), "FIREWALL_TEMPLATE_NOT_FOUND")
    return RobotSet(
        status="active",
        filter_ipv6=template.filter_ipv6,
        whitelist_hos=template.whitelist_hos,
        input=[rule.model_copy() for rule in template.input],
        output=[rule.model_copy() for rule in template.output],
    )


def _template(call: Call, key: str, code: str) -> RobotTemplate:
    for template in call.account.templates:
        if str(template.id) == key:
            return template
    raise RobotError(404, code, f"Template with ID {key} not found")


def _show_template(template: RobotTemplate) -> JsonObject:
    return {
        "id": template.id,
        "name": template.name,
        "filter_ipv6": template.filter_ipv6,
        "whitelist_hos": template.whitelist_hos,
        "is_default": template.is_default,
    }


def _templates(call: Call) -> JsonValue:
    if not call.account.templates:
        raise RobotError(404, "NOT_FOUND", "No firewall templates found")
    return [{"firewall_template": _show_template(template)} for template in call.account.templates]


def _one_template(call: Call) -> JsonValue:
    template = _template(call, call.parts["template"], "NOT_FOUND")
    rules: JsonObject = {"input": _rules(template.input), "output": _rules(template.output)}
    return {"firewall_template": {**_show_template(template), "rules": rules}}


ROUTES = (
    Route("GET", "/firewall/template", _templates, LIMIT),
    Route("GET", "/firewall/template/{template}", _one_template, LIMIT),
    Route("GET", "/firewall/{server}", _get, LIMIT),
    Route("POST", "/firewall/{server}", _post, LIMIT),
    Route("DELETE", "/firewall/{server}", _delete, LIMIT),
)
