"""The steps at Robot: install a dedicated server anew, start its rescue system, give it back."""

from collections.abc import Iterable
from datetime import date as Date

from pydantic import JsonValue

from ink_infra_mcp.areas.machines.robot_servers import RobotMachine
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.told_keys import md5_fingerprint

NOW = "now"
_RESETS = ("hw", "sw")
"""The reset button before Ctrl-Alt-Del, which a system may ignore; the others switch off, or send a technician."""


def robot_key_step(public_key: str, name: str, prefix: str = "") -> Step:
    """Return the step that puts a public key into the account; its `fingerprint` is what installations ask for.

    Raises:
        InputError: it is no public key.
    """
    try:
        print_ = md5_fingerprint(public_key)
    except ValueError as error:
        raise InputError("What is given as a public key is none.", next="Give an OpenSSH public key.") from error
    return Step(
        id=f"{prefix}robot_key",
        kind="hetzner_robot.create_ssh_key",
        target=name,
        summary=f"Put the public key {name} into the Robot account",
        after=print_,
        params={"public_key": " ".join(public_key.split()[:2]), "name": name},
        undo=Undo(
            kind="hetzner_robot.delete_ssh_key",
            target=name,
            summary=f"take the public key {name} off the Robot account, if this operation put it there",
            params={"fingerprint": print_, "name": name},
        ),
        undo_words="the key is taken off the account; systems that were made with it keep it",
    )


def robot_key_gone_step(key_step: Step, prefix: str = "") -> Step:
    """Return the step that takes off the account what `robot_key_step` put there, when nothing needs it any more."""
    name = key_step.target
    return Step(
        id=f"{prefix}robot_key_gone",
        kind="hetzner_robot.delete_ssh_key",
        target=name,
        summary=f"Take the public key {name} off the Robot account, if this operation put it there",
        params={"fingerprint": result_of(key_step.id, "fingerprint"), "name": name},
        uses=(key_step.id,),
        undo_words="the key can be put into the account again",
    )


def robot_install_steps(
    machine: RobotMachine,
    dist: str,
    key: JsonValue,
    prefix: str = "",
    *,
    lang: str = "en",
    servers: Iterable[str] = (),
    key_step: str | None = None,
) -> tuple[Step, ...]:
    """Return the steps that wipe a server and install `dist` with one key for root; all that is on it is lost.

    `key` is the MD5 fingerprint of a key of the account, or what stands for it (`result_of`; `key_step` is then the id
    of that step). The last step, `{prefix}host_key`, returns `host_key`: the whole public key that the new system shows
    and Robot has told, to be pinned by the next login.

    Raises:
        InputError: Robot does not offer `dist` or `lang` for it, or cannot reset it without a technician.
    """
    _refuse_unoffered(machine, dist, lang)
    names = tuple(servers)
    common: JsonObject = {"server": str(machine.number), "dist": dist, "key": key}
    arm = _arm(machine, dist, lang, common, prefix, names, (key_step,) if key_step else ())
    reset = _reset(machine, {**common, "boot": "linux"}, f"{prefix}reset", (arm.id,), names).model_copy(
        update={
            "summary": f"Reset {machine.words}: it starts, is wiped, and {dist} is installed on it",
            "before": "what runs there, and all data on its disks",
            "after": f"{dist}, empty, with one key for root",
        }
    )
    booted = _booted(machine, {**common, "boot": "linux"}, prefix, (arm.id, reset.id), names)
    noted = _note(machine, common, prefix, booted.id, names)
    return arm, reset, booted, noted, _shown(machine, prefix, noted.id, names)


def _arm(
    machine: RobotMachine,
    dist: str,
    lang: str,
    common: JsonObject,
    prefix: str,
    servers: tuple[str, ...],
    uses: tuple[str, ...],
) -> Step:
    return Step(
        id=f"{prefix}install",
        kind="hetzner_robot.install_system",
        target=machine.name or str(machine.number),
        summary=f"Let the next start of {machine.words} WIPE ALL ITS DISKS and install {dist}",
        servers=servers,
        before="boots what is installed",
        after=f"is wiped and gets {dist} at its next start, whoever causes it",
        params={**common, "lang": lang},
        uses=uses,
        undo=Undo(
            kind="hetzner_robot.withdraw_install",
            target=machine.name or str(machine.number),
            summary=f"let {machine.words} boot what is installed",
            effect="nothing was wiped as long as it was not reset",
            params=common,
        ),
        undo_words="as long as it was not reset; then all that was on it is lost",
        undoes=(f"{prefix}install",),
    )


def _reset(
    machine: RobotMachine, params: JsonObject, id_: str, uses: tuple[str, ...], servers: tuple[str, ...]
) -> Step:
    return Step(
        id=id_,
        kind="hetzner_robot.reset_server",
        target=machine.name or str(machine.number),
        summary=f"Reset {machine.words}: what runs there is cut off",
        servers=servers,
        params={**params, "type": _reset_of(machine)},
        uses=uses,
        undoes=uses,
    )


def _booted(
    machine: RobotMachine, params: JsonObject, prefix: str, uses: tuple[str, str], servers: tuple[str, ...]
) -> Step:
    return Step(
        id=f"{prefix}booted",
        kind="hetzner_robot.await_boot",
        target=machine.name or str(machine.number),
        summary=f"Wait until {machine.words} has booted that",
        servers=servers,
        reads=True,
        params=params,
        uses=uses,
        undo_words="it only reads",
        undoes=uses[:1],
    )


def _reset_of(machine: RobotMachine) -> str:
    found = next((kind for kind in _RESETS if kind in machine.resets), None)
    if found is None:
        raise InputError(
            f"Robot cannot reset {machine.words} without a technician.",
            next="Let it be restarted by hand, or use another server.",
        )
    return found


def _note(machine: RobotMachine, common: JsonObject, prefix: str, after: str, servers: tuple[str, ...]) -> Step:
    return Step(
        id=f"{prefix}host_keys",
        kind="hetzner_robot.note_host_keys",
        target=machine.name or str(machine.number),
        summary=f"Wait until {machine.words} is installed and Robot tells its host keys",
        servers=servers,
        reads=True,
        params=common,
        uses=(after,),
        undo_words="it only reads",
    )


def _shown(machine: RobotMachine, prefix: str, after: str, servers: tuple[str, ...]) -> Step:
    return Step(
        id=f"{prefix}host_key",
        kind="hosts.note_told_host_key",
        target=machine.name or str(machine.number),
        summary=f"Wait until {machine.words} is up and shows one of those host keys",
        servers=servers,
        reads=True,
        params={"address": machine.address, "host_keys": result_of(after, "host_keys")},
        uses=(after,),
        undo_words="it only reads",
    )


def _refuse_unoffered(machine: RobotMachine, dist: str, lang: str) -> None:
    """While an installation is set, Robot tells that one in place of what it offers: nothing else can be asked for."""
    if machine.armed_system:
        if dist != machine.armed_system:
            raise InputError(
                f"The next start of {machine.words} installs {machine.armed_system}, not {dist}.",
                next="Deactivate that installation in Robot first.",
            )
        return
    for what, given, known in (("system", dist, machine.dists), ("language", lang, machine.languages)):
        if given not in known:
            raise InputError(
                f"Robot does not offer the {what} {given!r} for {machine.words}.",
                next=f"It offers {', '.join(known) or 'none'}.",
            )


def cancel_steps(
    machine: RobotMachine, date: str, prefix: str = "", *, servers: Iterable[str] = ()
) -> tuple[Step, ...]:
    """Return the step that gives a server back to Hetzner on that day (YYYY-MM-DD), or at once with `now`.

    None where it is cancelled to that day already. The machine is one that was looked up to leave.

    Raises:
        InputError: that is no day, or too early, or it is cancelled to another one.
    """
    at_once = date == NOW
    if not at_once:
        _refuse_no_day(date)
    if machine.cancelled_to == date:
        return ()
    _refuse_other_day(machine, date)
    when = "at once" if at_once else f"on {date}"
    undo = Undo(
        kind="hetzner_robot.withdraw_cancellation",
        target=machine.name or str(machine.number),
        summary=f"withdraw the cancellation of {machine.words}",
        effect="the server stays and costs its monthly price",
        params={"server": str(machine.number)},
    )
    return (
        Step(
            id=f"{prefix}cancel",
            kind="hetzner_robot.cancel_server",
            target=machine.name or str(machine.number),
            summary=f"Give {machine.words} back to Hetzner {when}, with all that is on its disks and its addresses",
            servers=tuple(servers),
            before="rented",
            after=f"ends {when}; its place is not kept",
            params={"server": str(machine.number), "date": date},
            undo=None if at_once else undo,
            undo_words="cannot be undone" if at_once else f"the cancellation can be withdrawn before {date}",
        ),
    )


def _refuse_other_day(machine: RobotMachine, date: str) -> None:
    if machine.cancelled_to is not None:
        raise InputError(
            f"{machine.words} is cancelled to {machine.cancelled_to} already.",
            next="Withdraw that in Robot first, if another day is wanted.",
        )
    if date != NOW and machine.cancellable_from and date < machine.cancellable_from:
        raise InputError(
            f"{machine.words} can be cancelled from {machine.cancellable_from} on.",
            next="Give that day, or a later one.",
        )


def _refuse_no_day(date: str) -> None:
    try:
        if Date.fromisoformat(date).isoformat() == date:
            return
    except ValueError:
        pass
    raise InputError(f"{date[:40]!r} is no day.", next="Give it as YYYY-MM-DD, or now.")
