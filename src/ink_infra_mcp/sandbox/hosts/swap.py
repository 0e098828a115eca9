"""Answers the script that rotates Coolify's image on the Factory, and realtime's with it; nothing is ever run.

Written from what Docker 28, Laravel 12's artisan and Horizon print; the swap itself is over at the second look at it.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.sandbox.compose.interpolate import BadVariable
from ink_infra_mcp.sandbox.compose.reader import Refused
from ink_infra_mcp.sandbox.hosts.coolify_images import Images, Said, id_of, kind_at, version_at
from ink_infra_mcp.sandbox.hosts.factory import merged, ports_of
from ink_infra_mcp.sandbox.hosts.restore import put_back, put_rows, rows_of
from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_factory import BASE, CUSTOM, MIGRATIONS, PROD, FactoryDisk, Rotation
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

UNCHANGED = 3
_DATA = re.compile(r"<<'(?P<end>[A-Z-]+)'\n(?P<data>.*?)(?P=end)\n", re.DOTALL)
_BETWEEN = ("swapping", "swapped", "reverting")
_READS = ("look", "ready", "prove", "secrets")
_OF_DISK = ("files", "env", "auto_update", "applied", "base")
_BUSY = ("queued", "in_progress")
_BESIDE = {"soketi": "coolify-realtime", "postgres": "coolify-db", "redis": "coolify-redis"}


@dataclass
class SwapScript:
    """One call of the script, or of Docker about an image, on the Factory."""

    host: HostState
    coolify: CoolifyState
    stdin: str
    now: float

    @property
    def disk(self) -> FactoryDisk:
        """The Factory's disk."""
        return self.coolify.factory

    def answer(self, words: tuple[str, ...]) -> Said:
        """Do what is asked and return the exit status, and what is said on both outputs."""
        if words[0] != "ink-swap":
            return Images(self.host, self.disk).answer(words)
        verb, name = words[1], words[2]
        self._settle(name)
        if verb in _READS:
            return 0, "".join(f"{line}\n" for line in (*getattr(self, f"_{verb}")(name), "done")), ""
        if verb == "prepare":
            return self._prepare(name)
        rotation = self.disk.rotations.get(name)
        if rotation is None:
            return UNCHANGED, "", "ink-swap: there is no such rotation\n"
        return self._acted(verb, rotation)

    def _acted(self, verb: str, rotation: Rotation) -> Said:
        if verb == "release" and rotation.state != "confirmed":
            return UNCHANGED, "", f"ink-swap: it is not confirmed: it is {rotation.state}\n"
        self._told(verb, rotation)
        return 0, "", ""

    def _told(self, verb: str, rotation: Rotation) -> None:
        if verb == "start" and rotation.state == "prepared":
            rotation.state, rotation.why = "swapping", ""
            rotation.before = self._now()
        elif verb == "confirm":
            rotation.confirm = True
        elif verb == "abort":
            rotation.abort = True

    def _prepare(self, name: str) -> Said:
        if name in self.disk.rotations:
            return 0, "", ""
        found = _DATA.search(self.stdin)
        if found is None:
            return UNCHANGED, "", "ink-swap: its orders could not be written\n"
        orders = dict(line.split(" ", 1) for line in found["data"].splitlines())
        if why := self._unfit(orders):
            return UNCHANGED, "", f"ink-swap: {why}\n"
        del orders["script"]
        self.disk.rotations[name] = Rotation(orders=orders)
        return 0, "", ""

    def _unfit(self, orders: dict[str, str]) -> str:
        if orders["image"] not in (*self.host.images, self._container().image_id):
            return "the image is not here, or is another one"
        kept = (CUSTOM, PROD, *((BASE,) if f"sum:{BASE}" in orders else ()))
        moved = [name for name in kept if orders[f"sum:{name}"] != self._sum(name)]
        return f"{moved[0]} was changed meanwhile" if moved else self._unfit_beside(orders)

    def _unfit_beside(self, orders: dict[str, str]) -> str:
        """Compose reads the files as they shall be; the new image was pulled by its digest, and has its id."""
        if "withdraws" in orders:
            return self._unfit_to_withdraw(orders)
        if "realtime" not in orders:
            return ""
        if not self._realtime_image(orders):
            return "the image of realtime is not here, or is another one"
        good = merged(self._later(orders)).get("soketi") == orders["realtime"]
        return "" if good else "Docker Compose reads another image of realtime out of its files as they shall be"

    def _unfit_to_withdraw(self, orders: dict[str, str]) -> str:
        if not self._has_realtime() or self._named("coolify-realtime").state != "running":
            return "coolify-realtime does not run"
        wakes = "soketi" in merged(self._later(orders))
        return "Docker Compose would start soketi out of its files as they shall be" if wakes else ""

    def _later(self, orders: dict[str, str]) -> FactoryDisk:
        files = {name: _texted(orders, name, self.disk.files.get(name)) for name in _written(orders)}
        there = {name: text for name, text in {**self.disk.files, **files}.items() if text}
        return self.disk.model_copy(update={"files": there})

    def _realtime_image(self, orders: dict[str, str]) -> str:
        return next((each for each in self.host.images if id_of(each) == orders["realtime_id"]), "")

    def _settle(self, name: str) -> None:
        """Let the unit go on: it needs one look for each thing that it does."""
        rotation = self.disk.rotations.get(name)
        if rotation is None:
            return
        match rotation.state:
            case "swapping":
                self._swap(rotation)
            case "swapped":
                self._await(rotation)
            case "reverting":
                self._back(rotation)
            case _:
                pass

    def _swap(self, rotation: Rotation) -> None:
        if self._busy():
            rotation.state, rotation.why = "refused", f"{self._busy()} deployments run or wait"
        elif rotation.orders.get("relying", self._relying_sum()) != self._relying_sum():
            rotation.state, rotation.why = "refused", "others rely on --runtime by now than those that were named"
        elif rotation.orders.get("kind") == "restore":
            self._restore(rotation)
        elif "realtime" not in rotation.orders or self._realtime_put(rotation):
            self._exchange(rotation)

    def _exchange(self, rotation: Rotation) -> None:
        kind = kind_at(self.disk, rotation.orders["image"])
        self._withdraw(rotation)
        self._put(rotation)
        if self._in_its_way():
            rotation.state, rotation.why = "reverting", "the new container did not become healthy"
            rotation.said = "Bind for 0.0.0.0:6001 failed: port is already allocated"
            return
        if kind.starts != "healthy":
            rotation.state, rotation.why = "reverting", "the new container did not become healthy"
            rotation.said = f"the new container {kind.starts}"
            return
        rotation.state, rotation.healthy_at = "swapped", self.now

    def _withdraw(self, rotation: Rotation) -> None:
        if "withdraws" in rotation.orders:
            self._named("coolify-realtime").state = "exited"

    def _in_its_way(self) -> bool:
        """Docker gives a port to one container only."""
        inside = "6002:6002" in ports_of(self.disk, "coolify")
        return inside and self._has_realtime() and self._named("coolify-realtime").state == "running"

    def _realtime_put(self, rotation: Rotation) -> bool:
        """It goes first, while Coolify serves: one that does not get well has stopped nothing else."""
        image, container = self._realtime_image(rotation.orders), self._named("coolify-realtime")
        kind = kind_at(self.disk, image)
        container.image, container.image_id = rotation.orders["realtime"], rotation.orders["realtime_id"]
        container.image_digests, container.started_at = [image], self.now
        if kind.starts != "healthy":
            rotation.state, rotation.why = "reverting", "the new realtime service did not become healthy"
            rotation.said = f"the new realtime service {kind.starts}"
        return kind.starts == "healthy"

    def _restore(self, rotation: Rotation) -> None:
        if why := put_back(self.coolify, rotation.orders["backup"], rotation.orders["dump"]):
            rotation.state, rotation.why = "refused", why
            return
        container = self._container()
        container.started_at, container.restart_count = self.now, 0
        if "restored" in self.disk.failing:
            rotation.state, rotation.why = "reverting", "Coolify did not become healthy on that database"
            rotation.said = "SQLSTATE[08006] the restored Coolify does not start"
            return
        rotation.state, rotation.healthy_at = "swapped", self.now

    def _put(self, rotation: Rotation) -> None:
        image = rotation.orders["image"]
        for name in _written(rotation.orders):
            self._write(name, rotation.orders[f"text:{name}"])
        self.disk.env = {**self.disk.env, **_env_of(rotation)}
        self.disk.auto_update = False
        self.disk.applied = [*dict.fromkeys((*self.disk.applied, *self.disk.migrations.get(image, MIGRATIONS)))]
        self.coolify.supports_runtime_option = kind_at(self.disk, image).option
        container = self._container()
        tag = rotation.orders.get("tag", "")
        container.image, container.image_id, container.image_digests = tag or image, id_of(image), [image]
        if tag:
            self.coolify.version = self.disk.base = tag.rpartition(":")[2]
        self.disk.base = version_at(self.disk, image) or self.disk.base
        self.coolify.version = rotation.orders.get("env:COOLIFY_VERSION", self.coolify.version)
        container.started_at, container.health, container.restart_count = self.now, "healthy", 0

    def _write(self, name: str, text: str) -> None:
        if text == "gone":
            self.disk.files.pop(name, None)
        elif text != "same":
            self.disk.files[name] = base64.b64decode(text).decode()

    def _await(self, rotation: Rotation) -> None:
        if rotation.abort:
            rotation.state, rotation.why = "reverting", "it was told to go back"
        elif rotation.confirm:
            rotation.state = "confirmed"
        elif self.now > rotation.healthy_at + float(rotation.orders["confirm_s"]):
            rotation.state, rotation.why = "reverting", f"nobody confirmed it within {rotation.orders['confirm_s']} s"

    def _now(self) -> dict[str, JsonValue]:
        kept = self.disk.model_dump(mode="json", include={*_OF_DISK})
        container = self._container().model_dump(mode="json", include={"image", "image_id", "image_digests"})
        of_coolify = {"option": self.coolify.supports_runtime_option, "version": self.coolify.version}
        beside = {"realtime": self._named("coolify-realtime").model_dump(mode="json")} if self._has_realtime() else {}
        return {**kept, **container, **of_coolify, **beside, "rows": rows_of(self.coolify)}

    def _back(self, rotation: Rotation) -> None:
        before = rotation.before
        for name in _OF_DISK:
            setattr(self.disk, name, before[name])
        for name in ("image", "image_id", "image_digests"):
            setattr(self._container(), name, before[name])
        self._realtime_back(before)
        self.coolify.supports_runtime_option = before["option"] is True
        self.coolify.version = str(before["version"])
        if rotation.orders.get("kind") == "restore":
            put_rows(self.coolify, before["rows"])
        rotation.state = "reverted"

    def _realtime_back(self, before: dict[str, JsonValue]) -> None:
        if "realtime" in before:
            realtime = Container.model_validate(before["realtime"])
            self.host.containers = [realtime if c.name == realtime.name else c for c in self.host.containers]

    def _container(self) -> Container:
        return self._named("coolify")

    def _named(self, name: str) -> Container:
        return next(c for c in self.host.containers if c.name == name)

    def _has_realtime(self) -> bool:
        return any(c.name == "coolify-realtime" for c in self.host.containers)

    def _busy(self) -> int:
        return sum(d.status in _BUSY for d in self.coolify.deployments)

    def _sum(self, name: str) -> str:
        text = self.disk.files.get(name)
        return "none" if text is None else hashlib.sha256(text.encode()).hexdigest()

    def _look(self, name: str) -> Iterator[str]:
        rotation = self.disk.rotations.get(name, Rotation(state="", orders={}))
        yield f"state {rotation.state}"
        yield f"why {_coded(rotation.why)}"
        yield f"downtime_ms {1840 if rotation.healthy_at else ''}"
        yield f"restored {'yes' if rotation.state == 'reverted' and rotation.orders['migrates'] == 'yes' else 'no'}"
        yield f"runs {self._container().image_id} {self._container().state}"
        yield f"said {_coded(rotation.said)}"

    def _relying(self) -> list[tuple[str, str, str]]:
        """Databases have options of their own, which the pretend Coolify keeps as the real one does."""
        found = [("applications", app) for app in self.coolify.applications]
        relying = [(table, item) for table, item in found if "--runtime" in item.text("custom_docker_run_options")]
        others = [(table, uuid, name) for table, uuid, name in self.disk.relying]
        return [*((table, item.uuid, item.text("name")) for table, item in relying), *others]

    def _relying_sum(self) -> str:
        lines = sorted(f"{table} {uuid}\n" for table, uuid, _ in self._relying())
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _ready(self, name: str) -> Iterator[str]:
        del name
        yield f"deployments {self._busy()}"
        yield f"upgrade {'yes' if self.disk.upgrading else 'no'}"
        yield f"left_over {' '.join(self.disk.left_over)}"
        yield f"held {' '.join(self.disk.held)}"
        under_way = (name for name, rotation in self.disk.rotations.items() if rotation.state in _BETWEEN)
        yield f"under_way {next(under_way, '')}"
        yield f"free_kb {self.disk.free_kb} {self.disk.free_kb}"
        yield "relying_known yes"
        yield from (f"relying {table} {uuid} {_coded(name)}" for table, uuid, name in self._relying())
        for file in (CUSTOM, PROD):
            yield f"file {file} {self._sum(file)} {_coded(self.disk.files.get(file, ''))}"
        yield f"base {self._sum(BASE)} {_coded(self.disk.files.get(BASE, ''))}"
        yield from self._siblings()
        yield f"env_names {' '.join(sorted({*self.disk.env, *self.disk.env_names}))}"

    def _siblings(self) -> Iterator[str]:
        try:
            names = merged(self.disk)
        except (Refused, BadVariable):
            names = {}
        for service in _BESIDE:
            yield from self._sibling(service)
            yield f"names {service} {names.get(service, '')}"

    def _sibling(self, service: str) -> Iterator[str]:
        for each in self.host.containers:
            if each.name == _BESIDE[service]:
                yield f"beside {service} {each.image_id} {each.state} {each.health or 'none'} {each.image}"
                yield f"digests {service} {' '.join(each.image_digests)}"

    def _prove(self, name: str) -> Iterator[str]:
        del name
        container = self._container()
        yield f"container {container.image_id} {container.state} {container.restart_count} {container.health}"
        yield from self._realtime_told()
        yield f"migrations 0 {_coded(self._migrations(container.image))}"
        status, said = (0, "running") if "horizon" not in self.disk.failing else (2, "inactive")
        yield f"horizon {status} {_coded(f'   INFO  Horizon is {said}.')}"
        yield f"auto_update {'t' if self.disk.auto_update else 'f'}"
        yield "failed_jobs 0"

    def _realtime_told(self) -> Iterator[str]:
        if self._has_realtime():
            told = self._named("coolify-realtime")
            yield f"realtime {told.image_id} {told.state} {told.restart_count} {told.health}"
        good = "reaches" not in self.disk.failing
        runs = self._has_realtime() and self._named("coolify-realtime").state == "running"
        yield f"reaches {'yes' if runs and good else 'no'}"
        yield f"inside {'yes' if good and '6002:6002' in ports_of(self.disk, 'coolify') else 'no'}"

    def _secrets(self, name: str) -> Iterator[str]:
        del name
        count = len(self.coolify.keys)
        yield f"keys {0 if 'decrypt' in self.disk.failing else count} {count}"
        yield f"files {count}"
        yield from (f"server {each.id} {each.uuid} {self._let_in(each.name)}" for each in self.coolify.servers)

    def _let_in(self, name: str) -> str:
        return "no" if {"ssh", f"ssh {name}"} & set(self.disk.failing) else "yes"

    def _migrations(self, image: str) -> str:
        lines = ["", "  Migration name ................................................ Batch / Status  "]
        for name in self.disk.migrations.get(image, MIGRATIONS):
            what = "[1] Ran" if name in self.disk.applied and name not in self.disk.failing else "Pending"
            lines.append(f"  {name} {'.' * 20} {what}  ")
        return "\n".join(lines) + "\n"


def _written(orders: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name in (CUSTOM, PROD, BASE) if f"text:{name}" in orders)


def _texted(orders: dict[str, str], name: str, now: str | None) -> str:
    text = orders[f"text:{name}"]
    return {"same": now or "", "gone": ""}[text] if text in ("same", "gone") else base64.b64decode(text).decode()


def _env_of(rotation: Rotation) -> dict[str, str]:
    return {key[4:]: value for key, value in rotation.orders.items() if key.startswith("env:")}


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
