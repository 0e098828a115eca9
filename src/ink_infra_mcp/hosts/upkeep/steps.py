"""The step handlers of a reboot: note what runs, reboot once, and wait until all of it is back as it was."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue, TypeAdapter

from ink_infra_mcp.core.errors import (
    NOTHING_DONE,
    CommandFailed,
    HostError,
    HostKeyChanged,
    HostLoginRefused,
    HostUnreachable,
    InkError,
    StepFailed,
)
from ink_infra_mcp.core.fleet import Provider
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather
from ink_infra_mcp.hosts.upkeep import boots
from ink_infra_mcp.hosts.upkeep.boots import Boots, PackagesBusy
from ink_infra_mcp.hosts.upkeep.running import (
    ANSWERED,
    NOTE,
    Note,
    Page,
    has_docker,
    left_down,
    not_back,
    page_of,
    running,
    worse,
)
from ink_infra_mcp.hosts.upkeep.turns import await_turn
from ink_infra_mcp.hosts.upkeep.upkeep_facts import gather_upkeep
from ink_infra_mcp.hosts.web.visiting import visit_from
from ink_infra_mcp.ssh.pool import HostPool

BACK_WITHIN_S = 900.0
"""A dedicated server with much memory tests it for some minutes before it boots."""
APPS_WITHIN_S = 600.0
AREAS = ("docker", "containers")
CONSOLES: Mapping[Provider, str] = {
    "hetzner_cloud": "Open its console in Hetzner's Cloud Console, and there Power > Reset, or Rescue",
    "hetzner_robot": "In Robot order a hardware reset, a KVM console or the rescue system for it",
    "other": "Open its console at its provider, and reset it or boot its rescue system there",
}
_URLS = TypeAdapter(tuple[str, ...])
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class UpkeepSteps:
    """Binds the handlers to the hosts; containers have to stay up for `settle_s` seconds before they count as back."""

    pool: HostPool
    settle_s: float

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {
            "hosts.note_running": self.note_running,
            "hosts.reboot": self.reboot,
            "hosts.await_apps": self.await_apps,
            "hosts.await_turn": self.await_turn,
        }

    async def await_turn(self, call: StepCall) -> JsonObject:
        """Wait for the turn of a server; see `turns.await_turn`."""
        return await await_turn(call)

    async def note_running(self, call: StepCall) -> JsonObject:
        """Return what runs on `host` now, and what `urls` give there at `address`; the next steps get it as `note`.

        Raises:
            StepFailed: Docker or the kernel does not say: nobody could tell afterwards whether all is back.
            HostError: the server cannot be reached.
        """
        host = call.text("host")
        boot_id = (await gather_upkeep(self.pool, host)).boot_id
        facts = await gather(self.pool, host, areas=AREAS)
        there = has_docker(facts)
        if boot_id is None or (there and (facts.containers is None or facts.docker_runtimes is None)):
            raise _silent(host, facts)
        note = Note(
            boot_id=boot_id,
            has_docker=there,
            runtimes=facts.docker_runtimes or (),
            containers=running(facts.containers or ()),
            pages=await self._pages(call, {url: "good" for url in _URLS.validate_python(call.params["urls"])}),
        )
        return {"note": NOTE.dump_json(note).decode(), "boot_id": boot_id, "containers": len(note.containers)}

    async def reboot(self, call: StepCall) -> JsonObject:
        """Reboot `host` once, and wait until it answers in another boot; run again, it goes on waiting.

        With `only_if_required` it is left in its boot where no update waits for another one. The server keeps under the
        name of this step which boot it is to end: so nobody ends a second one.

        Raises:
            StepFailed: it does not reboot, or does not come back in a quarter of an hour.
            HostKeyChanged: what came back is another system, such as a rescue system.
        """
        host = call.text("host")
        if call.params.get("only_if_required") and (boot := await self._content_with(call, host)):
            return {"before": boot, "boot_id": boot, "needed": False}
        asking = _Reboot(self.pool, call, host, CONSOLES[self.pool.hosts[host].provider])
        found = await until(call, asking.once, within_s=BACK_WITHIN_S)
        return {"before": found.before, "boot_id": found.now, "needed": True}

    async def _content_with(self, call: StepCall, host: str) -> str:
        """Return the boot that a server can stay in, or an empty text where it needs another, or was told to reboot."""
        try:
            facts = await gather_upkeep(self.pool, host)
            told = await boots.look(self.pool, host, f"{call.operation_id}-{call.step_id}")
        except HostUnreachable:
            # it may be away because an earlier run of this step told it to reboot
            return ""
        return facts.boot_id or "" if facts.reboot_required == () and not told.before else ""

    async def await_apps(self, call: StepCall) -> JsonObject:
        """Wait until all that `note` has of `host` is back: Docker, its runtimes, each container, each good page.

        Raises:
            StepFailed: something of it is not, or does not stay up.
            HostError: the server cannot be reached for all of that time.
        """
        host, note = call.text("host"), NOTE.validate_json(call.given("note"))
        first = await until(call, lambda: self._back(call, host, note), within_s=APPS_WITHIN_S)
        call.say(f"waiting {self.settle_s:g} s whether all of it stays up on {host}")
        await call.clock.sleep(self.settle_s)
        facts = await until(call, lambda: self._back(call, host, note), within_s=APPS_WITHIN_S / 10)
        if fell := _fell(first.containers or (), facts.containers or ()):
            raise _unsettled(host, fell)
        return {
            "ended_at": call.clock.now().isoformat(),
            "containers": len(note.containers),
            "left_down": list[JsonValue](left_down(note, facts.containers or ())),
            "did_not_answer": [url for url, page in note.pages.items() if page not in ANSWERED],
        }

    async def _back(self, call: StepCall, host: str, note: Note) -> HostFacts | NotYet:
        try:
            facts = await gather(self.pool, host, areas=AREAS)
            missing = not_back(note, facts)
            lost = () if missing else worse(note.pages, await self._pages(call, note.pages))
        except HostError as error:
            if not _may_pass(error):
                raise
            return NotYet(f"waiting for {host} to answer", error)
        wrong = (*missing, *(f"{url} does not answer as before" for url in lost))
        return NotYet(f"waiting on {host}: {wrong[0]}", _not_as_before(host, wrong)) if wrong else facts

    async def _pages(self, call: StepCall, before: Mapping[str, Page]) -> dict[str, Page]:
        """Visit from the server itself what answered: whatever stands between it and visitors, it is the same twice.

        Where it cannot tell, for it has no curl, that is not known; what did not answer before is not visited again.
        """
        host, address = call.text("host"), call.text("address")
        found: dict[str, Page] = {}
        for url, page in before.items():
            if page in ANSWERED:
                try:
                    found[url] = page_of(await visit_from(self.pool, host, url, address=address))
                except (CommandFailed, ValueError):
                    found[url] = "unknown"
        return found


@dataclass(slots=True)
class _Reboot:
    pool: HostPool
    call: StepCall
    host: str
    console: str
    asked: bool = field(default=False)
    """Whether the server may have been told: once it was asked, only a look can say that it was not."""

    async def once(self) -> Boots | NotYet:
        """Look, ask where nobody has, and say whether the server is in another boot."""
        try:
            found = await boots.look(self.pool, self.host, self._name)
            self.asked = self.asked or bool(found.before)
            if not found.rebooted:
                found = await self._told()
        except PackagesBusy as error:
            return NotYet(f"waiting until packages are installed on {self.host}", error)
        except HostError as error:
            if not _may_pass(error) and not (self.asked and isinstance(error, HostLoginRefused)):
                raise self._as_known(error) from error
            return NotYet(f"waiting for {self.host} to answer", self._away(error))
        return found if found.rebooted else NotYet(f"{self.host} shuts down", self._still_up())

    async def _told(self) -> Boots:
        """To ask in one boot twice ends it once."""
        self.asked = True
        return await boots.ask(self.pool, self.host, self._name, permit=self.call.permit)

    @property
    def _name(self) -> str:
        return f"{self.call.operation_id}-{self.call.step_id}"

    def _as_known(self, error: HostError) -> InkError:
        if not (self.asked and isinstance(error, HostKeyChanged)):
            return error
        return HostKeyChanged(
            f"{self.host} came back with another host key: it may be in a rescue system.",
            host=self.host,
            done="It was told to reboot.",
            next=f"{self.console}; its own system has to boot from its disk.",
        )

    def _away(self, error: HostError) -> StepFailed:
        if not self.asked:
            return StepFailed(
                f"{self.host} could not be reached to reboot it: {error.failed}",
                done=NOTHING_DONE,
                next=f"{self.console}.",
                stage=boots.STAGE,
            )
        return StepFailed(
            f"{self.host} did not come back within {BACK_WITHIN_S / 60:.0f} minutes: {error.failed}",
            done="It was told to reboot; what runs on it is away until it does.",
            next=f"{self.console}; then look at it with check_fleet.",
            stage=boots.STAGE,
            probable_cause="it hangs in its firmware or while it boots, or its firewall or network is not as before",
        )

    def _still_up(self) -> StepFailed:
        return StepFailed(
            f"{self.host} was told to reboot and is still in the same boot after {BACK_WITHIN_S / 60:.0f} minutes.",
            done="It may still shut down: something that it waits for does not end.",
            next="Look there at `systemctl list-jobs`, and at `systemd-inhibit --list`.",
            stage=boots.STAGE,
        )


def _silent(host: str, facts: HostFacts) -> StepFailed:
    why = "; ".join(sorted(set(facts.unknown.values()))[:2]) or "its kernel does not say which boot this is"
    return StepFailed(
        f"{host} does not say what runs on it: {why}.",
        done=NOTHING_DONE,
        next="Look at Docker there first: after a reboot nobody could tell whether all is back.",
        stage="note",
    )


def _may_pass(error: HostError) -> bool:
    """Return whether the server may answer in a moment: it is away, or was stopped in the middle of its answer."""
    lost = isinstance(error, CommandFailed) and error.exit_status is None
    return isinstance(error, HostUnreachable) or type(error) is HostError or lost


def _fell(first: tuple[ContainerFacts, ...], then: tuple[ContainerFacts, ...]) -> tuple[str, ...]:
    """Return the names of containers that were up and have been started again since."""
    before = {c.id: c for c in first if c.state == "running"}
    return tuple(
        c.name for c in then if c.id in before and (c.started_at, c.state) != (before[c.id].started_at, "running")
    )


def _not_as_before(host: str, wrong: tuple[str, ...]) -> StepFailed:
    more = f" and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
    return StepFailed(
        f"On {host} not all is back as it was: {'; '.join(wrong[:_MOST_SHOWN])}{more}.",
        done="It has rebooted, and answers.",
        next="Look at get_app and get_app_logs of what is missing, and at check_fleet.",
        stage="apps",
    )


def _unsettled(host: str, names: tuple[str, ...]) -> StepFailed:
    return StepFailed(
        f"On {host} these do not stay up: {', '.join(names[:_MOST_SHOWN])}.",
        done="It has rebooted, and answers.",
        next="Look at get_app_logs of them for why they end.",
        stage="apps",
        probable_cause="they end right after their start, and Docker starts them again",
    )
