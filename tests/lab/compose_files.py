"""Compose files as people write them, generated: merges and anchors, short and long forms, quotes, odd numbers."""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Node: TypeAlias = "str | Bare | list[Node] | dict[str, Node]"
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_WORDS = frozenset({"null", "true", "false", "y", "n", "yes", "no", "on", "off", "Null", "True", "NO", "Yes"})
_MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Bare:
    """What stands in the file without quotes: a number, a switch, an alias, or nothing at all."""

    text: str


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes a document as YAML in a hand that changes from node to node."""

    chance: random.Random

    def file(self, document: dict[str, Node]) -> str:
        """Return the whole file."""
        return "".join(f"{self.key(key)}:{self.under(part, 0)}" for key, part in document.items())

    def key(self, key: str) -> str:
        """Return a key; a merge in quotes would be none."""
        return key if key == _MERGE or self.chance.random() < 0.8 else self.scalar(key)

    def under(self, node: Node, depth: int) -> str:
        """Return what follows a key and its colon, to the end of the line."""
        anchor = ""
        if isinstance(node, dict) and (named := node.get("&")):
            anchor, node = f" &{named}", {key: part for key, part in node.items() if key != "&"}
        if not node or not isinstance(node, list | dict) or self.chance.random() < 0.4:
            return f"{anchor} {self.flow(node)}\n"
        blanks = "  " * (depth + 1)
        if isinstance(node, list):
            return f"{anchor}\n" + "".join(f"{blanks}- {self.flow(part)}\n" for part in node)
        lines = (f"{blanks}{self.key(key)}:{self.under(part, depth + 1)}" for key, part in node.items())
        return f"{anchor}\n" + "".join(lines)

    def flow(self, node: Node) -> str:
        """Return a node on one line."""
        match node:
            case list():
                return f"[{', '.join(map(self.flow, node))}]"
            case dict():
                return f"{{{', '.join(f'{self.key(key)}: {self.flow(part)}' for key, part in node.items())}}}"
            case Bare():
                return node.text
            case _:
                return self.scalar(node)

    def scalar(self, text: str) -> str:
        """Return a text that is read as this text, in one of the ways in which it may be written."""
        forms = [json.dumps(text, ensure_ascii=max(text, default="") < "\U00010000" and self.chance.random() < 0.5)]
        if text.isprintable():
            forms.append("'" + text.replace("'", "''") + "'")
        if _PLAIN.fullmatch(text) and text not in _WORDS:
            forms += [text] * 4
        return self.chance.choice(forms)


NUMBERS = ("0x1F", "0o17", "017", "0b11", "1_000", "1e3", "1.50", "+5", "-0", ".5", "1.", "12e-2", "0", "8080")
SCALARS = (*NUMBERS, "true", "False", "~", "null", "", "yes", "2024-01-01", "plain", "a b", "NO", "-x", "1:2", "@")
TEXTS = ("x", "", "a: b", "it's", 'say "x"', "a # b", "1.0", "true", "null", "012", "0x1F", "${SET_A}", "${SET_B:-d}",
         "$$x", "a\\b", "two\nlines\n", "ünï", "🙂", " out ", "- a", "*x", "[a]", "%", "=", "2024-01-01", "1e3",
         "0o022")  # fmt: skip
"""The last of each are read as something else in the end, or by nobody: what holds one is refused."""
COMMANDS = ("node server.js --x=1", "sh -c 'a b'", 'run "x y" -- z', "true", "a\\ b c", "a && b")
SIZES = ("64m", "512M", "1gb", "1.5g", "256 mb", "33554432b", "1GiB", "0", "lots")
TIMES = ("30s", "1m30s", "500ms", "1h", "2.5s", "10")


class Writer:
    """Makes the parts of a file by chance; what is rare is refused, or left out with a note."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.volumes: dict[str, Node] = {}
        self.networks: dict[str, Node] = {}
        self.configs: dict[str, Node] = {}
        self.secrets: dict[str, Node] = {}

    def one(self, *options: Node) -> Node:
        """Return one of these."""
        return self.chance.choice(options)

    def some(self, options: tuple[str, ...], most: int = 3) -> list[Node]:
        """Return some of these, each once."""
        return list(self.chance.sample(options, self.chance.randint(1, min(most, len(options)))))

    def rarely(self) -> bool:
        """Return true now and then."""
        return self.chance.random() < 0.03

    def texts(self) -> str:
        """Return a text; seldom one that does not arrive."""
        return self.chance.choice(TEXTS if self.rarely() else TEXTS[:-1])

    def size(self) -> Node:
        """Return a size; seldom none."""
        return self.one(*(SIZES if self.rarely() else SIZES[:-2]), Bare("67108864"))

    def bare(self) -> Bare:
        """Return a plain scalar."""
        return Bare(self.chance.choice(SCALARS[:-1]))

    def entries(self, *names: str) -> Node:
        """Return names with values, as a mapping or as a list."""
        chosen = self.chance.sample(names, self.chance.randint(1, len(names)))
        if self.chance.random() < 0.5:
            return {name: self.one(self.texts(), self.bare()) for name in chosen}
        return [f"{name}={self.texts()}" if self.chance.random() < 0.8 else name for name in chosen]

    def labels(self) -> Node:
        """Return descriptions."""
        names = self.some(("com.example.a", "com.example.b", "org.opencontainers.image.title", "maintainer"))
        texts = [text for text in TEXTS[:-1] if "$" not in text]
        values = {str(name): self.one(*texts, Bare("1.50"), Bare("true")) for name in names}
        if self.chance.random() < 0.5:
            return values
        return [f"{name}={value}" for name, value in values.items() if isinstance(value, str)] or ["maintainer=x"]

    def words(self) -> Node:
        """Return a command as a text or as a list."""
        if self.chance.random() < 0.5:
            return self.chance.choice(COMMANDS if self.rarely() else COMMANDS[:-1])
        return [self.texts() for _ in range(self.chance.randint(1, 3))]

    def mount(self, target: str) -> Node:
        """Return a volume in a short or a long form, named or not."""
        name = self.chance.choice(("data_dir", "logs.x", "cache-1"))
        long: dict[str, Node] = {"type": "volume", "source": name, "target": target}
        no_copy: Node = {"nocopy": Bare("true")}
        bare: dict[str, Node] = {"type": "volume", "target": target}
        chosen = self.one(
            *(f"{name}:{target}", f"{name}:{target}:ro", f"{name}:{target}:rw", f"{name}:{target}:nocopy", target),
            *(long, {**long, "read_only": Bare("true")}, {**long, "volume": no_copy}, bare),
        )
        if self.rarely():
            chosen = self.one(f"./x:{target}", f"/srv:{target}", {"type": "tmpfs", "target": target})
        if chosen not in (target, bare):
            self.volumes[name] = self.one(Bare(""), {}, {"driver": "local"})
        return chosen

    def mounts(self) -> Node:
        """Return volumes, each at its own path."""
        return [self.mount(str(target)) for target in self.some(("/data", "/var/lib/x", "/app/node_modules", "/c d"))]

    def ports(self) -> Node:
        """Return published ports in each of their forms."""
        forms: list[Node] = [
            *("3000", "8080:80", "127.0.0.1:81:81", "53:53/udp", "9000-9001:9000-9001"),
            Bare("3001"),
            {"target": Bare("84"), "published": Bare("85")},
            {"target": Bare("86"), "published": "87", "mode": "host"},
            {"target": Bare("88"), "published": "89", "protocol": "udp"},
        ]
        return self.chance.sample(forms, self.chance.randint(1, 3))

    def joined(self) -> Node:
        """Return networks as a list or as a mapping."""
        names = [str(name) for name in self.some(("front", "back", "default"))]
        for name in names:
            self.networks[name] = self.one(Bare(""), {"internal": Bare("true")}, {"driver": "bridge"})
        if self.chance.random() < 0.5:
            return list[Node](names)
        return {name: self.one(Bare(""), {}, {"aliases": ["cache"]}, {"priority": Bare("5")}) for name in names}

    def placed(self) -> Node:
        """Return configs in the short and the long form."""
        for name in ("site", "other"):
            self.configs[name] = {"content": self.one("a: b\n", "listen 80;\n  x\n", "a $$x", "one")}
        long: dict[str, Node] = {"source": "other", "target": "/etc/x"}
        return self.one(["site"], [long], ["site", {**long, "mode": Bare("0440")}], [{**long, "uid": "1000"}])

    def kept_secret(self) -> Node:
        """Return a secret out of a variable."""
        self.secrets["token"] = {"environment": "SET_A"}
        return self.one(["token"], [{"source": "token", "target": "t"}])

    def health(self) -> Node:
        """Return a health check."""
        lists: list[Node] = [["CMD", "curl", "x y"], ["CMD-SHELL", "a | b"], ["NONE"]]
        test = self.one("curl -f http://localhost/ || exit 1", *lists)
        more: dict[str, Node] = {"start_period": "40s"} if self.chance.random() < 0.3 else {}
        return {"test": test, "interval": self.chance.choice(TIMES[:-1]), "retries": Bare("3"), **more}

    def limits(self) -> dict[str, Node]:
        """Return limits and reservations below `deploy`."""
        limits = {"memory": self.one("512m", "1g", "256M"), "cpus": self.one("0.5", Bare("1.5")), "pids": Bare("100")}
        kept = {key: limits[key] for key in self.chance.sample(sorted(limits), self.chance.randint(1, 3))}
        reserved: dict[str, Node] = {"memory": "64m", "cpus": "0.1"}
        return {"limits": kept, **({"reservations": reserved} if self.chance.random() < 0.5 else {})}

    def deployed(self) -> Node:
        """Return a `deploy` of what Compose heeds and what it does not."""
        more: list[dict[str, Node]] = [{"replicas": Bare("1")}, {"mode": "replicated"}, {"labels": {"a": "b"}}, {}, {}]
        resources: dict[str, Node] = {"resources": self.limits()} if self.chance.random() < 0.8 else {}
        return {**resources, **self.chance.choice(more)} or {"replicas": Bare("3")}

    def service(self, name: str, before: list[str], anchors: tuple[str, ...]) -> dict[str, Node]:
        """Return a service with some of the keys."""
        makers: Mapping[str, Callable[[], Node]] = {**self.plain(name), **self.parts(before)}
        chosen = self.chance.sample(sorted(makers), self.chance.randint(4, 10))
        made: dict[str, Node] = {key: makers[key]() for key in chosen}
        images = ("nginx", "registry.example.com/a/b:1", f"redis@sha256:{'a' * 64}", "ghcr.io/a/b:v1.2-x")
        made = {"image": self.chance.choice(images), **made}
        if anchors and self.chance.random() < 0.6:
            aliases = [f"*{anchor}" for anchor in anchors]
            merged = Bare(self.chance.choice([*aliases, f"[{', '.join(aliases)}]"]))
            made = {_MERGE: merged, **made} if self.chance.random() < 0.7 else {**made, _MERGE: merged}
        return _once_limited(made)

    def plain(self, name: str) -> Mapping[str, Callable[[], Node]]:
        """Return how to make each key that holds one word or a list of words."""
        return {
            "restart": lambda: self.one("always", "no", "unless-stopped", "on-failure:5"),
            "init": lambda: self.one(Bare("true"), Bare("false")),
            "tty": lambda: self.one(Bare("true"), Bare("True")),
            "read_only": lambda: Bare("false"),
            "user": lambda: self.one("1000:1000", "root", "65534"),
            "working_dir": lambda: self.one("/srv/app", "/a b"),
            "hostname": lambda: self.one("web", "a.example.com"),
            "stop_signal": lambda: self.one("SIGTERM", "SIGINT"),
            "stop_grace_period": lambda: self.chance.choice(TIMES[:-1]),
            "shm_size": self.size,
            "mem_limit": self.size,
            "mem_reservation": lambda: self.one("32m", Bare("8388608")),
            "cpus": lambda: self.one(Bare("0.5"), "0.25", Bare("1"), Bare("1.50")),
            "cpu_quota": lambda: self.one(Bare("50000"), "25000"),
            "cpu_shares": lambda: self.one(Bare("512"), "100"),
            "pids_limit": lambda: self.one(Bare("100"), "64", Bare("1000")),
            "cap_add": lambda: self.one(["CHOWN"], ["CAP_CHOWN", "SETUID"], ["net_bind_service"]),
            "cap_drop": lambda: self.one(["ALL"], ["NET_RAW", "MKNOD"]),
            "security_opt": lambda: ["no-new-privileges:true"],
            "dns": lambda: self.one("192.0.2.1", ["192.0.2.1", "2001:db8::1"]),
            "tmpfs": lambda: self.one("/run", ["/run", "/scratch:size=64m,mode=1777"]),
            "expose": lambda: self.chance.sample(["4000", Bare("4001"), "53/udp", "5000-5001"], 2),
            "extra_hosts": lambda: self.one(["a.example.com:192.0.2.7"], ["b=192.0.2.8"], {"c": "192.0.2.9"}),
            "runtime": lambda: self.one("runsc", "runc") if self.rarely() else "runsc",
            "container_name": lambda: f"{name}-1",
            "platform": lambda: "linux/amd64",
            "pull_policy": lambda: self.one("always", "missing"),
            "x-note": lambda: {"a": [Bare("1")]},
            "privileged": lambda: Bare("true" if self.rarely() else "false"),
        }

    def parts(self, before: list[str]) -> Mapping[str, Callable[[], Node]]:
        """Return how to make each key that has several forms or parts."""
        return {
            "command": self.words,
            "entrypoint": self.words,
            "environment": lambda: self.entries("A", "B_2", "c.d", "SET_A", "PORT", "lower"),
            "labels": self.labels,
            "volumes": self.mounts,
            "ports": self.ports,
            "networks": self.joined,
            "configs": self.placed,
            "secrets": self.kept_secret,
            "healthcheck": self.health,
            "deploy": self.deployed,
            "ulimits": lambda: {"nofile": {"soft": Bare("1024"), "hard": Bare("0x800")}, "nproc": Bare("1_00")},
            "logging": lambda: {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
            "depends_on": lambda: self.needs(before),
        }

    def needs(self, before: list[str]) -> Node:
        """Return those of the services before this one that it needs, in the short or the long form."""
        names = self.chance.sample(before, self.chance.randint(0, len(before)))
        if self.chance.random() < 0.5:
            return list[Node](names)
        more: tuple[dict[str, Node], ...] = ({}, {"restart": Bare("true")}, {"required": Bare("false")})
        return {name: {"condition": "service_started", **self.chance.choice(more)} for name in names}


def _once_limited(service: dict[str, Node]) -> dict[str, Node]:
    """Return the service without what Compose refuses beside `deploy`, and with one way to count processors."""
    limits = {"mem_limit", "cpus", "cpu_quota", "pids_limit", "container_name"} if "deploy" in service else set[str]()
    if "cpus" in service:
        limits.add("cpu_quota")
    return {key: value for key, value in service.items() if key not in limits}


def compose_file(number: int) -> str:
    """Return a compose file, the same one for the same number."""
    chance = random.Random(number)  # noqa: S311 - not for secrets
    writer = Writer(chance)
    common: dict[str, Node] = {"&": "common", "restart": "always", "environment": writer.entries("A", "M")}
    more: dict[str, Node] = {"&": "more", _MERGE: Bare("*common"), "user": "1000", "init": Bare("true")}
    anchors = chance.choice([(), ("common",), ("common", "more")])
    heads: dict[str, Node] = {f"x-{name}": {"common": common, "more": more}[name] for name in anchors}
    services: dict[str, Node] = {}
    for name in chance.sample(["web", "db", "job_1", "a.b", "Cache-2"], chance.randint(1, 3)):
        services[name] = writer.service(name, list(services), anchors)
    heads |= {"version": "3.8"} if chance.random() < 0.2 else {}
    beside = {"networks": writer.networks, "volumes": writer.volumes, "configs": writer.configs}
    parts = {key: part for key, part in {**beside, "secrets": writer.secrets}.items() if part}
    return Pen(chance).file({**heads, "services": services, **parts})
