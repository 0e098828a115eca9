"""How each vendor's API is reached: its address, its token, and the list of requests that only read."""

from ink_infra_mcp.app.wiring import Wiring
from ink_infra_mcp.clients import cloudflare, github, hetzner_cloud, hetzner_dns, hetzner_robot
from ink_infra_mcp.clients.coolify.reads import READS
from ink_infra_mcp.clients.http import HttpSettings
from ink_infra_mcp.core.secret import Secret

ROBOT_LOGIN = ("hetzner_robot_user", "hetzner_robot_password")


def coolify_settings(wiring: Wiring) -> HttpSettings:
    """Return how Coolify's API is reached; without a token each request raises SecretMissing.

    A Factory without Coolify has no token yet, and is set up by tools that do not ask for one.
    """
    return HttpSettings(
        service="Coolify",
        base_url=f"{wiring.settings.fleet.coolify.url}/api/v1/",
        reads=READS,
        find_token=lambda: wiring.secrets.need("coolify_token"),
    )


def hetzner_settings(wiring: Wiring, token: Secret) -> HttpSettings:
    """Return how Hetzner Cloud's API is reached."""
    url = f"{wiring.places.hetzner_cloud}/"
    return HttpSettings(service="Hetzner Cloud", base_url=url, reads=hetzner_cloud.READS, token=token)


def hetzner_dns_settings(wiring: Wiring, token: Secret) -> HttpSettings:
    """Return how its part for DNS is reached, which has reads of its own."""
    url = f"{wiring.places.hetzner_cloud}/"
    return HttpSettings(service="Hetzner DNS", base_url=url, reads=hetzner_dns.READS, token=token)


def cloudflare_settings(wiring: Wiring, token: Secret) -> HttpSettings:
    """Return how Cloudflare's API is reached."""
    url = f"{wiring.places.cloudflare}/"
    return HttpSettings(service="Cloudflare", base_url=url, reads=cloudflare.READS, token=token)


def robot_settings(wiring: Wiring) -> HttpSettings:
    """Return how Robot's webservice is reached; the header's form of the login is a secret, which the redactor learns.

    Raises:
        SecretMissing: no webservice user is configured.
    """
    user, password = (wiring.secrets.need(name) for name in ROBOT_LOGIN)
    settings = hetzner_robot.robot_settings(user, password, base_url=wiring.places.hetzner_robot)
    if settings.token is not None:
        wiring.redact.add(settings.token, name=ROBOT_LOGIN[1])
    return settings


def github_settings(wiring: Wiring) -> HttpSettings:
    """Return how GitHub's API is reached, with a token where there is one."""
    return HttpSettings(
        service="GitHub",
        base_url=f"{wiring.places.github}/",
        reads=github.READS,
        token=wiring.secrets.get("github_token"),
        headers=github.HEADERS,
    )
