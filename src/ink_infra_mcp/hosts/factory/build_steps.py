"""The step handlers that build the fork's image of Coolify on a build host, push it, or take it away again."""

from dataclasses import dataclass, field

from ink_infra_mcp.core.errors import HostUnreachable, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.factory import building
from ink_infra_mcp.hosts.factory.building import FOLDER, STAGE, UNTOUCHED, Build, BuildOrders
from ink_infra_mcp.ssh.pool import HostPool

BUILD_IMAGE, PUSH_IMAGE, DROP_BUILD = "factory.build_image", "factory.push_image", "factory.drop_build"
BUILD_WITHIN_S, PUSH_WITHIN_S = 4 * 3600.0, 2 * 3600.0
"""The script limits each of its commands itself; these are beyond what they may take, one interruption included."""
EVERY_S = 5.0
_LOG_LINES = 60
_LOG_CHARS = 12_000
_LINE_CHARS = 160
_LOGIN = "login "


@dataclass(frozen=True, slots=True)
class BuildSteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {BUILD_IMAGE: self.build_image, PUSH_IMAGE: self.push_image, DROP_BUILD: self.drop_build}

    async def build_image(self, call: StepCall) -> JsonObject:
        """Have `host` build `orders` and check the image there, and follow it to its end; nothing is pushed.

        The host does it by itself, whatever becomes of us; run again it is the same build that is followed. Returns the
        image's `id` there, where the fork left Coolify (`from`), and the files of the release that it changed.

        Raises:
            StepFailed: it did not begin, or failed; the files that conflict, or the end of its log, are told.
            HostError: the host cannot be reached.
        """
        host, name = call.text("host"), call.operation_id.lower()
        if (await building.look(self.pool, host, name)).state == "":
            orders = BuildOrders.model_validate(call.params["orders"])
            await building.act(self.pool, host, "prepare", name, permit=call.permit, orders=orders)
        await building.act(self.pool, host, "start", name, permit=call.permit)
        found = await self._followed(call, {"prepared", "building"}, within_s=BUILD_WITHIN_S)
        if not found.id:
            raise self._failed(host, found)
        return {"id": found.id, "from": found.origin, "applied": [*found.applied]}

    async def push_image(self, call: StepCall) -> JsonObject:
        """Have `host` push what this operation built there, with the login that its Docker has; returns the `digest`.

        It was pulled by that digest afterwards, so that the registry is known to have it. Run again, what was pushed is
        not pushed again.

        Raises:
            StepFailed: the registry refuses it, or is not reached; the image stays built on the host.
            HostError: the host cannot be reached.
        """
        host, name = call.text("host"), call.operation_id.lower()
        await building.act(self.pool, host, "push", name, permit=call.permit)
        found = await self._followed(call, {"pushing"}, within_s=PUSH_WITHIN_S)
        if found.state != "pushed" or not found.digest:
            raise self._unpushed(host, found)
        image = call.text("image")
        reference = f"{image.rpartition(':')[0]}@{found.digest}"
        return {"digest": found.digest, "image": image, "reference": reference, "build": name}

    async def drop_build(self, call: StepCall) -> JsonObject:
        """Have `host` end this operation's build, and take away what it made there; what was pushed stays.

        Raises:
            StepFailed: its unit does not stop. HostError: the host cannot be reached.
        """
        host, name = call.text("host"), call.operation_id.lower()
        await building.act(self.pool, host, "drop", name, permit=call.permit)
        return {"state": (await building.look(self.pool, host, name)).state}

    async def _followed(self, call: StepCall, still: set[str], *, within_s: float) -> Build:
        host, said = call.text("host"), _Said(self.pool)

        async def once() -> Build | NotYet:
            try:
                found = await building.look(self.pool, host, call.operation_id.lower())
            except HostUnreachable as error:
                # the host goes on without us
                return NotYet(f"waiting for {host} to answer", error)
            return NotYet(said.of(host, found), _not_ended(host, found)) if found.state in still else found

        return await until(call, once, within_s=within_s, every_s=EVERY_S)

    def _failed(self, host: str, found: Build) -> StepFailed:
        done = f"{UNTOUCHED} What it made on {host} is taken away."
        if found.conflicts:
            return StepFailed(
                f"{found.why[:1].upper()}{found.why[1:]}.",
                done=done,
                next="Put the fork's branch on that release by hand, push the branch, then call again.",
                stage="conflict",
                untrusted_log=found.conflicts,
            )
        return StepFailed(
            f"{host} did not build the image ({found.stage or STAGE}): {found.why or f'it is {found.state}'}.",
            done=done,
            next="Read the end of its log, mend the branch or the host, then call again.",
            stage=found.stage or STAGE,
            untrusted_log=self._log(found),
        )

    def _unpushed(self, host: str, found: Build) -> StepFailed:
        refused = found.why.startswith(_LOGIN)
        login = f"Log root's Docker on {host} in there (`docker login`) as somebody who may push, then call again."
        return StepFailed(
            f"The image is not known to be pushed from {host}: {found.why.removeprefix(_LOGIN) or found.state}.",
            done=f"It stays built on {host}, and the next build of the same commits takes it from there.",
            next=login if refused else "Mend that, then call again.",
            stage="push",
            untrusted_log=self._log(found),
        )

    def _log(self, found: Build) -> tuple[str, ...]:
        return tuple(self.pool.presentable(found.untrusted_log, limit=_LOG_CHARS).splitlines()[-_LOG_LINES:])


@dataclass(slots=True)
class _Said:
    """What the build last said: each look tells its newest line, without secrets and cut short."""

    pool: HostPool
    last: str = field(default="")

    def of(self, host: str, found: Build) -> str:
        shown = self.pool.presentable(found.untrusted_log, limit=_LOG_CHARS).strip().rpartition("\n")[2]
        self.last = clean_name(shown, limit=_LINE_CHARS) or self.last
        return f"{host} builds ({found.stage or found.state}): {self.last}"


def _not_ended(host: str, found: Build) -> StepFailed:
    return StepFailed(
        f"The build on {host} did not get to its end in time: it is {found.state or 'unknown there'}.",
        done=f"{host} goes on by itself. {found.why}".strip(),
        next=f"Look there at the newest log in {FOLDER}; the same operation finds the same build.",
        stage=found.stage or STAGE,
        unsure=True,
    )
