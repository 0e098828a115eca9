"""How a server comes into Coolify and out of it again, as steps; what is already so is not planned."""

from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.clients.coolify.era import Era
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.clients.coolify.steps.server_settings import clicks, taken_by
from ink_infra_mcp.clients.coolify.steps.servers import host_address
from ink_infra_mcp.clients.coolify.wanted_server import Present, WantedServer, find_key, find_server, what_is_there
from ink_infra_mcp.core.key_pair import fingerprint_of, public_key_of
from ink_infra_mcp.core.plan import Change, JsonObject, Step, Undo
from ink_infra_mcp.core.step import result_of

__all__ = [
    "Present",
    "Registration",
    "WantedServer",
    "find_key",
    "find_server",
    "registration",
    "removal",
    "settings_of",
    "what_is_there",
]

KEY, SERVER, VALIDATED = "coolify_key", "coolify_server", "coolify_validated"
SETTINGS, PROXY = "coolify_settings", "coolify_proxy"
WILDCARD, WILDCARD_SEEN = "coolify_wildcard", "coolify_wildcard_seen"
DELETED, KEY_DELETED = "coolify_deleted", "coolify_key_deleted"
"""Ids of the steps, behind the prefix of the caller."""
_DEFAULTS: JsonObject = {"concurrent_builds": 2, "cleanup_threshold": 80, "cleanup_always": True}
"""What a new server has (migrations of server_settings)."""
_WORDS = {
    "concurrent_builds": "builds at the same time",
    "cleanup_threshold": "fullness of the disk, in percent, from which Docker is cleaned up",
    "cleanup_always": "Docker is cleaned up each night, however full the disk is",
}


@dataclass(frozen=True, slots=True)
class Registration:
    """The steps in groups, in this order; between `key` and `register` the public key goes into authorized_keys.

    `public_key` and `server` (its uuid in Coolify) are texts, or stand for what a step will return. `to_click` is what
    this version's API does not take, and what a person sets in its pages.
    """

    key: tuple[Step, ...]
    register: tuple[Step, ...]
    use: tuple[Step, ...]
    wildcard: tuple[Step, ...]
    public_key: JsonValue
    server: JsonValue
    to_click: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return all of them in order."""
        return (*self.key, *self.register, *self.use, *self.wildcard)


def registration(wanted: WantedServer, present: Present, prefix: str = "") -> Registration:
    """Return the steps that make Coolify have the server as wanted; none where it has it so already.

    A server that Coolify has keeps the key that it is entered with, and its user and port.
    """
    server = present.server
    needs_key = server is None and present.key is None
    uuid: JsonValue = result_of(prefix + SERVER, "uuid") if server is None else server.uuid
    public: JsonValue = result_of(prefix + KEY, "public_key")
    if present.key is not None:
        public = public_key_of(present.key.public_key) or ""
    elif server is not None:
        public = ""
    plan = _Planner(wanted, present, prefix, uuid)
    return Registration(
        key=plan.key() if needs_key else (),
        register=(*plan.create(), *plan.validate()),
        use=(*plan.settings(), *plan.proxy()),
        wildcard=plan.wildcard(),
        public_key=public,
        server=uuid,
        to_click=plan.to_click(),
    )


def settings_of(wanted: WantedServer, server: Server, era: Era) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """Return the step that gives a server in Coolify its settings, none where it has them, and what a person clicks."""
    plan = _Planner(wanted, Present(era=era, server=server), "", server.uuid)
    return plan.settings(), plan.to_click()


def removal(present: Present, prefix: str = "") -> tuple[Step, ...]:
    """Return the steps that take a server, and then the key that we made for it, out of Coolify. The machine stays."""
    server, key = present.server, present.key
    steps: list[Step] = []
    if server is not None:
        steps.append(
            Step(
                id=prefix + DELETED,
                kind="coolify.delete_server",
                target=server.name,
                summary=f"Take {server.name} ({server.ip}) out of Coolify; the machine and what runs there stay",
                servers=(server.name,),
                params={"server": server.uuid, "address": server.ip},
                undo_words="cannot be undone: it can be entered again, as a new server with new settings",
            )
        )
    public = public_key_of(key.public_key) if key is not None else None
    if key is not None and public is not None:
        steps.append(
            Step(
                id=prefix + KEY_DELETED,
                kind="coolify.delete_private_key",
                target=key.name,
                summary=f"Delete the key {key.name} from Coolify",
                servers=(server.name,) if server else (),
                params={"key": key.uuid, "fingerprint": fingerprint_of(public)},
                undo_words="cannot be undone: the private half is nowhere else",
            )
        )
    return tuple(steps)


@dataclass(frozen=True, slots=True)
class _Planner:
    wanted: WantedServer
    present: Present
    prefix: str
    uuid: JsonValue

    def _step(self, id: str, kind: str, summary: str, params: JsonObject, **more: object) -> Step:
        fields = {"target": self.wanted.name, "servers": (self.wanted.name,), **more}
        return Step.model_validate(
            {"id": self.prefix + id, "kind": kind, "summary": summary, "params": params, **fields}
        )

    def _uses(self, *ids: str) -> tuple[str, ...]:
        """Of the steps that are planned: without a server in Coolify all of them are."""
        return tuple(self.prefix + id for id in ids) if self.present.server is None else ()

    def key(self) -> tuple[Step, ...]:
        name = self.wanted.key_name
        undo = Undo(
            kind="coolify.discard_private_key",
            target=self.wanted.name,
            summary=f"delete the key {name} from Coolify",
            params={"name": name},
        )
        return (
            self._step(
                KEY,
                "coolify.create_private_key",
                f"Make the key pair {name}; its private half is kept in Coolify only",
                {"name": name},
                undo=undo,
                undoes=(self.prefix + KEY,),
            ),
        )

    def create(self) -> tuple[Step, ...]:
        if self.present.server is not None:
            return ()
        wanted, made = self.wanted, self.present.key
        at = host_address(wanted.address) if isinstance(wanted.address, str) else "the address that it gets"
        own = self.prefix + SERVER
        undo = Undo(
            kind="coolify.discard_server",
            target=wanted.name,
            summary=f"take {wanted.name} out of Coolify again",
            params={"name": wanted.name},
        )
        params: JsonObject = {
            "name": wanted.name,
            "address": at if isinstance(wanted.address, str) else wanted.address,
            "port": wanted.port,
            "user": wanted.user,
            "key": made.uuid if made is not None else result_of(self.prefix + KEY, "uuid"),
        }
        summary = f"Enter {wanted.name} into Coolify as {wanted.user}@{at} port {wanted.port}"
        uses = (*((self.prefix + KEY,) if made is None else ()), *_used(wanted.address))
        return (self._step(SERVER, "coolify.create_server", summary, params, uses=uses, undo=undo, undoes=(own,)),)

    def validate(self) -> tuple[Step, ...]:
        server = self.present.server
        if server is not None and server.reachable and server.usable:
            return ()
        return (
            self._step(
                VALIDATED,
                "coolify.validate_server",
                f"Have Coolify validate {self.wanted.name}: it looks, installs nothing, and makes the network coolify",
                {"server": self.uuid, "unproved": True},
                uses=self._uses(SERVER),
                undo_words="needs none: a validation only looks",
            ),
        )

    def settings(self) -> tuple[Step, ...]:
        wanted, before = self._taken(), self._now()
        changed: JsonObject = {name: value for name, value in wanted.items() if value != before[name]}
        if not changed:
            return ()
        old: JsonObject = {"server": self.uuid, **{name: before[name] for name in changed}}
        undo = None
        if self.present.server is not None:
            undo = Undo(
                kind="coolify.set_server_settings",
                target=self.wanted.name,
                summary="set what was set before",
                params=old,
            )
        changes = tuple(Change(name=_WORDS[n], before=_said(before[n]), after=_said(v)) for n, v in changed.items())
        return (
            self._step(
                SETTINGS,
                "coolify.set_server_settings",
                f"Set how Coolify builds and cleans up on {self.wanted.name}",
                {"server": self.uuid, **changed},
                uses=self._uses(SERVER),
                changes=changes,
                undo=undo,
                **({} if undo else {"undo_words": "goes with the server"}),
            ),
        )

    def proxy(self) -> tuple[Step, ...]:
        seen = self.present.proxy
        if self.present.server is not None and seen is not None and seen.state == "running" and seen.version:
            return ()
        return (
            self._step(
                PROXY,
                "coolify.start_proxy",
                f"Have Coolify start the proxy (Traefik) on {self.wanted.name}, and see it run there",
                {"server": self.uuid, "host": self.wanted.host or self.wanted.name},
                uses=self._uses(SERVER),
                undo_words="not undone: it serves nobody without apps",
            ),
        )

    def wildcard(self) -> tuple[Step, ...]:
        wanted = self.wanted.wildcard
        before = self.present.server.wildcard_domain if self.present.server is not None else ""
        if wanted is None or wanted == before:
            return ()
        name, factory = self.wanted.name, self.wanted.factory
        place: JsonObject = {"host": factory, "server": self.uuid}
        undo = Undo(
            kind="hosts.set_coolify_wildcard",
            target=name,
            summary=f"make the wildcard domain of {name} {before or 'none'} again",
            params={**place, "before": wanted, "wanted": before},
        )
        change = self._step(
            WILDCARD,
            "hosts.set_coolify_wildcard",
            f"Make {wanted or 'none'} the wildcard domain of {name} in Coolify's database, which its API cannot",
            {**place, "before": before, "wanted": wanted},
            servers=(name, factory),
            before=before or "none",
            after=wanted or "none",
            uses=self._uses(SERVER),
            undo=undo,
        )
        seen = self._step(
            WILDCARD_SEEN,
            "coolify.set_server_wildcard",
            f"Read over Coolify's API that the wildcard domain of {name} is {wanted or 'none'}",
            {"server": self.uuid, "wildcard": wanted},
            reads=True,
            uses=(*self._uses(SERVER), self.prefix + WILDCARD),
            undoes=(self.prefix + WILDCARD,),
        )
        return (change, seen)

    def to_click(self) -> tuple[str, ...]:
        before, taken = self._now(), self._taken()
        left: JsonObject = {
            name: value for name, value in self.wanted.settings.items() if name not in taken and value != before[name]
        }
        if "cleanup_always" in left:
            left["cleanup_threshold"] = self.wanted.cleanup_threshold
        return clicks(self.wanted.name, left)

    def _taken(self) -> JsonObject:
        return taken_by(self.present.era, self.wanted.settings)

    def _now(self) -> JsonObject:
        server = self.present.server
        if server is None:
            return _DEFAULTS
        return {
            "concurrent_builds": server.concurrent_builds,
            "cleanup_threshold": server.cleanup_threshold,
            "cleanup_always": server.cleanup_always,
        }


def _used(address: str | JsonObject) -> tuple[str, ...]:
    return (str(address["step"]),) if isinstance(address, dict) else ()


def _said(value: JsonValue) -> str | None:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else None if value is None else str(value)
