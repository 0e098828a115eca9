"""The step handlers that rotate Coolify's image: pull, have the Factory swap it, prove it, keep it or go back."""

import re
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.compose.override import with_image, without_image
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import InputError, StepFailed
from ink_infra_mcp.core.image_rules import too_young
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.factory import swapping
from ink_infra_mcp.hosts.factory.coolify_image import CONSTANTS, OPTION, SOURCE
from ink_infra_mcp.hosts.factory.following import followed, patient, rotation_name
from ink_infra_mcp.hosts.factory.looking import BASE, PROD, part_in, version_in
from ink_infra_mcp.hosts.factory.serving import faults, worse
from ink_infra_mcp.hosts.factory.swap_failures import kept, not_swapped, soaked, unfit, unproved, unwatched
from ink_infra_mcp.hosts.factory.swapping import (
    ENDED,
    IMAGES_MOUNT,
    STAGE,
    UNTOUCHED,
    FileSeen,
    Orders,
    Ready,
    Seen,
    Service,
)
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

PULL_S = 3600.0
LEAST_HEALTH_S = 120
"""Twice the start period of Coolify's own health check (docker-compose.prod.yml, 4.3.11), before any migration."""
CONFIRM_S = 1800
"""How long the Factory waits for the word to stay: a canary may wait for a build and for Let's Encrypt."""
BACK_WITHIN_S = 1800.0
PROVED_WITHIN_S = 300.0
CONFIRMED_WITHIN_S = 90.0
SOAK_EVERY_S = 30.0
_CLOSED = ("--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--memory", "256m")
_SEARCH = ("run", *_CLOSED, "--entrypoint", "grep")
_BUILT_ON = '{{index .Config.Labels "ink-infra.base"}}'
_REFERENCE = re.compile(r"[a-z0-9][a-z0-9.:-]*(?:/[a-z0-9][a-z0-9._-]*)+@sha256:[0-9a-f]{64}")
_KIND = re.compile(r"(sha256:[0-9a-f]{64}) ([a-z]+/[a-z0-9]+) ([0-9TZ.:+-]*)")


@dataclass(frozen=True, slots=True)
class SwapSteps:
    """Binds the handlers to the hosts."""

    pool: HostPool
    clock: Clock

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {
            "factory.pull_image": self.pull_image,
            "factory.swap_image": self.swap_image,
            "factory.swap_unisolated": self.swap_image,
            "factory.swap_back": self.swap_back,
            "factory.prove_image": self.prove_image,
            "factory.confirm_image": self.confirm_image,
            "factory.watch_image": self.watch_image,
            "factory.release_images": self.release_images,
        }

    async def pull_image(self, call: StepCall) -> JsonObject:
        """Have `image`, a reference by digest, on `host`, and see that it is one that can be used there.

        Nothing of it is started but a search in its own files, without a network. Returns its `id`.

        Raises:
            StepFailed: it cannot be had, is for another kind of machine, is younger than `least_age_h` hours, drops
                --runtime where `option` is wanted, or is another Coolify than `version` where one is said, or builds
                with another `helper`.
            HostError: the Factory cannot be reached.
        """
        host, image = call.text("host"), _reference(call.given("image"))
        found = await self._kind(call, host, image)
        if found is None:
            call.say(f"pulling {image} on {host}")
            said = await self._docker(call, host, "pull", "--quiet", image, timeout_s=PULL_S)
            found = await self._kind(call, host, image)
            if said.exit_status or found is None:
                raise self._not_pulled(host, image, said)
        await self._check_kind(call, host, found[2])
        if why := too_young(found[3], self.clock.now(), call.number("least_age_h")):
            raise unfit(host, why)
        if call.params.get("option"):
            await self._check_option(call, host, image)
        if "version" in call.params:
            await self._check_version(call, host, image)
        if "helper" in call.params:
            await self._check_helper(call, host, image)
        return {"id": found[1]}

    async def swap_image(self, call: StepCall) -> JsonObject:
        """Have the Factory put `image` into service, and follow it until the new container is healthy.

        The Factory does it by itself and goes back by itself, whatever becomes of us. `sums` are the files as they were
        planned with. With `realtime`, the name that the files have for it, realtime becomes the image `realtime_id`
        first; with `withdraws` its container is stopped before the new Coolify starts, and kept. Returns the image's
        `id`, and `downtime_ms`, how long the dashboard did not answer, if measured.

        Raises:
            StepFailed: it did not begin, or it went back: `done` says which.
            HostError: the Factory cannot be reached.
        """
        host, name = call.text("host"), rotation_name(call)
        if (await swapping.look(self.pool, host, name)).state == "":
            orders = await self._orders(call, host)
            await swapping.act(self.pool, host, "prepare", name, permit=call.permit, orders=orders)
        await swapping.act(self.pool, host, "start", name, permit=call.permit)
        limit_s = _health_s(call) + BACK_WITHIN_S
        found = await followed(self.pool, call, {"swapped", *ENDED}, within_s=limit_s)
        if found.state not in ("swapped", "confirmed"):
            raise not_swapped(host, found)
        return {"id": found.image, "downtime_ms": found.downtime_ms}

    async def swap_back(self, call: StepCall) -> JsonObject:
        """Have the Factory go back to what ran before, and wait until it has; where nothing was begun, nothing is done.

        Raises:
            StepFailed: it was confirmed already, or does not get back in half an hour, at which it goes on trying.
            HostError: the Factory cannot be reached; it goes back by itself when its time is over.
        """
        host, name = call.text("host"), rotation_name(call)
        before = await swapping.look(self.pool, host, name)
        if before.state == "confirmed":
            raise kept(host)
        if before.state in ("", "refused", "reverted"):
            return {"state": before.state, "image": before.image}
        await swapping.act(self.pool, host, "abort", name, permit=call.permit)
        found = await followed(self.pool, call, ENDED, within_s=BACK_WITHIN_S)
        return {"state": found.state, "image": found.image}

    async def prove_image(self, call: StepCall) -> JsonObject:
        """Wait until the Coolify in service is `image`: healthy, fully migrated, its queue running, auto-update off.

        With a `realtime_id` realtime has to be that image, healthy, and Coolify has to reach it; with `inside` it has
        to answer in Coolify's own container, and no other may run.

        Raises:
            StepFailed: something of it is not so within five minutes, or the Factory has gone back.
            HostError: the Factory cannot be reached.
        """
        host, wanted, realtime = call.text("host"), call.given("image_id"), _realtime_id(call)

        async def once() -> JsonObject | NotYet:
            rotation = await swapping.look(self.pool, host, rotation_name(call))
            if rotation.state != "swapped":
                raise not_swapped(host, rotation)
            service = await swapping.prove(self.pool, host)
            wrong = tuple(faults(service, wanted, realtime_id=realtime, inside=_is(call, "inside")))
            if wrong:
                return NotYet(f"waiting on {host}: {wrong[0]}", unproved(self.pool, host, wrong, service))
            beside: JsonObject = {"realtime_restarts": service.realtime.restarts} if realtime else {}
            return {"image": service.image, "restarts": service.restarts, "failed_jobs": service.failed_jobs, **beside}

        return await until(call, patient(host, once), within_s=PROVED_WITHIN_S + _migrating_s(call))

    async def confirm_image(self, call: StepCall) -> JsonObject:
        """Tell the Factory to stay with the new image, and see that it does.

        Raises:
            StepFailed: it has gone back before.
            HostError: the Factory cannot be reached.
        """
        host, name = call.text("host"), rotation_name(call)
        if (await swapping.look(self.pool, host, name)).state == "swapped":
            await swapping.act(self.pool, host, "confirm", name, permit=call.permit)
        found = await followed(self.pool, call, ENDED, within_s=CONFIRMED_WITHIN_S)
        if found.state != "confirmed":
            raise not_swapped(host, found)
        return {"image": found.image}

    async def watch_image(self, call: StepCall) -> JsonObject:
        """Watch for `for_s` seconds that Coolify stays as it was proved: no restart, its queue running, no failed job.

        Raises:
            StepFailed: it does not; the new image stays in service, and a person decides.
            HostError: the Factory cannot be reached at the end.
        """
        host, wanted, realtime = call.text("host"), call.given("image_id"), _realtime_id(call)
        end = call.clock.monotonic() + call.number("for_s")
        first = Service(
            restarts=_counted(call, "restarts"),
            failed_jobs=_counted(call, "failed_jobs"),
            realtime=Seen(restarts=_counted(call, "realtime_restarts") if realtime else None),
        )

        async def once() -> bool | NotYet:
            now = await swapping.prove(self.pool, host)
            inside = _is(call, "inside")
            if wrong := (*faults(now, wanted, realtime_id=realtime, inside=inside), *worse(first, now)):
                raise soaked(host, wrong)
            left = round(end - call.clock.monotonic())
            return NotYet(f"watching Coolify on {host} for {left} s more", unwatched(host)) if left > 0 else True

        patience_s = call.number("for_s") + PROVED_WITHIN_S
        await until(call, patient(host, once), within_s=patience_s, every_s=SOAK_EVERY_S)
        return {"watched_s": call.number("for_s")}

    async def release_images(self, call: StepCall) -> JsonObject:
        """Let go of what rotations before this one hold; the image from before this one stays, and its way back.

        Raises:
            StepFailed: this rotation is not confirmed, or Docker does not remove a container.
            HostError: the Factory cannot be reached.
        """
        await swapping.act(self.pool, call.text("host"), "release", rotation_name(call), permit=call.permit)
        return {"released": True}

    async def _orders(self, call: StepCall, host: str) -> Orders:
        """Files are read and edited in here, and go back as they are: others may keep secrets in theirs."""
        meets = await swapping.ready(self.pool, host)
        seen, sums = meets.files, _texts(call, "sums")
        now = {**seen, **({BASE: meets.base} if BASE in sums else {})}
        if moved := [name for name, file in now.items() if file.sha256 != sums.get(name)]:
            raise StepFailed(
                f"{', '.join(moved)} on {host} is not as it was when this was planned.",
                done=UNTOUCHED,
                next="Call the tool again, which plans with what is there now.",
                stage=STAGE,
            )
        texts = {name: _text_in(call, name, file.text) for name, file in {**seen, **_below(call, meets)}.items()}
        return Orders(
            image=_reference(call.given("image")),
            image_id=call.given("image_id"),
            migrates=bool(items(call.filled("migrations"))),
            health_s=_health_s(call),
            confirm_s=CONFIRM_S + _migrating_s(call),
            sums=sums,
            texts=texts,
            tag=call.text("tag") if "tag" in call.params else "",
            env=_texts(call, "env"),
            relying=call.text("relying") if "relying" in call.params else "",
            folder=IMAGES_MOUNT in (texts[PROD] or ""),
            realtime=call.text("realtime") if "realtime" in call.params else "",
            realtime_id=_realtime_id(call),
            withdraws=_is(call, "withdraws"),
        )

    async def _docker(self, call: StepCall, host: str, *words: str, timeout_s: float = 120.0) -> CommandResult:
        return await self.pool.run(host, docker_command(words, timeout_s=timeout_s), permit=call.permit)

    async def _kind(self, call: StepCall, host: str, image: str) -> re.Match[str] | None:
        form = "{{.Id}} {{.Os}}/{{.Architecture}} {{.Created}}"
        said = await self._docker(call, host, "image", "inspect", "--format", form, image)
        return _KIND.fullmatch(said.stdout.strip()) if said.exit_status == 0 else None

    async def _check_kind(self, call: StepCall, host: str, kind: str) -> None:
        said = await self._docker(call, host, "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
        if said.stdout.strip() != kind:
            raise unfit(host, f"it is for {kind}, and {host} is {clean_name(said.stdout.strip()) or 'unknown'}")

    async def _check_option(self, call: StepCall, host: str, image: str) -> None:
        said = await self._docker(call, host, *_SEARCH, image, "-c", "--", OPTION, SOURCE)
        if said.exit_status != 0 or not said.stdout.strip().isdigit():
            why = "its source has no --runtime" if said.stdout.strip() == "0" else "it could not be searched"
            raise unfit(host, f"{why}: apps that rely on it would run without gVisor")

    async def _check_version(self, call: StepCall, host: str, image: str) -> None:
        """Its own source says which Coolify it is, and its label on which commit a fork was built."""
        version, commit = call.text("version"), call.text("built_on")
        said = await self._docker(call, host, *_SEARCH, image, "-m", "1", "-e", "'version' =>", CONSTANTS)
        if (found := version_in(said.stdout)) != version:
            raise unfit(host, f"its source says that it is Coolify {found or 'of no version'}, and not {version}")
        if not commit:
            return
        label = await self._docker(call, host, "image", "inspect", "--format", _BUILT_ON, image)
        if label.stdout.strip() != commit:
            told = clean_name(label.stdout.strip(), limit=40) or "nothing"
            raise unfit(host, f"its label says that it was built on {told}, and {version} is {commit}")

    async def _check_helper(self, call: StepCall, host: str, image: str) -> None:
        """Builds take the helper's version of the image's own source, and of nothing else (shared.php, 4.3.11)."""
        wanted = call.text("helper")
        said = await self._docker(call, host, *_SEARCH, image, "-m", "1", "-e", "'helper_version' =>", CONSTANTS)
        if (found := part_in(said.stdout, "helper")) != wanted:
            raise unfit(host, f"its source builds with helper {found or 'of no version'}, and not {wanted}")

    def _not_pulled(self, host: str, image: str, said: CommandResult) -> StepFailed:
        return StepFailed(
            f"{image} could not be pulled on {host}.",
            done=UNTOUCHED,
            next="See what Docker says of it, then call again.",
            stage="pull",
            untrusted_log=tuple(self.pool.presentable(said.stderr, limit=2_000).splitlines()[-20:]),
        )


def docker_command(words: tuple[str, ...], *, timeout_s: float = 120.0) -> HostCommand:
    """Return a command of Docker's about an image; it needs a permit, whatever it does."""
    return HostCommand(("docker", *words), changes=True, timeout_s=timeout_s)


def _texts(call: StepCall, name: str) -> dict[str, str]:
    return {key: str(value) for key, value in table(call.params.get(name)).items()}


def _text_in(call: StepCall, name: str, now: str) -> str | None:
    """Return what one of the files shall be: another text as a whole, or this one with another image."""
    whole, images = _texts(call, "texts"), table(call.filled("images"))
    if name in whole:
        return None if whole[name] == now else whole[name]
    return _text_of(now, images[name]) if name in images else None


def _below(call: StepCall, meets: Ready) -> dict[str, FileSeen]:
    """Return the file below Coolify's own where that one is exchanged too."""
    return {BASE: meets.base} if BASE in _texts(call, "texts") else {}


def _is(call: StepCall, name: str) -> bool:
    return call.params.get(name) is True


def _text_of(now: str, image: JsonValue) -> str | None:
    """Return what a file shall be; None: as it is, empty: away. With None for an image it shall name none."""
    wanted = without_image(now, "coolify") if image is None else with_image(now, "coolify", str(image))
    return None if wanted == now else wanted


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        raise InputError(f"{clean_name(text)} is no image by digest.", next="Give it as name@sha256:...")
    return text


def _migrating_s(call: StepCall) -> int:
    """Three times what the migrations took in the rehearsal: health says nothing of them (Coolify's is a constant)."""
    took = call.filled("migrated_s")
    return 3 * round(took if isinstance(took, int | float) else 0)


def _health_s(call: StepCall) -> int:
    return LEAST_HEALTH_S + _migrating_s(call)


def _realtime_id(call: StepCall) -> str:
    return call.given("realtime_id") if "realtime_id" in call.params else ""


def _counted(call: StepCall, name: str) -> int | None:
    value = call.filled(name)
    return value if isinstance(value, int) else None
