"""What a person does by hand at a new Coolify, with the address of each page, and how they get there.

The pages are those of Coolify's routes/web.php (4.3.10), and the first account is made where Fortify has it: /register.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import JsonValue

from ink_infra_mcp.core.fleet import Fleet, Host
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.shapes import items

LOCAL = "http://127.0.0.1:8000"
ABILITIES = ("read", "read:sensitive", "write", "deploy")
BY_HAND = "by_hand"
_PORTS = (8000, 6001, 6002)
"""The dashboard, and the two that its pages open beside it: live updates and the terminal (docker-compose.prod.yml)."""


def tunnel(fleet: Fleet) -> str:
    """Return the command with which a person gets to the ports that the Factory shows to itself only."""
    host = fleet.factory
    words = ["ssh", "-N", *(word for port in _PORTS for word in ("-L", f"{port}:127.0.0.1:{port}"))]
    if host.bastion is not None:
        words += ["-J", _place(fleet.host(host.bastion), joined=True)]
    if host.ssh_port != 22:
        words += ["-p", str(host.ssh_port)]
    return " ".join((*words, _place(host)))


def _place(host: Host, *, joined: bool = False) -> str:
    place = f"{host.ssh_user}@{host.address}"
    return f"{place}:{host.ssh_port}" if joined and host.ssh_port != 22 else place


def first_visit(fleet: Fleet) -> Iterator[str]:
    """Yield what makes a new Coolify somebody's: whoever registers first owns it."""
    yield (
        f"On your own machine run `{tunnel(fleet)}` and open {LOCAL}/register: the first account that is made there "
        "owns Coolify, and ends registration. Nobody else gets to that page"
    )
    if name := name_of(fleet.coolify.url):
        yield (
            f"At {LOCAL}/settings write https://{name} as URL, once that name leads to {fleet.factory.name}: then its "
            "proxy serves the dashboard there, with a certificate"
        )


def token(url: str) -> Iterator[str]:
    """Yield how we get a token; nobody but a person makes one."""
    yield (
        f"At {url}/security/api-tokens make a token with the permissions {', '.join(ABILITIES)}, and give it to "
        "`ink-infra-mcp secret set coolify_token` here; `ink-infra-mcp doctor` then tells what it may"
    )


def page(fleet: Fleet, *, new: bool) -> str:
    """Return where a person opens the dashboard: a new one through the tunnel only."""
    return LOCAL if new else fleet.coolify.url


def name_of(url: str) -> str:
    """Return the name that the dashboard has for the world; none where the URL is no https with a name."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return host if parts.scheme == "https" and not _is_address(host) else ""


def is_local(url: str) -> bool:
    """Return whether a URL leads to the machine that asks: a tunnel begins there, or Coolify runs there."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def by_hand(plan: Plan) -> JsonObject:
    """Return what a plan leaves to a person, in order; nothing where it leaves nothing."""
    left: list[JsonValue] = [each for step in plan.steps for each in items(step.params.get(BY_HAND))]
    return {BY_HAND: [*dict.fromkeys(map(str, left))]} if left else {}
