"""An app that goes back to the Muscle that it was moved from: what was left there runs again and takes its place back.

Nothing is copied: the first app is kept by the move, with all that it is in Coolify. So an app with data stays where it
went: its first volume knows nothing of what was written since. Whatever fails up to the proof of its names leaves the
app where it runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

from ink_infra_mcp.areas.apps import rollout
from ink_infra_mcp.areas.apps.app import host_of
from ink_infra_mcp.areas.apps.moving import PARKED, Move, called, retired_on
from ink_infra_mcp.areas.apps.moving_steps import (
    CLONE,
    SWITCH,
    guarded,
    leaves_running,
    placed_as,
    prove_answer,
    proven_again,
    retire,
    steps_of,
)
from ink_infra_mcp.areas.apps.pinning import SET_ANEW, pinned
from ink_infra_mcp.areas.apps.rollout import DEPLOYED, ROLLOUTS, RolloutFacts
from ink_infra_mcp.areas.dns.steps import is_setting, put_back
from ink_infra_mcp.core.lanes import in_part, prefix_of
from ink_infra_mcp.core.plan import Change, JsonObject, Step, Undo, placed
from ink_infra_mcp.core.step import result_of

ENDS = "_back"
"""How the part of a plan is called in which an app goes back, after the part in which it moved."""
DELETES = "delete_copy"
KINDS = (
    "coolify.validate_server",
    "coolify.deploy",
    "coolify.prove_unchanged",
    "coolify.stop",
    "coolify.delete_application",
)
"""The kinds of step that the way back has beside those of a move."""


@dataclass(frozen=True, slots=True)
class Back:
    """The way back of a move: the deployments that the app had before, and the steps by which its names went along."""

    move: Move
    known: tuple[str, ...] = ()
    leading: tuple[Step, ...] = ()


def why_it_stays(move: Move, strays: tuple[str, ...], leading: tuple[Step, ...]) -> str:
    """Return why an app cannot go back, in words, or an empty text. `strays` are the names of it that do not lead to
    its Muscle now, and so would not lead there again.
    """
    if move.data:
        return "its data was copied there, and is written there from then on"
    lost = next(iter((*strays, *_unrecorded(leading))), "")
    return f"{lost} does not lead to {move.app.muscle} by a record that could be put back" if lost else ""


def _unrecorded(leading: Iterable[Step]) -> tuple[str, ...]:
    """A wildcard leads a name that has no records: nobody could prove that they are gone."""
    before = [(str(step.params["name"]), step.params["before"]) for step in leading if is_setting(step)]
    recorded = dict(filter(itemgetter(1), before))
    return tuple(name for name, _ in before if name not in recorded)


def kept(move: Move, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps that follow the `steps` of a move where the first app is kept for its way back: it is stopped
    once its copy was proved once more.
    """
    stop = (retire(move),) if leaves_running(move) else ()
    return (*proven_again(steps), *placed(stop, servers=[move.app.muscle], apps=[move.app.name]))


def steps_back(backs: Mapping[str, Back]) -> tuple[Step, ...]:
    """Return the steps by which apps of one Muscle go back, by the part of the plan in which each went away.

    Coolify builds nothing on a server that it could not reach while it booted: it is validated first.
    """
    apps = [_steps_back(back, part) for part, back in backs.items()]
    first = next(iter(backs.values()), None)
    return (_validate(first.move), *chain.from_iterable(apps)) if first else ()


def _validate(move: Move) -> Step:
    home = move.app.muscle
    return Step(
        id=f"validate_{home.replace('-', '_')}",
        kind="coolify.validate_server",
        target=home,
        summary=f"Have Coolify validate {home}, which it may not have reached since the reboot",
        servers=(home,),
        params={"server": move.app.server_uuid, "unproved": False},
        undo_words="needs none: a validation only looks",
    )


def _steps_back(back: Back, part: str) -> tuple[Step, ...]:
    move = back.move
    copy = result_of(f"{prefix_of(part)}{CLONE}", "uuid")
    proofs = (_proof(move), _unchanged(move, copy, f"{prefix_of(part)}{DEPLOYED}"))
    there = (*_rollout(back, copy), *proofs, _switch(move, copy), *put_back(back.leading))
    steps = guarded(there)
    ended = (*steps, *proven_again(steps), *_ending(move, copy))
    return in_part(placed(ended, servers=[move.app.muscle, move.target.muscle], apps=[move.app.name]), part + ENDS)


def _rollout(back: Back, copy: JsonObject) -> tuple[Step, ...]:
    move = back.move
    now = RolloutFacts(
        muscle=move.app.muscle, url=_url(move), known=back.known, hosts=tuple(map(host_of, move.application.domains))
    )
    made = rollout.steps(move.app.name, move.app.uuid, now, first=False, commit=move.commit)
    return pinned((_reclaim(move, copy), *made), move.present)


def _reclaim(move: Move, copy: JsonObject) -> Step:
    """The labels of its containers say by which names its proxy finds it: they are made of its domains. Of the copy
    nothing else is set: somebody may have changed it.
    """
    app, pushed = move.app, move.application.is_auto_deploy_enabled is True
    apps: JsonObject = {"first_app": copy, "second_app": app.uuid}
    wanted: JsonObject = {
        "first": {"is_auto_deploy_enabled": False},
        "second": _first(move, move.retired, pushed=False),
    }
    before: JsonObject = {
        "first": {"is_auto_deploy_enabled": pushed},
        "second": placed_as(move.retired, move.parked, pushed=False),
    }
    return Step(
        id="reclaim",
        kind="coolify.switch_domains",
        target=app.name,
        summary=f"Give {move.retired} on {app.muscle} its domains again, beside {app.name} on {move.target.muscle}, "
        "where pushes are deployed no more",
        params=apps | wanted,
        undo=Undo(
            kind="coolify.switch_domains",
            target=app.name,
            summary=f"take them from {move.retired} again",
            params=apps | before,
        ),
    )


def _proof(move: Move) -> Step:
    step = prove_answer(move.app.name, move.app.muscle, _url(move))
    words = f"Prove on {move.app.muscle} that its proxy leads {host_of(_url(move))} to {move.app.name} there again"
    return step.model_copy(update={"summary": words})


def _unchanged(move: Move, copy: JsonObject, deployed: str) -> Step:
    """What was changed of the copy, or deployed on it, while its server was patched would be gone with it."""
    started = next(step.params for step in steps_of(move) if step.kind in ROLLOUTS)
    pins = {name: started[name] for name in ("runs", "pins", "pinned_by")}
    return Step(
        id="prove_unchanged",
        kind="coolify.prove_unchanged",
        target=move.app.name,
        summary=f"Prove that {move.app.name} on {move.target.muscle} has the settings and the deployment of its move",
        params={"app": copy, "deployment": result_of(deployed, "deployment"), **pins, "free": [*SET_ANEW]},
        reads=True,
        undo_words="nothing to undo: it only reads",
    )


def _switch(move: Move, copy: JsonObject) -> Step:
    app, away = move.app, move.target.muscle
    left, pushed = retired_on(app.name, away), move.application.is_auto_deploy_enabled is True
    parked = (f"http://{app.uuid}-back.{PARKED}",)
    new: JsonObject = {"second_app": app.uuid, "second": _first(move, app.name, pushed=pushed)}
    pairs = zip(move.urls, move.application.domains, strict=True)
    return Step(
        id=SWITCH,
        kind="coolify.switch_domains",
        target=app.name,
        summary=f"Give name and domains back to {app.name} on {app.muscle}; its copy becomes {left}",
        changes=tuple(Change(name="domain", before=before, after=after) for before, after in pairs),
        params={"first_app": copy, "first": placed_as(left, parked, pushed=False), **new},
        undo=Undo(
            kind="coolify.switch_domains",
            target=app.name,
            summary=f"give name and domains to the copy on {away} again",
            params={
                "first_app": app.uuid,
                "first": _first(move, move.retired, pushed=False),
                "second_app": copy,
                "second": _serving(move),
            },
        ),
    )


def _serving(move: Move) -> JsonObject:
    """What the copy is called and reached by while it serves."""
    return placed_as(move.app.name, move.urls, pushed=move.application.is_auto_deploy_enabled is True)


def _first(move: Move, name: str, *, pushed: bool) -> JsonObject:
    return placed_as(name, move.application.domains, pushed=pushed)


def _url(move: Move) -> str:
    return called(move.application.domains[0])


def _ending(move: Move, copy: JsonObject) -> tuple[Step, ...]:
    app, away = move.app.name, move.target.muscle
    left = retired_on(app, away)
    params: JsonObject = {"app": copy, "service": False, "muscle": away}
    stop = Step(
        id="stop_copy",
        kind="coolify.stop",
        target=left,
        summary=f"Stop {left} on {away}",
        params=params,
        undo_words=f"control_app starts {left} again",
    )
    delete = Step(
        id=DELETES,
        kind="coolify.delete_application",
        target=left,
        summary=f"Delete {left} from Coolify; it has no volumes",
        params={**params, "delete_volumes": False},
    )
    return stop, delete
