"""The doctor's check of Hetzner Robot: whether the webservice user may read, with one login and never two."""

from ink_infra_mcp.cli.doctor_ground import Ground
from ink_infra_mcp.cli.doctor_report import Finding, Section
from ink_infra_mcp.cli.hurry import robot_door
from ink_infra_mcp.clients.hetzner_robot import HetznerRobotLook
from ink_infra_mcp.core.systems import ROBOT
from ink_infra_mcp.settings.secrets import how_to_keep

USER, PASSWORD = "hetzner_robot_user", "hetzner_robot_password"


async def check_robot(ground: Ground) -> Section:
    """Return whether the account can be read; raises VendorError.

    What else the user may do cannot be found out without changing something: Robot's users may do everything.
    """
    user, password = ground.secrets.get(USER), ground.secrets.get(PASSWORD)
    if user is None or password is None:
        return _not_set(ground, [name for name in (USER, PASSWORD) if name not in ground.secrets])
    async with robot_door(ground.places, (user, password), ground.redact) as door:
        servers = await HetznerRobotLook(door).servers()
    text = f"answers; user from {user.source}; reads {len(servers)} servers; its users may do everything there."
    return Section(name=ROBOT, findings=(Finding(level="ok", text=text),), gives=(ROBOT,))


def _not_set(ground: Ground, missing: list[str]) -> Section:
    """Without a dedicated server nobody needs it; with half a login somebody meant to have it."""
    why = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
    hosts = ground.fleet.hosts if ground.fleet else ()
    needed = len(missing) == 1 or any(host.provider == "hetzner_robot" for host in hosts)
    next = how_to_keep(missing[0], trouble=ground.keyring_trouble) if needed else ""
    finding = Finding(
        level="warning" if needed else "note", text=f"{why}: dedicated servers' firewalls are not known.", next=next
    )
    return Section(name=ROBOT, findings=(finding,), lacks={ROBOT: why})
