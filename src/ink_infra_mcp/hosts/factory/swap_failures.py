"""What an exchange of Coolify's image says where it does not come to its end: what failed, what runs, what is next."""

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.hosts.factory.following import BY_HAND
from ink_infra_mcp.hosts.factory.swapping import STAGE, UNTOUCHED, Rotation, Service
from ink_infra_mcp.ssh.pool import HostPool

_RESTORED = " Its database is that from the moment of the swap; the one that the new image changed is kept as ink_left."


def not_swapped(host: str, found: Rotation) -> StepFailed:
    """Return what became of a rotation that is not in service."""
    if found.state == "refused":
        return StepFailed(
            f"{host} did not begin to rotate Coolify's image: {found.why}.",
            done=UNTOUCHED,
            next="Call the tool again when that is over.",
            stage=STAGE,
        )
    runs = f"{found.image[:19] or 'an unknown image'}, which is {found.container or 'not known to run'}"
    return StepFailed(
        f"{host} went back to the Coolify from before: {found.why or found.state}.",
        done=f"In service is {runs}.{_RESTORED if found.restored else ''}",
        next="Read what the new container said, mend its image, then call again.",
        stage=STAGE,
        untrusted_log=found.untrusted_log[-200:],
    )


def kept(host: str) -> StepFailed:
    """Return that it was confirmed before."""
    return StepFailed(
        f"The new image on {host} was confirmed and is kept.",
        done="It stays in service, and was not taken back.",
        next=f"On {host} `{BY_HAND}` goes back by hand; it says what would be lost.",
        stage=STAGE,
    )


def unproved(pool: HostPool, host: str, wrong: tuple[str, ...], service: Service) -> StepFailed:
    """Return what of it is not proved, with what artisan says."""
    said = pool.presentable(f"{service.untrusted_migrations}\n{service.untrusted_horizon}", limit=2_000)
    return StepFailed(
        f"The new Coolify on {host} is not as it shall be: {'; '.join(wrong)}.",
        done="It is in service, and not confirmed.",
        next="The plan's undo goes back.",
        stage="proof",
        untrusted_log=tuple(said.splitlines()[-40:]),
    )


def unwatched(host: str) -> StepFailed:
    """Return that nobody could watch it to the end."""
    return StepFailed(
        f"Coolify on {host} could not be watched to the end.",
        done="The new image is confirmed and stays in service; the one from before is held.",
        next="Look at it with get_coolify_image.",
        stage="soak",
    )


def soaked(host: str, wrong: tuple[str, ...]) -> StepFailed:
    """Return what became worse while it was watched."""
    return StepFailed(
        f"Coolify on {host} did not stay as it was proved: {'; '.join(wrong)}.",
        done="The new image is confirmed and stays in service; the one from before is held.",
        next=f"Look at `docker logs --tail 200 coolify` there; `{BY_HAND}` goes back by hand.",
        stage="soak",
    )


def unfit(host: str, why: str) -> StepFailed:
    """Return why an image is none for that Factory."""
    return StepFailed(
        f"The image cannot be used on {host}: {why}.",
        done=UNTOUCHED,
        next="Build it for that, then call again with its digest.",
        stage="image",
    )
