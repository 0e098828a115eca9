"""What the pretend Coolify makes of compose files: compared with Coolify 4.3.11's own code when it was written."""

import base64
from pathlib import Path

import pytest
from pydantic import JsonValue

from ink_infra_mcp.sandbox.seed import PROJECT, SERVERS
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.sandbox.worlds import PretendCoolify, fields, items, pretend_coolify

pytestmark = pytest.mark.anyio

CHECKED_S = 61


def body(text: str, **more: JsonValue) -> dict[str, JsonValue]:
    """Return a request for a service of this file."""
    raw = base64.b64encode(text.encode()).decode()
    place = {"project_uuid": PROJECT, "environment_name": "production", "server_uuid": SERVERS["muscle-1"]}
    return {**place, "name": "site", "docker_compose_raw": raw, **more}


def web(lines: str) -> str:
    """Return a file with one service."""
    return f"services:\n  web:\n    image: web:1\n    {lines}\n"


async def started(coolify: PretendCoolify, text: str, **more: JsonValue) -> tuple[str, list[Container]]:
    """Make and start a service and wait for a check; return its uuid and its containers."""
    uuid = await coolify.made("/services", body(text, instant_deploy=True, **more))
    coolify.clock.advance(CHECKED_S)
    return uuid, coolify.containers("muscle-1", uuid)


@pytest.mark.parametrize(
    ("volume", "mounted"),
    [
        ("/root/.ssh", "/root/.ssh:/root/.ssh"),
        ("/var/run/docker.sock", "/var/run/docker.sock:/var/run/docker.sock"),
        ("./x:/x", "/data/coolify/services/UUID/x:/x"),
        ("~/y:/y", "/data/coolify/services/UUID/y:/y"),
        ("../z:/z", "/data/coolify/services/UUID./z:/z"),
        ("data:/data:ro", "UUID_data"),
        ("my.data_dir:/data", "UUID_mydata-dir"),
        ("'${VAR:-vol}:/v'", "UUID_vol"),
        ("{type: volume, target: /a}", "UUID_"),
    ],
)
async def test_a_volume_becomes_what_coolify_makes_of_it(tmp_path: Path, volume: str, mounted: str) -> None:
    """A path alone is bound from the server, names get the uuid, and one without a source the shared odd name."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid, (container,) = await started(coolify, web(f"volumes: [{volume}]"))
        assert container.volumes == [mounted.replace("UUID", uuid)]
        assert (mounted.startswith("/")) != (container.volumes[0] in coolify.state().hosts["muscle-1"].volumes)


async def test_the_stored_file_is_written_anew_and_the_generated_one_is_another(tmp_path: Path) -> None:
    """Comparing text finds no two equal files; what runs has names, labels, networks and variables of Coolify's."""
    async with pretend_coolify(tmp_path) as coolify:
        text = "name: x\nservices:\n    web: {image: web:1, cap_drop: [ALL], restart: 'no', command: \"a\\nb\"}\n"
        uuid = await coolify.made("/services", body(text))
        row = await coolify.row(f"/services/{uuid}")
        stored = "name: x\nservices:\n  web:\n    image: 'web:1'\n    cap_drop:\n      - ALL\n    restart: 'no'\n"
        assert row["docker_compose_raw"] == stored + '    command: "a\\nb"\n'
        made = str(row["docker_compose"])
        assert made.startswith("services:\n  web:\n    image: 'web:1'\n    cap_drop:\n      - ALL\n    restart: 'no'\n")
        end = f"networks:\n  {uuid}:\n    name: {uuid}\n    external: true\n"
        assert f"    container_name: web-{uuid}\n" in made
        assert f"    env_file:\n      - .env\n{end}" in made
        assert "name: x" not in made


async def test_domains_are_in_the_generated_file_from_the_start_on(tmp_path: Path) -> None:
    """Creation makes the file before it takes the URLs; the container then has the labels of both proxies."""
    async with pretend_coolify(tmp_path) as coolify:
        url: JsonValue = [{"name": "web", "url": "https://x.example.com:3000"}]
        uuid, (container,) = await started(coolify, web("labels: {a: $b, traefik.enable: true}"), urls=url)
        name = f"https-0-{uuid}-web-2567"
        assert container.labels[f"traefik.http.routers.{name}.rule"] == "Host(`x.example.com`) && PathPrefix(`/`)"
        assert container.labels[f"traefik.http.services.{name}.loadbalancer.server.port"] == "3000"
        assert container.labels["caddy_0"] == "https://x.example.com"
        assert (container.labels["a"], container.labels["coolify.service.subType"]) == ("$b", "application")
        other = await coolify.made(
            "/services", body(web("ports: []"), urls=[{"name": "web", "url": "https://y.example.com"}])
        )
        assert "traefik" not in str((await coolify.row(f"/services/{other}"))["docker_compose"])


async def test_a_file_can_claim_hosts_and_domains_of_its_own(tmp_path: Path) -> None:
    """Labels pass as they are, and a variable that asks for a domain publishes its part."""
    async with pretend_coolify(tmp_path) as coolify:
        steal = "traefik.http.routers.steal.rule=Host(`shop.s1.example.com`)"
        lines = f'labels: ["{steal}"]\n    environment: [SERVICE_FQDN_WEB_3000=/]'
        uuid, (container,) = await started(coolify, web(lines))
        assert container.labels["traefik.http.routers.steal.rule"] == "Host(`shop.s1.example.com`)"
        (part,) = coolify.state().coolify.services[0].parts
        assert part.fqdn == f"https://web-{uuid}.s1.example.com:3000"


async def test_variables_of_the_file_become_rows(tmp_path: Path) -> None:
    """Each whole value that names one, with its default; none is literal, and what is inside a text makes no row."""
    async with pretend_coolify(tmp_path) as coolify:
        lines = 'environment: {A: "${A}", B: "${BB:-x}", C: "p${C}q", D: "$DD", SERVICE_URL_WEB: ""}'
        uuid = await coolify.made("/services", body(web(lines)))
        rows = coolify.state().coolify.services[0].envs
        assert {row.key: row.value for row in rows} == {
            **{"A": None, "BB": "x", "DD": None},
            "SERVICE_FQDN_WEB": f"web-{uuid}.s1.example.com",
            "SERVICE_URL_WEB": f"https://web-{uuid}.s1.example.com",
        }
        assert not any(row.is_literal for row in rows)


@pytest.mark.parametrize("image", ["influxdb:2", "postgres:17", "docker.io/bitnami/redis"])
async def test_a_front_whose_image_is_a_database_can_have_no_url(tmp_path: Path, image: str) -> None:
    """422 in Coolify's words, and the new service is gone again."""
    async with pretend_coolify(tmp_path) as coolify:
        text = f"services: {{web: {{image: '{image}'}}}}"
        url: JsonValue = [{"name": "web", "url": "https://x.example.com"}]
        status, answer = await coolify.ask("POST", "/services", body(text, urls=url))
        assert (status, fields(answer)["errors"]) == (422, ["Service container with 'web' not found."])
        assert coolify.state().coolify.services == []
        uuid = await coolify.made("/services", body(text))
        assert [part["name"] for part in items((await coolify.row(f"/services/{uuid}"))["databases"])] == ["web"]


@pytest.mark.parametrize(
    ("text", "status", "left"),
    [
        ("a: [", 500, 0),
        ("services: {web: {image: a, image: b}}", 500, 0),
        ("services: {web: {image: a, ports: !reset []}}", 500, 0),
        (web("volumes: [5]"), 500, 1),
        (web("environment: {A: {b: c}}"), 500, 1),
        ("services: {web: {image: 'mysql:8', ports: [{target: 3306}]}}", 500, 1),
        (web("volumes: ['$(id):/x']"), 422, 0),
        ("services: {'a;b': {image: x}}", 422, 0),
        (web("scale: 3"), 201, 1),
        ("services: {'123': {image: x}}", 201, 1),
    ],
)
async def test_files_that_coolify_cannot_take(tmp_path: Path, text: str, status: int, left: int) -> None:
    """What PHP throws at after the row is saved leaves a service without a generated file."""
    async with pretend_coolify(tmp_path) as coolify:
        assert (await coolify.ask("POST", "/services", body(text)))[0] == status
        assert len(coolify.state().coolify.services) == left


async def test_an_unsafe_volume_is_refused_with_its_reason(tmp_path: Path) -> None:
    """The sign and what a shell takes it for."""
    async with pretend_coolify(tmp_path) as coolify:
        _, answer = await coolify.ask("POST", "/services", body(web("volumes: ['$(id):/x']")))
        assert "contains forbidden character '$(' (command substitution)" in str(answer)


@pytest.mark.parametrize(
    "lines",
    [
        *("cap_add: []", "scale: 3", "deploy: {replicas: 2}", "mem_limit: lots", "build: .", "foo: 1"),
        *("mem_limit: 100m\n    mem_reservation: 1g", "depends_on: [db]", "env_file: {path: other.env}"),
        "volumes: [{source: x, target: /x}]",
    ],
)
async def test_a_file_that_compose_or_docker_refuses_starts_nothing(tmp_path: Path, lines: str) -> None:
    """The API says that it is queued; the status stays what it was, and no log tells why."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid, containers = await started(coolify, web(lines))
        assert (containers, (await coolify.row(f"/services/{uuid}"))["status"]) == ([], "exited")


@pytest.mark.parametrize(
    ("port", "published"),
    [
        ("'3000'", ["0.0.0.0:32768->3000/tcp"]),
        ("'8080:80'", ["0.0.0.0:8080->80/tcp"]),
        ("'127.0.0.1::80'", ["127.0.0.1:32768->80/tcp"]),
        ("'127.0.0.1:81:80'", ["127.0.0.1:81->80/tcp"]),
        ("'53:53/udp'", ["0.0.0.0:53->53/udp"]),
        ("'3000-3001:4000-4001'", ["0.0.0.0:3000->4000/tcp", "0.0.0.0:3001->4001/tcp"]),
        ("{target: 80, published: 8081, host_ip: 127.0.0.1}", ["127.0.0.1:8081->80/tcp"]),
        ("'[::1]:80:80'", ["[::1]:80->80/tcp"]),
    ],
)
async def test_ports_are_published_in_all_of_composes_forms(tmp_path: Path, port: str, published: list[str]) -> None:
    """One whose outer side is open gets a high number."""
    async with pretend_coolify(tmp_path) as coolify:
        _, (container,) = await started(coolify, web(f"ports: [{port}]"))
        assert container.ports == published


async def test_limits_and_variables_reach_the_container_as_compose_reads_them(tmp_path: Path) -> None:
    """Sizes in Docker's spellings, defaults of variables, and text for text."""
    async with pretend_coolify(tmp_path) as coolify:
        lines = "mem_limit: '${MEM:-64GiB}'\n    environment: {A: 'x$$y', B: yes, C: 1.10, D: '0o022'}"
        _, (container,) = await started(coolify, web(lines))
        assert container.memory_bytes == 64 * 2**30
        assert {key: container.env[key] for key in "ABCD"} == {"A": "x$y", "B": "yes", "C": "1.1", "D": "18"}
