"""The steps of a plan that change one server's own firewall, with the undo that each failure runs."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, JsonValue

from ink_infra_mcp.core.fleet import Address, Port
from ink_infra_mcp.core.host_firewall.model import HostFirewall, WayIn
from ink_infra_mcp.core.plan import Frozen, JsonObject, Step, Undo
from ink_infra_mcp.core.step import result_of

LEAST_WINDOW_S, WINDOW_S, MOST_WINDOW_S = 15, 120, 1800


class Knock(Frozen):
    """A TCP connect that has to succeed before a firewall is kept, made on the server `of`."""

    of: str
    address: Address
    port: Port


HERE = "this machine"
"""In place of a server's name: where this process runs."""


class Try(Frozen):
    """A TCP connect that is tried before a change and after it: one that got through must get through again.

    It is made here or on the server `of`, there from inside the `network` that a link of this name leads to, if any.
    """

    of: str
    address: Address
    port: Port
    network: str = ""

    def __str__(self) -> str:
        where = f"{self.network} of {self.of}" if self.network else self.of
        return f"{where} to {self.address} port {self.port}"


class HostChange(Frozen):
    """A change of one server's firewall. `ways` must stay open in the new one; `knocks` prove it before it is kept.

    Of `tries` those that get through before have to get through with the new firewall, or it is taken back.

    `window_s` is how long the server waits for the proof before it puts the old firewall back by itself.
    """

    host: str
    firewall: HostFirewall
    ways: tuple[WayIn, ...] = ()
    knocks: tuple[Knock, ...] = ()
    tries: tuple[Try, ...] = ()
    window_s: Annotated[int, Field(ge=LEAST_WINDOW_S, le=MOST_WINDOW_S)] = WINDOW_S


def steps_of(change: HostChange, *, before: str, after: str) -> tuple[Step, Step, Step]:
    """Return the three steps: save, set on probation, keep once it is proved. `before` and `after` are for people."""
    host = change.host
    prefix = host.replace("-", "_")
    saved = f"{prefix}_save"
    given: JsonObject = {"host": host, "change": result_of(saved, "change"), "window_s": change.window_s}
    wanted: JsonObject = {**given, "firewall": change.firewall.model_dump(mode="json")}
    save = Step(
        id=saved,
        kind="hosts.save_firewall",
        target=host,
        summary=f"Keep on {host} what putting its firewall back takes",
        params={"host": host, "manager": change.firewall.manager, "tries": _dumped(change.tries)},
        undo=Undo(
            kind="hosts.revert_firewall",
            target=host,
            summary=f"put the firewall of {host} back as it was",
            params={**given, "before": result_of(saved, "before")},
        ),
    )
    put = Step(
        id=f"{prefix}_set",
        kind="hosts.set_firewall",
        target=host,
        summary=f"Load the new firewall of {host} for {change.window_s} s, after which it reverts by itself",
        before=before,
        after=after,
        params={**wanted, "ways": _dumped(change.ways)},
        uses=(saved,),
        undo_words=f"the undo of {saved}",
        undoes=(saved,),
    )
    keep = Step(
        id=f"{prefix}_keep",
        kind="hosts.keep_firewall",
        target=host,
        summary=f"Prove that new connections get into {host}, and that no way out or in was lost; then keep its "
        "firewall over reboots",
        params={**wanted, "knocks": _dumped(change.knocks), "met": result_of(saved, "met")},
        uses=(saved, put.id),
        undo_words=f"the undo of {saved}",
        undoes=(saved,),
    )
    return save, put, keep


def _dumped(values: Sequence[WayIn] | Sequence[Knock] | Sequence[Try]) -> list[JsonValue]:
    return [value.model_dump(mode="json") for value in values]
