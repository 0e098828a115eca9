"""The order in which a server's ports are closed: its own rules on probation, the provider's, the proof, then kept."""

from dataclasses import dataclass

from ink_infra_mcp.areas.ports.host_target import told
from ink_infra_mcp.core.host_firewall.model import HostFirewall, WayIn
from ink_infra_mcp.core.host_firewall.nftables import METADATA
from ink_infra_mcp.core.host_firewall.steps import HostChange, Knock, Try, steps_of
from ink_infra_mcp.core.plan import Step, placed

WINDOW_S = 180
ROBOT_WINDOW_S = 480
"""Robot takes up to three minutes for a change, which lies between the new host rules and their proof."""
MOST_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What is to be changed of a server. `wanted` is None where its own firewall is not to be touched.

    `opened` are the ports that are open beyond policy; `provider` the changes of what stands in front of it; `commands`
    what ufw or firewalld is told, where one of them keeps the rules; `inner` the networks inside the server, in words,
    `untried` those of them that nobody can try for us, and `tries` what has to get through afterwards where it does
    before.
    """

    server: str
    opened: tuple[str, ...]
    provider: tuple[Step, ...]
    wanted: HostFirewall | None
    already: bool
    knocks: tuple[Knock, ...]
    ways: tuple[WayIn, ...]
    commands: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    tries: tuple[Try, ...] = ()

    @property
    def by_robot(self) -> bool:
        """Return whether Robot's firewall is among what changes: it keeps no state, and takes its time."""
        return any(step.kind.startswith("hetzner_robot.") for step in self.provider)

    @property
    def window_s(self) -> int:
        """Return how long the server's own rules are on probation."""
        return ROBOT_WINDOW_S if self.by_robot else WINDOW_S


def closing_steps(change: Closing) -> tuple[Step, ...]:
    """Return the steps: none where everything is so already.

    The provider's changes lie between the new host rules and their proof: what fails takes back all before it. A
    provider's step that fails after it has acted (its change does not come to an end) is taken back itself, too.
    """
    own = _host_steps(change, change.wanted) if change.wanted is not None and not change.already else ()
    if not own and not change.provider:
        return ()
    last = own[-1] if own else _proof(change)
    found: list[Step] = list(own[:-1])
    for step in (*change.provider, last):
        own = (step,) if step.can_undo_itself else ()
        undoes = tuple(earlier.id for earlier in (*found, *own) if earlier.undo)
        found.append(step.model_copy(update={"undoes": undoes}))
    return placed(found, servers=[change.server])


def _host_steps(change: Closing, wanted: HostFirewall) -> tuple[Step, ...]:
    return steps_of(
        HostChange(
            host=change.server,
            firewall=wanted,
            ways=change.ways,
            knocks=change.knocks,
            tries=change.tries,
            window_s=change.window_s,
        ),
        before=_now(change.opened),
        after="; ".join((told(wanted), *change.commands)),
    )


def _proof(change: Closing) -> Step:
    name = change.server
    return Step(
        id="prove",
        kind="hosts.prove_way_in",
        target=name,
        summary=f"Prove that new connections get into {name}",
        params={"host": name, "knocks": [knock.model_dump(mode="json") for knock in change.knocks]},
        reads=True,
        undo_words="nothing is changed by it",
    )


def _now(opened: tuple[str, ...]) -> str:
    return f"open beyond policy: {listed(opened)}" if opened else "nothing is open beyond policy"


def kept_inside(change: Closing) -> tuple[str, ...]:
    """Return in words what is inside the server, stays as it is, and how far that is tried."""
    if not change.inner:
        return ()
    metadata = change.wanted is not None and change.wanted.no_metadata
    but = f" (but for the provider's metadata service, {METADATA})" if metadata else ""
    return (
        f"what comes from the networks inside it, and what that may reach{but}: {', '.join(change.inner)}",
        *(
            (
                "and it is tried before and after from inside each but "
                f"{', '.join(change.untried)}: no container or guest with an address there can make a connect for us",
            )
            if change.untried
            else ("and it is tried before and after from inside each of them",)
        ),
    )


def listed(ports: tuple[str, ...]) -> str:
    """Return ports in words, the first dozen of them."""
    more = f" and {len(ports) - MOST_SHOWN} more" if len(ports) > MOST_SHOWN else ""
    return ", ".join(ports[:MOST_SHOWN]) + more
