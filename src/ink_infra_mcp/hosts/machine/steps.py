"""The step handlers that change what a server is made of, and those that give back what was there before.

Each is one move of a script that looks first, keeps what is there, acts only where something differs, and looks again.
An earlier state lies on the server under the operation's id and the step's `part`, so that an undo needs no result.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.baseline import daemon
from ink_infra_mcp.core.baseline.engines import explained
from ink_infra_mcp.core.baseline.files import FileWanted, RepositoryWanted
from ink_infra_mcp.core.baseline.machine import Machine
from ink_infra_mcp.core.baseline.policy import Baseline
from ink_infra_mcp.core.baseline.repositories import in_the_way
from ink_infra_mcp.core.baseline.sources import PLACE
from ink_infra_mcp.core.errors import NOTHING_DONE, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.hosts.machine import changes
from ink_infra_mcp.hosts.machine.changes import STAGE, Change, Facts, in_base64
from ink_infra_mcp.hosts.machine.reading import read_machine
from ink_infra_mcp.ssh.pool import HostPool

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,100}")
_ASKED = re.compile(rf"{_PACKAGE.pattern}(=[A-Za-z0-9.+:~-]{{1,100}})?")
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,100}")
_SETTING = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,120}")
_LINE = re.compile(r"[^\x00-\x1f\x7f\"\\]{0,200}")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,250}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")


@dataclass(frozen=True, slots=True)
class MachineSteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {
            "hosts.finish_packages": self.finish_packages,
            "hosts.install_packages": self.install_packages,
            "hosts.remove_packages": self.remove_packages,
            "hosts.restore_packages": self.restore,
            "hosts.install_docker": self.install_held,
            "hosts.install_runsc": self.install_held,
            "hosts.add_repository": self.add_repository,
            "hosts.set_files": self.set_files,
            "hosts.restore_files": self.restore,
            "hosts.enable_units": self.enable_units,
            "hosts.restore_units": self.restore,
            "hosts.set_swap": self.set_swap,
            "hosts.remove_swap": self.restore,
            "hosts.set_docker_daemon": self.set_docker_daemon,
            "hosts.prove_gvisor": self.prove_gvisor,
            "hosts.restore_machine": self.restore_machine,
        }

    async def finish_packages(self, call: StepCall) -> JsonObject:
        """Go on with what dpkg was interrupted at; whoever else installs something is waited for.

        Raises:
            StepFailed: something is still half installed.
            HostError: the server cannot be reached, which every handler here may raise.
        """
        await self._move(call, "finish")
        return {"host": call.text("host")}

    async def install_packages(self, call: StepCall) -> JsonObject:
        """Install the list `packages`, each NAME or NAME=VERSION; no package that is there is removed for them.

        Raises:
            StepFailed: one of them is not wholly installed afterwards.
        """
        return _versions(await self._move(call, "install", ("free", *_packages(call))))

    async def install_held(self, call: StepCall) -> JsonObject:
        """Install the list `packages`, each NAME or NAME=VERSION, and hold them there.

        Raises:
            StepFailed: one of them is not installed in its version afterwards.
        """
        return _versions(await self._move(call, "install", ("hold", *_packages(call))))

    async def remove_packages(self, call: StepCall) -> JsonObject:
        """Take the packages of the list `packages` away; what they keep below /var/lib stays.

        Raises:
            StepFailed: one of them is still there.
        """
        names = tuple(_word(_PACKAGE, name) for name in items(call.params["packages"]))
        facts = await self._move(call, "remove", names)
        removed: list[JsonValue] = [rest for first, rest in facts if first == "removed"]
        return {"removed": removed}

    async def add_repository(self, call: StepCall) -> JsonObject:
        """Let apt take packages from a repository, after its key was found to be the one of `fingerprint`.

        Files of others that name the same address and no other (`replaces`) are put aside, as they are now. A
        repository that apt does not read is taken out again.

        Raises:
            StepFailed: the key is another one, apt does not take it, or a file that is to go names other archives.
        """
        own = {name: value for name, value in call.params.items() if name in RepositoryWanted.model_fields}
        wanted = RepositoryWanted.model_validate(own)
        replaces = tuple(_word(PLACE, file) for file in wanted.replaces)
        seen = await read_machine(self.pool, call.text("host"), Baseline())
        _refuse_loss(seen, wanted)
        words = (_word(_NAME, wanted.name), wanted.key, wanted.fingerprint, *replaces)
        facts = await self._move(call, "repository", words, wanted.text)
        return {"fingerprint": _one(facts, "fingerprint"), "repository": wanted.uri}

    async def set_files(self, call: StepCall) -> JsonObject:
        """Write `settings` into the file at `path`, and have it read anew by `reload`: sysctl, journald, apt or none.

        Raises:
            StepFailed: one is not in force afterwards; then the file is as it was.
        """
        given = table(call.params["settings"])
        settings = {_word(_SETTING, name): _word(_LINE, value) for name, value in given.items()}
        file = FileWanted(part="packages", path=call.text("path"), settings=settings)
        line = f"{file.path} {file.digest} {in_base64(file.text)}\n"
        facts = await self._move(call, "files", (call.text("reload"),), line)
        if _one(facts, "file") != f"{file.path} {file.digest}":
            raise _otherwise(call, "the settings")
        return {"path": file.path, "digest": file.digest}

    async def enable_units(self, call: StepCall) -> JsonObject:
        """Start the list `units`, now and at each boot.

        Raises:
            StepFailed: one does not run.
        """
        names = tuple(_word(_UNIT, name) for name in items(call.params["units"]))
        facts = await self._move(call, "units", names)
        running: list[JsonValue] = [rest.split(" ")[0] for first, rest in facts if first == "unit"]
        return {"units": running}

    async def set_swap(self, call: StepCall) -> JsonObject:
        """Make a swap file of `mib` MiB and use it, also after a boot; nothing where ours is in use already.

        Raises:
            StepFailed: the disk has no room for it, or the system does not take it.
        """
        size = call.params["mib"]
        if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
            raise TypeError(f"step {call.step_id}: mib is no size")
        return {"swap": _one(await self._move(call, "swap", (str(size),)), "swap")}

    async def set_docker_daemon(self, call: StepCall) -> JsonObject:
        """Merge `settings` into Docker's own and restart it; dockerd checks them first, and others' words stay.

        Containers that ran before run again, or the settings from before are back.

        Raises:
            StepFailed: others wrote otherwise, dockerd does not take them, or something does not run again.
        """
        host = call.text("host")
        seen = await read_machine(self.pool, host, Baseline())
        merged = daemon.merged(_settings(seen), table(call.params["settings"]))
        if merged.conflicts:
            raise StepFailed(
                f"/etc/docker/daemon.json of {host}: {'; '.join(merged.conflicts)}.",
                done=NOTHING_DONE,
                next="Change one of them, then call again.",
                stage=STAGE,
            )
        text = merged.text if merged.changes else _settings(seen)
        facts = await self._move(call, "daemon", (_digest(seen),), f"{in_base64(text)}\n")
        after = await read_machine(self.pool, host, Baseline())
        if daemon.merged(_settings(after), table(call.params["settings"])).changes or after.engine is None:
            raise _otherwise(call, "Docker's settings")
        return {"digest": _one(facts, "daemon"), "runtimes": [*after.engine.runtimes], "docker": after.engine.version}

    async def prove_gvisor(self, call: StepCall) -> JsonObject:
        """Run a container of `image` under gVisor with a network of its own, and see that its kernel is gVisor's.

        Raises:
            StepFailed: it does not start, or the kernel is the server's.
        """
        try:
            facts = await self._move(call, "prove", (_word(_IMAGE, call.given("image")),))
        except StepFailed as error:
            if why := explained(error.failed):
                raise StepFailed(error.failed, done=error.done, next=why, stage=STAGE, probable_cause=why) from error
            raise
        return {"kernel": _one(facts, "kernel"), "runsc": _one(facts, "runsc")}

    async def restore(self, call: StepCall) -> JsonObject:
        """Give back what was kept under the operation and `part`; nothing where nothing was kept.

        `operation` names another one than this, whose changes are taken back later.

        Raises:
            StepFailed: not all of it could be given back.
        """
        return _restored(await self._move(call, "restore"))

    async def restore_machine(self, call: StepCall) -> JsonObject:
        """Give back all that was ever kept on the server, the newest first.

        Raises:
            StepFailed: not all of it could be given back.
        """
        return _restored(await self._move(call, "restore-all"))

    async def _move(self, call: StepCall, verb: str, words: tuple[str, ...] = (), data: str = "") -> Facts:
        operation = str(call.params.get("operation") or call.operation_id)
        it = Change(call.text("host"), operation, str(call.params.get("part", "all")))
        return await changes.change(self.pool, it, verb, words, permit=call.permit, data=data)


def _packages(call: StepCall) -> tuple[str, ...]:
    return tuple(_word(_ASKED, one) for one in items(call.params["packages"]))


def _word(shape: re.Pattern[str], value: JsonValue) -> str:
    """Every word of a plan has the shape of what it names, so that no program takes it for something else."""
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise TypeError(f"{value!r} is not {shape.pattern}")
    return value


def _versions(facts: Facts) -> JsonObject:
    parted = (rest.partition(" ") for first, rest in facts if first == "package")
    return {"packages": {name: version for name, _, version in parted}}


def _refuse_loss(seen: Machine, wanted: RepositoryWanted) -> None:
    """The files may have been changed since they were judged."""
    why = next(in_the_way(seen, wanted), "")
    if seen.sources is None:
        why = f"the sources of apt are not known: {seen.unknown.get('sources', 'they were not read')}"
    if why:
        raise StepFailed(
            f"{seen.host} did not take the repository: {why}.",
            done=NOTHING_DONE,
            next="Mend that there, then call again.",
            stage=STAGE,
        )


def _restored(facts: Facts) -> JsonObject:
    restored: list[JsonValue] = [rest for first, rest in facts if first == "restored" and rest != "nothing"]
    return {"restored": restored}


def _one(facts: Facts, name: str) -> str:
    found: Mapping[str, str] = dict(facts)
    return found[name]


def _settings(machine: Machine) -> str:
    if machine.daemon is None:
        raise StepFailed(
            f"/etc/docker/daemon.json of {machine.host} cannot be read: {machine.unknown.get('daemon', 'not known')}.",
            done=NOTHING_DONE,
            next="Call again.",
            stage=STAGE,
        )
    return machine.daemon


def _digest(machine: Machine) -> str:
    return (machine.files or {}).get("/etc/docker/daemon.json", "none")


def _otherwise(call: StepCall, what: str) -> StepFailed:
    return StepFailed(
        f"{what[:1].upper()}{what[1:]} on {call.text('host')} are not as they were written a moment ago.",
        done="They were written, and what was there before is kept on the server.",
        next="Somebody else may change them: look there, then call again.",
        stage=STAGE,
    )
