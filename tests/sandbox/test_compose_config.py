"""The pretend `docker compose config`; tests/lab/test_emulator_compose.py holds it against the real one."""

import json
from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.compose.__main__ import answer
from ink_infra_mcp.sandbox.compose.project import Given, config
from tests.sandbox.compose_files import FILES
from tests.sandbox.test_coolify_compose import body, web
from tests.sandbox.test_hosts_docker import Docker
from tests.sandbox.worlds import pretend_coolify

pytestmark = pytest.mark.anyio


def filled(name: str) -> dict[str, dict[str, dict[str, object]]]:
    """Return what Compose makes of a file."""
    said = config(Given(FILES[name], "site", "/srv"))
    assert said.status == 0, said.err
    found: dict[str, dict[str, dict[str, object]]] = json.loads(said.out)
    return found


def test_short_forms_become_long_ones() -> None:
    """Ports and volumes as maps, folders where they lie, sizes in bytes as text, variables as a map of texts."""
    ports = filled("ports")["services"]["web"]["ports"]
    assert isinstance(ports, list)
    assert ports[:3] == [
        {"mode": "ingress", "target": 3000, "protocol": "tcp"},
        {"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"},
        {"mode": "ingress", "host_ip": "127.0.0.1", "target": 81, "protocol": "tcp"},
    ]
    volumes = filled("volumes")["services"]["web"]["volumes"]
    assert isinstance(volumes, list)
    assert {"type": "bind", "source": "/srv/x", "target": "/x", "bind": {"create_host_path": True}} in volumes
    assert {"type": "volume", "target": "/anonymous", "volume": {}} in volumes
    assert sorted(filled("volumes")["volumes"]) == ["data", "data2"]
    environment = filled("environment")["services"]["web"]["environment"]
    assert environment == {
        **{"A": "1", "B": "true", "C": "1.5", "D": None, "E": "", "F": "15", "G": "$$x", "H": "d"},
    }
    assert filled("limits")["services"]["a"]["mem_limit"] == "68719476736"
    assert "mem_limit" not in filled("limits")["services"]["d"]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("unknown key", 15, "validating -: services.web Additional property foo is not allowed"),
        ("no list", 15, "validating -: services.web.cap_add must be a list"),
        ("no image", 15, 'service "web" has neither an image nor a build context specified: invalid compose project'),
        ("no network", 15, 'service "web" refers to undefined network a: invalid compose project'),
        ("missing file", 14, "env file /nowhere/a.env not found: stat /nowhere/a.env: no such file or directory"),
        (
            "named and many",
            15,
            "services.scale: can't set container_name and web as container name must be unique: "
            "invalid compose project",
        ),
        ("twice", 15, 'yaml: unmarshal errors:\n  line 4: mapping key "image" already defined at line 3'),
    ],
)
def test_a_wrong_file_is_refused_in_composes_words(name: str, status: int, words: str) -> None:
    """Schema, what does not fit together, and files that are missing; each with Compose's status."""
    said = config(Given(FILES[name], "site"))
    assert (said.status, said.err, said.out) == (status, words + "\n", "")


def test_without_filling_nothing_is_compared() -> None:
    """--no-interpolate leaves texts, sizes and lists as they stand and sees none of the contradictions."""
    for name in ("no network", "named and many", "two limits", "missing file", "needed", "no image"):
        assert config(Given(FILES[name], "site"), fills=False).status == 0
    said = config(Given(FILES["limits"], "site"), fills=False)
    assert json.loads(said.out)["services"]["a"]["mem_limit"] == "64GiB"
    assert config(Given(FILES["unknown key"], "site"), fills=False).status == 1


def test_unset_variables_are_warned_of() -> None:
    """Once each, in the form of Docker's log."""
    said = answer(["-f", "-", "config", "--format", "json"], stdin="services: {a: {image: '${I}x$J'}}", files={}, now=0)
    words = 'level=warning msg="The \\"{}\\" variable is not set. Defaulting to a blank string."'
    start = 'time="1970-01-01T00:00:00Z" '
    assert said.err.splitlines() == [start + words.format(name) for name in "IJ"]


async def test_a_server_answers_for_the_files_of_its_services(tmp_path: Path) -> None:
    """The file that the start wrote is there to be read, with its variables; what is not known is unknown."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/services", body(web('environment: {A: "${B:-x}"}'), instant_deploy=True))
        coolify.clock.advance(61)
        (scratch := tmp_path / "scratch").mkdir()
        docker = Docker(scratch, coolify.state(), ["/bin/sh"])
        folder = f"/data/coolify/services/{uuid}"
        words = ("compose", "--project-directory", folder, "--project-name", uuid, "config", "--format", "json")
        status, out, err = docker(*words)
        assert (status, err) == (0, "")
        assert json.loads(out)["services"]["web"]["environment"]["A"] == "x"
        assert docker("compose", "version") == (0, "Docker Compose version 2.26.1-4\n", "")
        assert docker("compose", "-f", "/nowhere.yml", "config", "--format", "json")[0] == 14
        assert docker("compose", "ps")[0] == 127
        assert docker.unknown == ["docker compose ps"]
