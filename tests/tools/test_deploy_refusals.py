"""deploy_app with bad input: each case is refused with a clear sentence, before anybody is asked, changing nothing."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Said, app_named, call, deploy

IMAGE = "registry.example.com/web:1"
HELLO = "https://github.com/example/hello"
RIGHT_TO_LEFT = "\u202e"
FILE = "services:\n  web:\n    image: registry.example.com/web:1\n"

NAMES: dict[str, str] = {
    "shell": "web; rm -rf /",
    "substitution": "$(reboot)",
    "option": "--privileged",
    "path": "../etc/passwd",
    "control": "web\x1b[2J",
    "new line": "web\n",
    "right to left": f"web{RIGHT_TO_LEFT}gpj",
    "capitals": "Web",
    "too long": "a" * 64,
    "empty": "",
}
ADDRESSES: dict[str, str] = {
    "no url": "not a url",
    "file": "file:///etc/passwd",
    "shell": f"{HELLO};reboot",
    "substitution": f"{HELLO}$(reboot)",
    "option": "--upload-pack=reboot",
    "new line": f"{HELLO}\n",
    "right to left": f"{HELLO}{RIGHT_TO_LEFT}",
    "letters of another script": "https://github.com/example/h\u0435llo",
    "up": "https://github.com/../../etc",
    "internal": "https://localhost/example/hello",
    "plain http": "http://github.com/example/hello",
    "password": "https://user:hunter2@github.com/example/hello",
}
IMAGES: dict[str, str] = {
    "capitals": "Registry.example.com/Web:1",
    "shell": "web:1;reboot",
    "new line": "web:1\n",
    "short digest": "web@sha256:abc",
    "spaces": "web:1 --privileged",
    "right to left": f"web{RIGHT_TO_LEFT}:1",
    "empty": "",
}
BRANCHES = ("main;reboot", "--force", "a..b", "a//b", "HEAD", "main\n", "x.lock", "a@{1}", f"main{RIGHT_TO_LEFT}")
DOMAINS = (
    "https://web.example.com",
    "*.example.com",
    "web.example.com:8080",
    "web_1.example.com",
    "localhost",
    "a b.com",
)
OPTIONS: dict[str, str] = {
    "--privileged": "`--privileged` is forbidden",
    "--cap-add=SYS_ADMIN": "`--cap-add=SYS_ADMIN` adds a capability that policy does not allow",
    "--security-opt seccomp=unconfined": "`--security-opt` is forbidden",
    "--security-opt=no-new-privileges:true": "Coolify reads `no`",
    "--device=/dev/kvm": "`--device` is forbidden",
    "--runtime=runc": "`--runtime=runc` is not the isolating runtime runsc",
    "--runtime=runsc": "`--runtime` is given 2 times",
    "--pids-limit=64": "`--pids-limit` is given 2 times",
    "--pids-limit=-1": "`--pids-limit=-1` does not arrive as written",
    "-v /:/host": "`-v` is no long option: Coolify ignores it",
    "--network=host": "`--network` is dropped by Coolify without a word",
    "--hostname=a-b --ip=192.0.2.1": "`--ip` is forbidden",
    "--shm-size=1g --privileged": "`--privileged` is forbidden",
}
COMPOSE: dict[str, tuple[str, str]] = {
    "not yaml": ("services: [", "The compose file is not YAML in line "),
    "deep": ("[" * 20_000, "Line 1 of the compose file is nested too deeply."),
    "text": ("hello", "The compose file has no services."),
    "no services": ("services: {}\n", "the file has no services"),
    "empty service": ("services:\n  web:\n", "web: is no service"),
    "bad name": ("services:\n  'web;reboot': {image: a}\n", "'web;reboot' is no name for a service"),
    "number": (f"services:\n  1: {{image: '{IMAGE}'}}\n", "has a key that is no text; write it in quotes"),
    "privileged": (f"{FILE}    privileged: true\n", "privileged: True gives the app"),
    "socket": (f"{FILE}    volumes: ['/var/run/docker.sock:/s']\n", "hands the Docker socket to the app"),
    "host path": (f"{FILE}    volumes: ['/:/host']\n", "mounts a path of the Muscle"),
    "host network": (f"{FILE}    network_mode: host\n", "leaves the app's own network"),
    "capability": (f"{FILE}    cap_add: [SYS_ADMIN]\n", "cap_add: SYS_ADMIN is not allowed by policy"),
    "unknown key": (f"{FILE}    gpu_magic: all\n", "not known to be harmless"),
    "two services": (f"{FILE}  db: {{image: '{IMAGE}'}}\n", "Which service gets the URL? The file has: web, db."),
}
VARIABLES: dict[str, tuple[dict[str, str], str]] = {
    "1 MB": ({"BIG": "x" * 2**20}, "variables and values may have 256 KiB in all"),
    "many": ({f"V{n}": "" for n in range(501)}, "has more than 500 entries"),
    "name": ({"A B": "1"}, "a variable's name has letters, digits, _ and ."),
    "shell": ({"A$(reboot)": "1"}, "a variable's name has letters, digits, _ and ."),
    "new line": ({"A\n": "1"}, "a variable's name has letters, digits, _ and ."),
    "nul": ({"A": "\x00"}, "A: NUL cannot be in a variable"),
    "spaces": ({"A": " x "}, "A: Coolify cuts off spaces, line breaks and letters without ink at both ends of a value"),
    "token": ({"A": "ghp_" + "a" * 36}, "A (it is a token whose form tells whose it is)"),
    "private key": ({"A": "-----BEGIN PRIVATE KEY-----\nx"}, "A (it is a private key)"),
    "bad reference": ({"A": "secret:../x"}, "A: a stored secret is named secret:NAME"),
    "missing": ({"A": "secret:NOT_STORED"}, "No stored secret is called NOT_STORED. Nothing was changed."),
}


async def refusals(it: Ink, calls: dict[str, dict[str, Any]]) -> dict[str, Said]:
    """Make the calls; return the answers, which must all be refusals that asked nobody and wrote nothing."""
    person, before = says_yes(), it.journal
    async with it.client(person) as client:
        said = {name: await deploy(client, **arguments) for name, arguments in calls.items()}
    assert (person.asked, it.journal) == ([], before)
    assert {name: answer.text for name, answer in said.items() if not answer.text.startswith("[invalid_input]")} == {}
    return said


@pytest.mark.anyio
async def test_names_addresses_images_branches_and_domains_are_checked(tmp_path: Path) -> None:
    """Shell words, options, paths, control characters and right-to-left marks are no names of anything."""
    calls: dict[str, dict[str, Any]] = {
        **{f"name, {why}": {"name": bad, "image": IMAGE} for why, bad in NAMES.items()},
        **{f"url, {why}": {"name": "web", "repository": bad} for why, bad in ADDRESSES.items()},
        **{f"image, {why}": {"name": "web", "image": bad} for why, bad in IMAGES.items()},
        **{f"branch, {bad!r}": {"name": "web", "repository": HELLO, "branch": bad} for bad in BRANCHES},
        **{f"domain, {bad!r}": {"name": "web", "image": IMAGE, "domain": bad} for bad in DOMAINS},
        "folder": {"name": "web", "repository": HELLO, "base_directory": "/a b;c"},
        "health path": {"name": "web", "image": IMAGE, "health_path": "/\u00fc"},
        "command": {"name": "web", "repository": HELLO, "start_command": "a\x1bb"},
        "memory": {"name": "web", "image": IMAGE, "memory": "0"},
        "unlimited": {"name": "web", "image": IMAGE, "cpus": "0"},
        "port": {"name": "web", "image": IMAGE, "port": 65536},
        "two sources": {"name": "web", "image": IMAGE, "repository": HELLO},
        "no source": {"name": "web"},
        "unknown argument": {"name": "web", "image": IMAGE, "confirm": True},
        "unknown muscle": {"name": "web", "image": IMAGE, "muscle": "muscle-9"},
    }
    with anyio.fail_after(120):
        async with ink(tmp_path) as it:
            said = await refusals(it, calls)

    assert {name: answer.text for name, answer in said.items() if "hunter2" in answer.text} == {}
    marks = {name for name, answer in said.items() if RIGHT_TO_LEFT in answer.text or "\x1b" in answer.text}
    assert marks == set()
    assert "There is no Muscle 'muscle-9'. Nothing was changed. The fleet has: muscle-1, muscle-2." in (
        said["unknown muscle"].text
    )
    assert "The repository URL holds a password." in said["url, password"].text


@pytest.mark.anyio
async def test_what_weakens_isolation_is_named(tmp_path: Path) -> None:
    """Run options and compose files that would open the Muscle, or would not arrive as written, say which part does."""
    calls: dict[str, dict[str, Any]] = {
        **{bad: {"name": "web", "image": IMAGE, "run_options": bad} for bad in OPTIONS},
        **{why: {"name": "web", "compose": text} for why, (text, _) in COMPOSE.items()},
    }
    words = {**OPTIONS, **{why: words for why, (_, words) in COMPOSE.items()}}
    with anyio.fail_after(120):
        async with ink(tmp_path) as it:
            said = await refusals(it, calls)

    assert {name: answer.text for name, answer in said.items() if words[name] not in answer.text} == {}


@pytest.mark.anyio
async def test_variables_are_checked_before_anything_else(tmp_path: Path) -> None:
    """A megabyte, wrong names, values that Coolify would change or that look like secrets, and missing secrets."""
    calls = {why: {"name": "web", "image": IMAGE, "env": env} for why, (env, _) in VARIABLES.items()}
    with anyio.fail_after(90):
        async with ink(tmp_path) as it:
            said = await refusals(it, calls)

    assert {why: a.text for why, a in said.items() if VARIABLES[why][1] not in a.text} == {}
    assert "Run `ink-infra-mcp secret set app:NOT_STORED`." in said["missing"].text
    assert {why for why, answer in said.items() if len(answer.text) > 1000} == set()


@pytest.mark.anyio
async def test_a_domain_of_another_app_is_refused_whatever_its_scheme(tmp_path: Path) -> None:
    """Coolify compares whole URLs, so that http and https of one host do not meet there; here the host counts."""

    def plain(state: WorldState) -> None:
        app_named(state, "shop").columns["fqdn"] = "http://shop.s1.example.com:8080/path"

    calls: dict[str, dict[str, Any]] = {
        "given": {"name": "web", "image": IMAGE, "domain": "shop.s1.example.com"},
        "of an update": {"name": "docs", "image": "registry.example.com/docs:1.4", "domain": "shop.s1.example.com"},
        "made from the name": {"name": "docs", "image": IMAGE, "domain": "legacy.s1.example.com"},
    }
    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=plain) as it:
            said = await refusals(it, calls)

    assert "shop.s1.example.com belongs to the app shop (" in said["given"].text
    assert "shop.s1.example.com belongs to the app shop (" in said["of an update"].text
    assert "legacy.s1.example.com belongs to the app legacy (" in said["made from the name"].text


@pytest.mark.anyio
async def test_unknown_ambiguous_and_deleted_names_say_what_there_is(tmp_path: Path) -> None:
    """A near name is offered, several apps of one name are listed, and a deleted one is unknown."""

    def twins(state: WorldState) -> None:
        docs = app_named(state, "docs")
        twin = Application.model_validate({**docs.model_dump(), "uuid": "twinofdocs0000000000000a", "id": 999})
        state.coolify.applications.append(twin)

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=twins) as it, it.client(says_yes()) as client:
            unknown = await call(client, "get_app", app="shopp")
            ambiguous = await call(client, "control_app", app="docs", action="stop")
            several = await deploy(client, name="docs", image=IMAGE)
            marked = await call(client, "get_app", app=f"{RIGHT_TO_LEFT}shop\x1b[2J")
            by_domain = await call(client, "get_app", app="Shop.S1.example.com")
            by_uuid = await call(client, "get_app", app=app_named(it.state, "shop").uuid)
            with it.world.change() as state:
                state.coolify.applications = [a for a in state.coolify.applications if a.text("name") != "shop"]
            gone = await call(client, "control_app", app="shop", action="stop")
            journal = it.journal

    assert unknown.text == (
        "[unknown_name] There is no app 'shopp'. Near names: shop. Nothing was changed. See list_apps."
    )
    assert "[ambiguous_name] 2 apps answer to 'docs': docs " in ambiguous.text
    assert "twinofdocs0000000000000a on muscle-2" in ambiguous.text
    assert "2 apps are named 'docs': " in several.text
    assert "There is no app '<U+202E>shop<U+001B>[2J'. Near names: shop." in marked.text
    assert by_domain.data["name"] == by_uuid.data["name"] == "shop"
    assert "[unknown_name] There is no app 'shop'." in gone.text
    assert journal == []
