"""Whether the Factory's Coolify understands the run option that isolates apps; without it nothing may be deployed."""

from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.hosts.coolify_image import knows_runtime_option
from ink_infra_mcp.tools.look import Look


async def factory_isolates(look: Look) -> bool:
    """Return whether apps can be isolated by a run option there, or policy lets them go without.

    Raises:
        HostError: the Factory cannot be asked, so that nothing is known.
    """
    return look.isolation.allow_without or await knows_runtime_option(look.hosts, look.fleet.factory.name)


async def check_factory(look: Look) -> None:
    """Return when apps can be isolated there.

    Raises:
        RefusedByPolicy: they cannot. HostError: nothing is known.
    """
    if not await factory_isolates(look):
        raise refuse_factory()


def refuse_factory() -> RefusedByPolicy:
    """Return the refusal: the image in service drops --runtime silently (every official one up to 4.3.11 does)."""
    return RefusedByPolicy(
        "The Coolify image in service does not know --runtime: it would drop the option silently and run the app "
        "without gVisor.",
        next="Put the fork's image back into service, or give the app as a compose file, which names its runtime.",
    )
