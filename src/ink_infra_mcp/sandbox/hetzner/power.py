"""What can be done to a server: power, and protection."""

from ink_infra_mcp.sandbox.hetzner.actions import begin, refuse_locked, started
from ink_infra_mcp.sandbox.hetzner.call import Body, Call, Handler, Reply, Route, invalid
from ink_infra_mcp.sandbox.hetzner.servers import find_server
from ink_infra_mcp.sandbox.hetzner.settling import set_host_up

ACPI_S = 5.0
"""How long a system takes to go down after the request, in action lengths of the project."""


class Protection(Body):
    """The body of change_protection; both must be equal."""

    delete: bool | None = None
    rebuild: bool | None = None


def _power(command: str, status: str, *, interrupts: bool) -> Handler:
    """Return the handler of an action after which the server has `status`; one that interrupts takes the host down."""

    def handle(call: Call) -> Reply:
        server = find_server(call, call.id)
        refuse_locked(call, "server", server.id)
        action = begin(call, command, ("server", server.id))
        server.next_status, server.next_at = status, action.ends
        if interrupts:
            set_host_up(call.state, server, up=False)
        return started(call, action)

    return handle


def _shutdown(call: Call) -> Reply:
    """The action ends when the request is sent; the server is off only later."""
    server = find_server(call, call.id)
    refuse_locked(call, "server", server.id)
    action = begin(call, "shutdown_server", ("server", server.id))
    server.next_status = "off"
    server.next_at = action.ends + ACPI_S * call.project.action_s
    return started(call, action)


def _change_protection(call: Call) -> Reply:
    wanted = call.read(Protection)
    server = find_server(call, call.id)
    delete = server.protected if wanted.delete is None else wanted.delete
    rebuild = server.protected if wanted.rebuild is None else wanted.rebuild
    if delete != rebuild:
        raise invalid({"rebuild": "delete and rebuild protection must have the same value"})
    refuse_locked(call, "server", server.id)
    server.protected = delete
    return started(call, begin(call, "change_protection", ("server", server.id), after_s=0))


def _backup(command: str, *, on: bool) -> Handler:
    """Return the handler that switches backups; switching them off deletes those that there are."""

    def handle(call: Call) -> Reply:
        server = find_server(call, call.id)
        refuse_locked(call, "server", server.id)
        server.backups = on
        return started(call, begin(call, command, ("server", server.id)))

    return handle


def _route(name: str, handler: Handler) -> Route:
    return Route("POST", f"/servers/{{id}}/actions/{name}", handler)


ROUTES = (
    _route("poweron", _power("start_server", "running", interrupts=False)),
    _route("poweroff", _power("stop_server", "off", interrupts=True)),
    _route("reboot", _power("reboot_server", "running", interrupts=True)),
    _route("reset", _power("reset_server", "running", interrupts=True)),
    _route("shutdown", _shutdown),
    _route("enable_backup", _backup("enable_backup", on=True)),
    _route("disable_backup", _backup("disable_backup", on=False)),
    _route("change_protection", _change_protection),
)
