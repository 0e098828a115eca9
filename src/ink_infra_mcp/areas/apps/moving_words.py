"""What becomes of the names of an app that moves, and what a person has to know before it does."""

from ink_infra_mcp.areas.apps.app import host_of
from ink_infra_mcp.areas.apps.moving import Move
from ink_infra_mcp.areas.apps.moving_steps import leaves_running
from ink_infra_mcp.areas.apps.named import Known, Named, named
from ink_infra_mcp.areas.apps.pinning import warnings_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.plan import JsonObject, Step


async def names_of(look: Look, move: Move) -> Named:
    """Return the records that follow the app to its new Muscle."""
    known = Known(move.app.name, move.app.uuid, move.target.muscle)
    return await named(look, known, leads=dict.fromkeys(map(host_of, move.urls)))


def most_bytes(move: Move) -> JsonObject:
    """Return how much of each volume is copied at most: measured once, and approved."""
    return {data.name: data.most_bytes for data in move.data}


def blast_radius(move: Move) -> str:
    """Return what users notice of the move."""
    names = ", ".join(move.app.domains)
    if move.data:
        return f"users of {names} get errors from the stop of {move.app.name} until its copy serves them"
    ending = [url for url in move.renamed if not leaves_running(move)]
    return f"{', '.join(ending)} answers no more" if ending else f"users of {names} are served by another server"


def warnings(move: Move, names: Named, steps: tuple[Step, ...]) -> list[str]:
    """Return what a person has to know of it, whatever becomes of the old app afterwards."""
    said = [f"{before} becomes {after}" for before, after in move.renamed.items()]
    said += [*_leading(move, names), *names.notes]
    if move.ran and move.commit and move.ran != move.commit:
        said.append(f"{move.app.name} runs commit {move.ran[:12]}; the copy is built from {move.commit[:12]}")
    if move.data:
        said.append("what fails after the switch is not taken back: the new app may have been written to by then")
    return [*said, *move.notes, *warnings_of(steps, move.present)]


def _leading(move: Move, names: Named) -> list[str]:
    address, kept = move.target.address, {step.target for step in names.leading}
    return [
        f"{name} leads to {address} once its records are set, and later for those who remember the old answer"
        if name in kept
        else f"{name} does not lead to {address}: no user comes to the new app until it does"
        for name in move.astray
    ]
