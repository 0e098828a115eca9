"""The steps of a move: a copy on the other Muscle, its data, its proof, the switch, and the old app stopped.

Whatever fails up to the switch takes everything back: the old app runs again and the copy is gone. After the switch
nothing is taken back by itself: the new app may have been written to.
"""

from collections.abc import Iterable

from ink_infra_mcp.areas.apps import rollout
from ink_infra_mcp.areas.apps.app import host_of
from ink_infra_mcp.areas.apps.moving import Data, Move
from ink_infra_mcp.areas.apps.pinning import pinned
from ink_infra_mcp.areas.apps.rollout import RolloutFacts
from ink_infra_mcp.core.plan import Change, JsonObject, Step, Undo, placed
from ink_infra_mcp.core.step import result_of

CLONE, STOP_OLD, ANSWERS, SWITCH, RETIRE = "clone", "stop_old", "prove_answer", "switch", "retire"
KINDS = (
    "coolify.clone_application",
    "hosts.stop_containers",
    "hosts.copy_volume",
    "coolify.note_deployments",
    "hosts.note_containers",
    "registry.same_image",
    "coolify.first_deploy",
    "hosts.prove_isolation",
    "hosts.prove_answer",
    "coolify.switch_domains",
    "coolify.stop",
    "hetzner_dns.set_records",
    "cloudflare.set_records",
    "nameservers.prove_records",
)
"""The kinds of step that a move may have."""
_COPY = result_of(CLONE, "uuid")


def steps_of(move: Move, *, between: tuple[Step, ...] = ()) -> tuple[Step, ...]:
    """Return the steps; those `between` run after the switch and before the old app is stopped, as those of DNS."""
    app, to = move.app, move.target.muscle
    there = [*pinned((_clone(move), *_data_steps(move), *_rollout(move)), move.present), _proof(move)]
    steps = [*guarded([*there, _switch(move)]), *between, *([] if leaves_running(move) else [retire(move)])]
    return placed(steps, servers=[app.muscle, to], apps=[app.name])


def leaves_running(move: Move) -> bool:
    """Return whether the old app goes on serving: names still lead to it, and its data was not copied away from it."""
    return bool(move.astray) and not move.data


def _clone(move: Move) -> Step:
    app, target = move.app, move.target
    made: JsonObject = {"server": target.server_uuid, "name": app.name}
    return Step(
        id=CLONE,
        kind="coolify.clone_application",
        target=app.name,
        summary=f"Have Coolify copy {app.name} to {target.muscle}: settings and variables, and empty volumes",
        after=", ".join(move.urls),
        params={
            "app": app.uuid,
            "destination": target.destination,
            "network": target.network,
            "urls": [*move.urls],
            "mounts": [data.mount for data in move.data],
            **made,
        },
        undo=Undo(
            kind="coolify.discard_clone",
            target=app.name,
            summary=f"delete the copy of {app.name} on {target.muscle}",
            effect=f"the copy on {target.muscle} is gone",
            params=made | {"app": app.uuid},
        ),
    )


def _data_steps(move: Move) -> list[Step]:
    if not move.data:
        return []
    return [_stop_old(move), *(_copy(move, data, number) for number, data in enumerate(move.data))]


def _stop_old(move: Move) -> Step:
    app = move.app
    params: JsonObject = {"app": app.uuid, "muscle": app.muscle, "containers": [*move.running]}
    return Step(
        id=STOP_OLD,
        kind="hosts.stop_containers",
        target=app.name,
        summary=f"Stop the containers of {app.name} on {app.muscle}, so that nothing writes to its data",
        params=params,
        undo=Undo(
            kind="hosts.start_containers",
            target=app.name,
            summary=f"start the same containers of {app.name} on {app.muscle} again",
            effect=f"{app.name} runs on {app.muscle} again",
            params=params,
        ),
    )


def _copy(move: Move, data: Data, number: int) -> Step:
    app, to = move.app, move.target.muscle
    most = f"{data.most_bytes // 2**20} MiB"
    return Step(
        id=f"copy_{number}",
        kind="hosts.copy_volume",
        target=app.name,
        summary=f"Copy the volume {data.name} ({data.mount}, at most {most}) to {to}, and compare the sums of both",
        params={
            "source": app.muscle,
            "target": to,
            "volume": data.name,
            "copy": result_of(CLONE, f"volume_{number}"),
            "limit_bytes": data.most_bytes,
        },
        undo_words=f"it goes with the copy of {app.name}; the original stays as it is",
    )


def _rollout(move: Move) -> list[Step]:
    hosts = tuple(dict.fromkeys(map(host_of, move.urls)))
    facts = RolloutFacts(muscle=move.target.muscle, url=move.url, production=move.production, hosts=hosts)
    made = rollout.steps(move.app.name, _COPY, facts, first=True, commit=move.commit)
    own = {"undo": None, "undoes": (), "undo_words": f"it goes with the copy of {move.app.name}"}
    return [step.model_copy(update=own) if step.undo else step.model_copy(update={"undoes": ()}) for step in made]


def _proof(move: Move) -> Step:
    return prove_answer(move.app.name, move.target.muscle, move.url)


def prove_answer(name: str, muscle: str, url: str) -> Step:
    """Return the proof that an app answers on its new Muscle."""
    return Step(
        id=ANSWERS,
        kind="hosts.prove_answer",
        target=name,
        summary=f"Prove on {muscle} that its proxy leads {host_of(url)} to the copy, whatever DNS says of the name",
        params={"muscle": muscle, "url": url},
        reads=True,
        undo_words="nothing to undo: it only reads",
    )


def _switch(move: Move) -> Step:
    app, now = move.app, move.application
    pushed = now.is_auto_deploy_enabled is True
    old = placed_as(move.retired, move.parked, pushed=False)
    new = placed_as(app.name, move.urls, pushed=pushed)
    back: JsonObject = {
        "first_app": app.uuid,
        "first": placed_as(app.name, now.domains, pushed=pushed),
        "second_app": _COPY,
        "second": placed_as(_unused(move), move.urls, pushed=False),
    }
    return Step(
        id=SWITCH,
        kind="coolify.switch_domains",
        target=app.name,
        summary=f"Give name and domains of {app.name} to its copy; the old one becomes {move.retired}",
        changes=tuple(Change(name="domain", before=b, after=a) for b, a in zip(now.domains, move.urls, strict=True)),
        params={"first_app": app.uuid, "first": old, "second_app": _COPY, "second": new},
        undo=Undo(
            kind="coolify.switch_domains",
            target=app.name,
            summary=f"give name and domains back to {app.name} on {app.muscle}",
            params=back,
        ),
    )


def _unused(move: Move) -> str:
    return f"{move.app.name}-not-moved-to-{move.target.muscle}"


def placed_as(name: str, domains: Iterable[str], *, pushed: bool) -> JsonObject:
    """Return what an app shall be called, by which URLs it shall be reached, and whether a push deploys it."""
    return {"name": name, "domains": [*domains], "is_auto_deploy_enabled": pushed}


def retire(move: Move) -> Step:
    """Return the step that stops the old app once the new one has its name and domains."""
    app = move.app
    return Step(
        id=RETIRE,
        kind="coolify.stop",
        target=move.retired,
        summary=f"Stop {move.retired} on {app.muscle}; it is kept with its volumes",
        params={"app": app.uuid, "service": False, "muscle": app.muscle},
        undo_words=f"control_app starts {app.uuid} again; its domains are then to be given back (deploy_app)",
    )


def guarded(steps: Iterable[Step]) -> list[Step]:
    """Return the steps such that the failure of each takes back all that was done before it, and itself."""
    found: list[Step] = []
    for step in steps:
        before = [earlier.id for earlier in found if earlier.undo is not None]
        own = [step.id] if step.can_undo_itself else []
        found.append(step.model_copy(update={"undoes": (*before, *own)}))
    return found


def proven_again(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the proofs among the steps once more: what is left elsewhere goes only while the app still serves."""
    again = (step for step in steps if step.id in (rollout.ISOLATED, ANSWERS))
    return tuple(
        step.model_copy(update={"id": f"again_{step.id}", "undoes": (), "summary": f"{step.summary}, once more"})
        for step in again
    )
