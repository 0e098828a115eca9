"""What a container printed, as the API returns it."""

from ink_infra_mcp.sandbox.coolify.call import Call
from ink_infra_mcp.sandbox.coolify.laravel import stamp
from ink_infra_mcp.sandbox.state_hosts import Container

DEFAULT_LINES = 100
MAX_LINES = 10_000


def container_log(call: Call, lines: list[str], container: Container) -> str:
    """Return the last lines, as many as `lines` of the query asks for (100, at most 10,000)."""
    port = container.env.get("PORT") or "80"
    printed = lines or ["Starting the server", f"Server listening on port {port}"]
    prefix = f"{stamp(container.started_at)} " if call.switch("show_timestamps") else ""
    return "".join(f"{prefix}{line}\n" for line in printed[-_limit(call.text("lines")) :])


def _limit(wanted: str) -> int:
    number = int(wanted) if wanted.isdigit() else 0
    return min(number, MAX_LINES) or DEFAULT_LINES
