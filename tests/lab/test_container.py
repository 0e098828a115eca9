"""The product in its own image, on a real Docker: served, asked and stopped, and allowed next to nothing."""

import json
import re

import pytest

from tests.lab.bed import Bed
from tests.lab.container import IMAGE, PLACE, build, container, served
from tests.lab.ground.hosts import Server

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

OTHERS = ("--user=1234:1234", f"--volume={PLACE}/state:/state")
DECOYS = {"token.env": "INK_COOLIFY_TOKEN=3|decoy", "fleet.toml": "decoy"}
FLEET = """\
[coolify]
url = "https://coolify.example.com"
[factory]
name = "factory"
address = "192.0.2.10"
"""
DEPLOY = json.dumps({"name": "hello", "repository": "https://github.com/example/hello"})


@pytest.fixture
def docker(bed: Bed) -> Server:
    """Return a server whose Docker has built the image."""
    server = bed.fresh("muscle-1")
    build(bed.lab.site, server, DECOYS)
    return server


def test_the_image_is_made_of_the_package_and_runs_with_next_to_nothing(docker: Server) -> None:
    """Built by its own Dockerfile it has nothing that the allow list leaves out; it serves, keeps in its volume what
    waits for a person, reads secrets as files, and ends at once, without root, capabilities, network or writable disk.
    """
    it_is_set_up_as_the_documents_say(docker)
    nothing_of_the_checkout_is_in_it(docker)
    it_serves(docker)
    what_waits_is_seen_from_another_container(docker)
    secrets_come_from_files(docker)
    it_ends_when_it_is_told_to(docker)


def it_is_set_up_as_the_documents_say(docker: Server) -> None:
    """A user without a name, the command and its default word, two volumes, and no value of ours but their places."""
    config = json.loads(docker.say("docker", "image", "inspect", "--format", "{{json .Config}}", IMAGE))
    assert (config["User"], config["Entrypoint"], config["Cmd"]) == ("10001:10001", ["ink-infra-mcp"], ["serve"])
    assert sorted(config["Volumes"]) == ["/config", "/state"]
    ours = [value for value in config["Env"] if value.startswith("INK_")]
    assert sorted(ours) == ["INK_INFRA_CONFIG=/config/fleet.toml", "INK_INFRA_STATE=/state"]


def nothing_of_the_checkout_is_in_it(docker: Server) -> None:
    """What lay beside the source reached not even the stage that builds, and pip is not in what runs."""
    given = docker.say("docker", "run", "--rm", "--entrypoint=ls", f"{IMAGE}:build", "-A", "/source").split()
    assert sorted(given) == sorted(
        ["LICENSE", "README.md", "constraints.txt", "prompts", "pyproject.toml", "src", "tools"]
    )
    held = docker.say("docker", "run", "--rm", "--entrypoint=ls", IMAGE, "/opt/ink/bin").split()
    assert [name for name in held if name.startswith("pip")] == []


def it_serves(docker: Server) -> None:
    """A client that starts `docker run` gets a handshake, the tools, and an answer of the pretend servers."""
    with served(docker) as wire:
        wire.initialize()
        tools = wire.request("tools/list")["tools"]
        apps = wire.request("tools/call", {"name": "list_apps", "arguments": {}})
    assert "deploy_app" in {tool["name"] for tool in tools}
    assert {row[0]: row[4] for row in apps["structuredContent"]["rows"]}["shop"] == "runsc"


def what_waits_is_seen_from_another_container(docker: Server) -> None:
    """A plan that nobody could be asked about waits in the volume, for `approve` in a container of its own."""
    asked = container(docker, "call", "--sandbox", "deploy_app", DEPLOY, options=["--volume=state:/state"])
    assert asked.returncode == 3, asked.stderr
    waits = container(docker, "approvals", "--sandbox", options=["--volume=state:/state"])
    assert re.search(r"^ap-\w+ +waits +deploy_app +hello", waits.stdout, re.MULTILINE), waits
    docker.say("install", "-d", "-o", "1234", "-g", "1234", "-m", "0700", f"{PLACE}/state")
    others = container(docker, "call", "--sandbox", "deploy_app", DEPLOY, options=OTHERS)
    assert others.returncode == 3, others.stderr


def secrets_come_from_files(docker: Server) -> None:
    """A token in a file that only the container's user can read is found, and said by its place alone."""
    docker.write(f"{PLACE}/fleet.toml", FLEET)
    docker.write(f"{PLACE}/token", "3|pretend\n")
    docker.say("chown", "10001", f"{PLACE}/token")
    docker.say("chmod", "0400", f"{PLACE}/token")
    token = [
        f"--volume={PLACE}/token:/run/secrets/coolify_token:ro",
        f"--volume={PLACE}/fleet.toml:/config/fleet.toml:ro",
    ]
    named = "--env=INK_COOLIFY_TOKEN_FILE=/run/secrets/coolify_token"
    listed = container(docker, "secret", "list", options=[*token, named])
    assert re.search(r"^coolify_token +file /run/secrets/coolify_token$", listed.stdout, re.MULTILINE), listed
    assert "pretend" not in listed.stdout + listed.stderr


def it_ends_when_it_is_told_to(docker: Server) -> None:
    """As the first process of its container it obeys `docker stop`, and is not killed after the grace period."""
    with served(docker, "--name=served", status=143) as wire:
        wire.initialize()
        docker.say("docker", "stop", "served")
