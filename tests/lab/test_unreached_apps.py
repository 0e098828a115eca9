"""diagnose_app on a real Docker with a real Traefik: an app that its proxy gets nothing from is asked itself, too."""

import json
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.ink import says_yes
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.coolify_apps import PAGE, REGISTRY
from tests.lab.drain_bed import OLD, Draining, draining
from tests.lab.ground.hosts import Server
from tests.lab.tools_bed import client_of
from tests.tools.calls import call

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

LIMIT_S = 840
URL = "https://shop.s2.example.com"
NOTHING = "true"
APART = "a-network-of-its-own"
COMMANDS = {
    "elsewhere": "exec httpd -f -p 8080 -h /www",
    "to itself alone": "exec httpd -f -p 127.0.0.1:3000 -h /www",
    "hangs": "httpd -f -p 3000 -h /www & sleep 2; kill -STOP $!; exec sleep 600",
    "apart": "exec httpd -f -p 3000 -h /www",
}
"""What runs in the place of the shop's own program, in its own container; a kernel connects for one that is stopped."""
MET = {"elsewhere": "502", "to itself alone": "502", "hangs": "000", "apart": "000"}
"""What curl meets at the proxy then, within three seconds."""
_ASK = (
    "curl --silent --insecure --max-time 3 --output /dev/null --write-out '%{http_code}' "
    f"--connect-to ::127.0.0.1: {URL}"
)


@dataclass(frozen=True, slots=True)
class Told:
    """The verdict, and of the likeliest cause its code, words, evidence and mending; addresses are left out."""

    verdict: str
    code: str = ""
    what: str = ""
    evidence: str = ""
    mend: str = ""


LOG = "get_app_logs app=shop"
BAD = f"GET {URL} answers 502 Bad Gateway; its container itself:"
TOLD = {
    "up": Told("up"),
    "elsewhere": Told(
        "down",
        "port",
        "it listens on port 8080, and the proxy asks port 3000",
        f"{BAD} nothing listens at ADDRESS:3000, and port 8080 answers",
        "deploy_app name=shop port=8080",
    ),
    "to itself alone": Told(
        "down",
        "port",
        "nothing listens on its port 3000 for the proxy: only on 127.0.0.1 in its container, elsewhere, or not yet",
        f"{BAD} nothing listens at ADDRESS:3000",
        f"{LOG} may say where it listens; let it listen on 0.0.0.0 (often set_app_env HOST=0.0.0.0), or deploy_app "
        "with another port",
    ),
    "hangs": Told(
        "down",
        "gateway_timeout",
        "it takes connections at its port and answers nothing: it hangs, or speaks no plain HTTP there",
        f"GET {URL}: no answer within 10 seconds; its container itself: no answer at ADDRESS:3000",
        f"{LOG}, then rollback_app if a deployment broke it",
    ),
    "apart": Told(
        "down",
        "unreached",
        f"it answers its own server, and the proxy is in none of its networks: it is in {APART}, the proxy in coolify",
        f"GET {URL}: no answer within 10 seconds; its container itself: answers 200 at ADDRESS:3000",
        "restart the proxy of muscle-2 in Coolify (Servers, Proxy), which connects it to them; then look again",
    ),
}


def shop(server: Server) -> dict[str, Any]:
    """Return what Docker knows of the shop's container."""
    words = ("docker", "ps", "--all", "--format", "{{.Names}}", "--filter", "label=coolify.resourceName=shop")
    [name] = server.say(*words).split()
    [found] = json.loads(server.say("docker", "inspect", name))
    return found


def started(server: Server, trouble: str) -> None:
    """Put a container in the place of the shop's, with its name, labels, limits and runtime, that has this trouble.

    It is in its network from the start: gVisor takes none up that a running container is put into.
    """
    was = shop(server)
    name, limits, labels = was["Name"].removeprefix("/"), was["HostConfig"], was["Config"]["Labels"]
    server.say("docker", "rm", "--force", name)
    network = APART if trouble == "apart" else "coolify"
    server.run("docker", "network", "create", APART)
    server.say(
        *("docker", "run", "--detach", "--quiet", "--name", name, "--network", network),
        *(f"--runtime={limits['Runtime']}", f"--memory={limits['Memory']}", f"--pids-limit={limits['PidsLimit']}"),
        *("--restart=unless-stopped", *(f"--cap-drop={each}" for each in limits["CapDrop"] or ())),
        *(f"--label={key}={text}" for key, text in labels.items()),
        *(f"{REGISTRY}/{PAGE}", "/bin/sh", "-c", COMMANDS[trouble]),
    )


def met(server: Server) -> str:
    """Return which status the shop's URL has at its server's proxy, 000 where there is none."""
    return server.say("sh", "-c", f"{_ASK} || true")


async def diagnosed(it: Draining) -> Told:
    """Return what diagnose_app says of the shop."""
    async with it.app() as app, client_of(app, says_yes(OLD)) as client:
        said = (await call(client, "diagnose_app", app="shop")).data
    causes: list[dict[str, str]] = [*said.get("causes", ()), {}]
    first = {name: re.sub(r"(\d+\.){3}\d+:", "ADDRESS:", text) for name, text in causes[0].items()}
    return Told(said["verdict"], **first)


async def test_an_app_that_its_proxy_gets_nothing_from_is_asked_itself(bed: Bed, tmp_path: Path) -> None:
    """It listens elsewhere, to itself alone, hangs, or is in no network of the proxy: each is told as what it is, with
    what its own server saw of it, and what mends it.
    """
    told: dict[str, Told] = {}
    with anyio.fail_after(LIMIT_S), draining(bed, tmp_path, fill=NOTHING) as it:
        await eventually(lambda: met(it.server) == "200", what="the shop does not answer")
        told["up"] = await diagnosed(it)
        for trouble in COMMANDS:
            await meanwhile(partial(started, it.server, trouble))
            wanted = MET[trouble]
            await eventually(partial(_meets, it.server, wanted), what=f"the proxy does not answer {wanted}: {trouble}")
            told[trouble] = await diagnosed(it)
    assert told == TOLD


def _meets(server: Server, wanted: str) -> bool:
    return met(server) == wanted
