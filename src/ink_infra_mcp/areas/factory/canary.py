"""The canary of a rotation: an app that only --runtime isolates, deployed by the new Coolify, proved and deleted."""

from ink_infra_mcp.areas.apps import built_apps
from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.built_apps import BY_GVISOR, BuiltApp
from ink_infra_mcp.areas.apps.env_values import Owner
from ink_infra_mcp.areas.apps.envs import envs_now
from ink_infra_mcp.areas.apps.home import Project, Wanted, existing, find_home, home_steps
from ink_infra_mcp.areas.apps.pinning import present
from ink_infra_mcp.areas.apps.settings import SettingArgs, wanted_settings
from ink_infra_mcp.areas.apps.source import resolve
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.canary import CPUS, IMAGE, MEMORY, PORT, SHARED, deletion, farewell, proving
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import memory_bytes
from ink_infra_mcp.core.plan import Plan, Step, placed

NAME = "canary-coolify"
_OF_ISOLATION = frozenset({"hosts.prove_isolation", "hosts.note_containers"})
_SAID = frozenset({"coolify.create_application", "coolify.first_deploy"})
_NOT_ISOLATED = "; that it is isolated is not proved: this image may drop --runtime"


async def canary_of(look: Look, project: Project, apps: tuple[App, ...], approved: Plan | None) -> BuiltApp:
    """Return the canary as it shall be, on the Muscle with the most room, which the approved plan pins.

    Raises:
        InputError: one is left of an earlier rotation, or no Muscle has room for it.
    """
    if (left := existing(NAME, apps, project)) is not None:
        raise InputError(
            f"An app {NAME} ({left.uuid}) is left of an earlier rotation.", next=f"Call delete_app for {NAME} first."
        )
    wanted = Wanted(name=NAME, muscle=None, domain=None, need_bytes=memory_bytes(MEMORY))
    home = await find_home(look, wanted, project, app=None, apps=apps, approved=approved)
    args = SettingArgs(image=IMAGE, port=PORT, memory=MEMORY, cpus=CPUS, health_path="none")
    source = await resolve(args, look, default_branch="")
    return BuiltApp(
        name=NAME,
        home=home,
        settings=wanted_settings(args, look, home, source, None),
        source=source,
        existing=None,
        env=await envs_now(look, Owner("", NAME, home.muscle.name), {}),
        present=await present(look, "", NAME, service=False, image=IMAGE),
        known=(),
        as_wanted=False,
        redeploy=False,
    )


def canary_steps(canary: BuiltApp, *, undoes: tuple[str, ...], isolated: bool = True) -> tuple[Step, ...]:
    """Return the steps: validate its server, create, deploy, prove isolation, delete.

    Where the image may drop --runtime the canary is not `isolated`: it proves that Coolify deploys, and says so.
    Whichever fails, the canary is deleted, and the earlier steps `undoes` are taken back.
    """
    project = (step.model_copy(update={"undoes": undoes}) for step in home_steps(canary.home.project))
    own = _own(canary) if isolated else map(_bare, filter(_is_no_proof, _own(canary)))
    gone = deletion(NAME, kind="coolify.discard_application")
    made = proving((_validate(canary), *own), gone, undoes=undoes)
    end = farewell(gone).model_copy(update={"undoes": made[-1].undoes})
    return placed((*project, *made, end), servers=[canary.home.muscle.name], apps=[NAME])


def _own(canary: BuiltApp) -> list[Step]:
    return [step for step in built_apps.steps_of(canary) if step.kind not in SHARED]


def _is_no_proof(step: Step) -> bool:
    return step.kind not in _OF_ISOLATION


def _bare(step: Step) -> Step:
    words = step.summary.removesuffix(BY_GVISOR) + _NOT_ISOLATED
    return step.model_copy(update={"summary": words}) if step.kind in _SAID else step


def _validate(canary: BuiltApp) -> Step:
    name = canary.home.muscle.name
    return Step(
        id="validate",
        kind="coolify.validate_server",
        target=name,
        summary=f"Have the new Coolify validate {name}: it logs in there with a key that it decrypts",
        params={"server": canary.home.placement.server_uuid},
        undo_words="nothing to undo: Coolify only looks",
    )
