"""The steps by which a new server becomes one that only keys open, each with its undo."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field, JsonValue

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.login.drop_in import said_otherwise
from ink_infra_mcp.core.login.judging import Judgement
from ink_infra_mcp.core.login.policy import SshdPolicy
from ink_infra_mcp.core.login.sshd import DROP_IN, MAIN
from ink_infra_mcp.core.plan import Change, Frozen, JsonObject, Step, Undo
from ink_infra_mcp.core.step import result_of

WINDOW_S, LEAST_WINDOW_S, MOST_WINDOW_S = 120, 15, 1800
READY_WITHIN_S = 900
_SHOWN_CHARACTERS = 60
Option = Annotated[str, Field(pattern=r"^(restrict|pty|port-forwarding|agent-forwarding|no-user-rc)$")]


class KeyWanted(Frozen):
    """A public key for a user of a server. `marker` names it there; with `sources` it lets in from those alone.

    `public_key` may stand for what an earlier step returns (`core.step.result_of`).
    """

    public_key: str | JsonObject
    marker: Annotated[str, Field(pattern=r"^ink-[a-z0-9-]{1,60}$")]
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")] = "root"
    sources: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    prove: bool = False
    """Whether it is our own key, with which a new login is tried afterwards."""


def await_ready(host: str, newcomer: JsonObject | None = None, *, within_s: int = READY_WITHIN_S) -> Step:
    """Return the step that waits until a server lets us in and its first boot is over."""
    return Step(
        id=f"{_prefix(host)}_ready",
        kind="hosts.await_ready",
        target=host,
        summary=f"Wait until {_reached(host, newcomer)} and its first boot is over",
        reads=True,
        params=_of(host, newcomer, {"within_s": within_s}),
    )


def admit_key(host: str, key: KeyWanted, newcomer: JsonObject | None = None, *, of: str = "our key") -> Step:
    """Return the step that lets a key in, with the undo that takes exactly that line away again.

    Raises:
        InputError: a source is no address or network.
    """
    sources: list[JsonValue] = [*_networks(key.sources)]
    step = f"{_prefix(host)}_admit_{key.marker.removeprefix('ink-').replace('-', '_')}"
    where = f" from {', '.join(key.sources)} only" if sources else ""
    about: JsonObject = {"user": key.user, "marker": key.marker}
    params: JsonObject = {
        **about,
        "public_key": key.public_key,
        "sources": sources,
        "options": [*key.options],
        "prove": key.prove,
    }
    return Step(
        id=step,
        kind="hosts.admit_key",
        target=host,
        summary=f"Let {of} log in to {host} as {key.user}{where}",
        params=_of(host, newcomer, params),
        undo=Undo(
            kind="hosts.remove_key",
            target=host,
            summary=f"take {of} out of the keys of {key.user} on {host}",
            params=_of(host, newcomer, about),
        ),
    )


def rotate_host_keys(host: str, newcomer: JsonObject | None = None) -> tuple[Step, Step]:
    """Return the two steps: keys are made on the server, and put in place of those that were made for its creation.

    What both return as `host_key` is what later steps trust (`result_of(rotate.id, "host_key")`). It is recorded before
    the server shows it: whatever breaks in between, one of two known keys is the server's.
    """
    made, rotated = f"{_prefix(host)}_make_host_keys", f"{_prefix(host)}_rotate_host_keys"
    make = Step(
        id=made,
        kind="hosts.make_host_keys",
        target=host,
        summary=f"Make new host keys on {host}, beside those in use",
        params=_of(host, newcomer, {}),
    )
    rotate = Step(
        id=rotated,
        kind="hosts.rotate_host_keys",
        target=host,
        summary=f"Put the new host keys of {host} in place of the earlier ones, and prove a new login with them",
        params=_of(host, newcomer, {"change": result_of(made, "change"), "host_key": result_of(made, "host_key")}),
        uses=(made,),
        undo_words="the earlier host keys were made for the creation, and are not put back",
    )
    return make, rotate


def harden_sshd(
    judgement: Judgement, policy: SshdPolicy, newcomer: JsonObject | None = None, *, window_s: int = WINDOW_S
) -> tuple[Step, ...]:
    """Return the step that sets what differs; none where nothing does. `newcomer` is given once it trusts the new key.

    Raises:
        InputError: something has to be settled by a person first.
    """
    host = judgement.host
    if judgement.refusals:
        raise InputError(
            f"sshd of {host} cannot be hardened as it is: {'; '.join(judgement.refusals)}.",
            next="Settle it on the server, then call again.",
        )
    if not judgement.changes:
        return ()
    return (_harden(judgement, said_otherwise(policy, judgement.wanted), newcomer, window_s),)


def harden_new_sshd(host: str, policy: SshdPolicy, newcomer: JsonObject | None = None) -> Step:
    """Return the step for a server that nobody can look at yet: it is judged by the same policy when the step runs."""
    params: JsonObject = {"policy": policy.model_dump(mode="json"), "window_s": WINDOW_S}
    step = _hardening(host, f"{_prefix(host)}_harden_sshd", newcomer, params)
    return step.model_copy(update={"changes": tuple(Change(name=name, after=text) for name, text in _texts(policy))})


def _harden(judgement: Judgement, said: Mapping[str, str], newcomer: JsonObject | None, window_s: int) -> Step:
    host = judgement.host
    params: JsonObject = {
        "settings": {**judgement.wanted},
        "said": {**said},
        "first_line": judgement.first_line,
        "window_s": window_s,
    }
    step = _hardening(host, f"{_prefix(host)}_harden_sshd", newcomer, params)
    files = f"{DROP_IN} and the first line of {MAIN}" if judgement.first_line else DROP_IN
    return step.model_copy(
        update={
            "summary": f"{step.summary}, in {files}",
            "changes": judgement.changes,
            "before": _shown([f"{change.name} {change.before}" for change in judgement.changes]),
            "after": _shown([f"{change.name} {change.after}" for change in judgement.changes]),
        }
    )


def _hardening(host: str, step: str, newcomer: JsonObject | None, params: JsonObject) -> Step:
    return Step(
        id=step,
        kind="hosts.harden_sshd",
        target=host,
        summary=f"Let only keys log in to {host}, on probation until a new login is proved",
        params=_of(host, newcomer, params),
        undo=Undo(
            kind="hosts.restore_sshd",
            target=host,
            summary=f"put the settings of sshd of {host} back as they were",
            params=_of(host, newcomer, {}),
        ),
        undoes=(step,),
    )


def _reached(host: str, newcomer: JsonObject | None) -> str:
    """Return how a server is reached and known, in words, all of it: no later step says it again. What an earlier step
    returns is not known yet.
    """
    if newcomer is None:
        return f"{host} answers over SSH with its pinned host key"
    given = newcomer.get("address")
    where = f" at {given}" if isinstance(given, str) else ""
    login = f"{newcomer.get('user', 'root')}{where}, port {newcomer.get('port', 22)}"
    words = {"by way of": newcomer.get("bastion"), "by the password": newcomer.get("password")}
    ways = "".join(f", {word} {name}" for word, name in words.items() if name)
    return f"{host} answers over SSH to {login}{ways}, with {_host_key(newcomer.get('host_key'))}"


def _host_key(given: JsonValue) -> str:
    """A list is in order of preference."""
    keys = given if isinstance(given, list) else [given]
    said = (key.replace("\n", " or ") if isinstance(key, str) else "that was made for it" for key in keys)
    return f"the host key {' or '.join(said)}"


def _texts(policy: SshdPolicy) -> Iterator[tuple[str, str]]:
    yield from ((name, rule.value) for name, rule in policy.words.items())
    yield from ((name, f"at most {rule.at_most}") for name, rule in policy.limits.items())
    yield from ((name, ", ".join(rule.value)) for name, rule in policy.algorithms.items())


def _of(host: str, newcomer: JsonObject | None, params: JsonObject) -> JsonObject:
    return {"host": host, **({"newcomer": newcomer} if newcomer else {}), **params}


def _prefix(host: str) -> str:
    name = host.replace("-", "_")
    return name if name[:1].isalpha() else f"s_{name}"


def _networks(sources: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(source)) for source in sources)
    except ValueError as error:
        raise InputError(
            f"A key cannot be limited to {', '.join(sources)[:200]}: {error}.", next="Give addresses or networks."
        ) from None


def _shown(lines: Sequence[str]) -> str:
    return "\n".join(line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…" for line in lines)
