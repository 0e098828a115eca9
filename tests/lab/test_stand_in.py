"""The lab's stand-in for Coolify is one: how it starts, what it answers, and what it keeps, as the real one does."""

import json
from collections.abc import Iterator

import anyio
import pytest

from ink_infra_mcp.hosts.factory.configured import Configured, configured, kind_of
from ink_infra_mcp.hosts.factory.coolify_image import OPTION, SOURCE, knows_runtime_option
from ink_infra_mcp.hosts.factory.looking import AutoUpdate, FactoryFacts, look_at_coolify
from tests.lab.bed import Bed
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import COOLIFY
from tests.lab.ground.lab import Lab
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import GOOD_1, GOOD_2, OFFICIAL
from tests.lab.ground.stand_in.factory import BASE, CUSTOM, IMAGE, PROD, Coolify, installed
from tests.lab.ground.stand_in.migrations import BROKEN
from tests.lab.ground.stand_in.pushing import Published

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in"), pytest.mark.timeout(1800)]

LIMIT_S = 270.0
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----\n"
CONTAINERS = {"coolify", "coolify-db", "coolify-redis", "coolify-realtime"}
STATUS = "{{.State.Health.Status}}"
AT_ITS_PORT = "http://127.0.0.1:8080/api/health"


@pytest.fixture(scope="module")
def images(lab: Lab) -> dict[str, Published]:
    """Return the images of the stand-in, which are in the registry then."""
    return catalogue.published(lab.site)


@pytest.fixture(scope="module")
def coolify(lab: Lab) -> Coolify:
    """Return the official Coolify on the Factory; each test leaves it as it runs."""
    return installed(Bed(lab).fresh("factory"))


@pytest.fixture
def case(coolify: Coolify) -> Iterator[str]:
    """Give the name of a container that is gone after the test, whatever became of it."""
    yield "case"
    coolify.server.run("docker", "rm", "--force", "--volumes", "case")


async def looked(bed: Bed) -> FactoryFacts:
    """Return what the product reads on the Factory."""
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            return await look_at_coolify(pool, "factory")


def health(coolify: Coolify, container: str = "coolify") -> str:
    """Return what Docker says of a container's health."""
    return coolify.server.say("docker", "inspect", "--format", STATUS, container).strip()


def start(coolify: Coolify, name: str, image: Published) -> None:
    """Start a container of an image beside Coolify, which it shares nothing with."""
    coolify.server.say("docker", "run", "--detach", "--quiet", "--name", name, image.pinned, limit_s=LIMIT_S)


def answer(coolify: Coolify, name: str) -> str:
    """Return the status that a container gives for its health."""
    words = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", AT_ITS_PORT)
    return coolify.server.run("docker", "exec", name, *words).stdout


def asked(coolify: Coolify, path: str, *more: str) -> str:
    """Return what Coolify's API answers at the Factory's port 8000."""
    return coolify.server.say("curl", "--silent", *more, f"http://127.0.0.1:8000/api/{path}")


async def test_the_product_reads_everything_of_it(bed: Bed, coolify: Coolify, images: dict[str, Published]) -> None:
    """Four containers run by Coolify's own two compose files and are healthy, and nothing of them stays unknown."""
    facts = await looked(bed)
    inspected = json.loads(coolify.server.say("docker", "image", "inspect", images[OFFICIAL].reference))[0]
    running = set(coolify.server.say("docker", "ps", "--format", "{{.Names}}").split())
    assert {name: health(coolify, name) for name in running} == dict.fromkeys(CONTAINERS, "healthy")
    wanted = FactoryFacts(
        host="factory",
        clock=facts.clock,
        image=inspected["Id"],
        reference=images[OFFICIAL].reference,
        state="running",
        digests=(images[OFFICIAL].pinned,),
        named=inspected["Id"],
        base="4.3.11",
        images={BASE: "", PROD: IMAGE},
        env={"REGISTRY_URL": "registry.lab:5000", "LATEST_IMAGE": "4.3.11", "COOLIFY_VERSION": "4.3.11"},
        planned=facts.planned,
        auto_update=AutoUpdate(on=True, cron="0 0 * * *", zone="UTC"),
        schedules=(),
        dumps=(),
        kept=(),
        drills=(),
        unknown={},
    )
    assert facts.model_dump() == wanted.model_dump()
    assert configured(facts) == Configured(image=images[OFFICIAL].reference, file=PROD)


@pytest.mark.long
async def test_only_the_fork_has_the_option_and_only_its_second_release_the_migration(
    bed: Bed, coolify: Coolify, images: dict[str, Published]
) -> None:
    """As the product looks for the option in what runs, and as its own files say in each image that can run."""
    found: dict[str, tuple[int, bool]] = {}
    for name in (OFFICIAL, GOOD_1, GOOD_2, catalogue.NO_OPTION):
        shell = f'grep -c -- "$1" {SOURCE}; ls database/migrations'
        words = (
            "docker",
            "run",
            "--rm",
            "--quiet",
            "--entrypoint",
            "sh",
            images[name].pinned,
            "-c",
            shell,
            "sh",
            OPTION,
        )
        count, *migrations = coolify.server.say(*words, limit_s=LIMIT_S).split()
        found[name] = (int(count), f"{catalogue.MORE}.php" in migrations)
    assert found == {OFFICIAL: (0, False), GOOD_1: (1, False), GOOD_2: (1, True), catalogue.NO_OPTION: (0, False)}
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            assert await knows_runtime_option(pool, "factory") is False


@pytest.mark.long
async def test_a_fork_runs_where_the_override_names_it(
    bed: Bed, coolify: Coolify, images: dict[str, Published]
) -> None:
    """Named by its digest in the override it takes the place of the official one, and the option is there."""
    fork = images[GOOD_2].pinned
    coolify.server.write(f"{COOLIFY}/{CUSTOM}", f"services:\n  coolify:\n    image: {fork}\n")
    coolify.up()
    try:
        facts = await looked(bed)
        async with bed.pool() as pool:
            with anyio.fail_after(LIMIT_S):
                knows = await knows_runtime_option(pool, "factory")
        status = coolify.artisan("migrate:status").stdout
    finally:
        coolify.server.say("rm", f"{COOLIFY}/{CUSTOM}")
        coolify.up()
    assert (facts.reference, facts.digests, facts.unknown, knows) == (fork, (fork,), {}, True)
    assert configured(facts) == Configured(image=fork, file=CUSTOM)
    assert kind_of(fork) == "fork"
    assert any(catalogue.MORE in line and line.endswith("[2] Ran  ") for line in status.splitlines())
    # the official image has no such file, and says nothing of what the database has had
    assert catalogue.MORE not in coolify.artisan("migrate:status").stdout
    assert coolify.sql("select count(*) from migrations where migration = :'name'", name=catalogue.MORE) == "1"


def test_the_bad_images_are_bad_each_in_its_way(coolify: Coolify, images: dict[str, Published], case: str) -> None:
    """One tells of no health, one exits at once, one comes late, and one is for another processor."""
    start(coolify, case, images[catalogue.UNHEALTHY])
    until(lambda: answer(coolify, case) == "500", what="the unhealthy one does not answer with 500", limit_s=LIMIT_S)
    coolify.server.say("docker", "rm", "--force", case)
    start(coolify, case, images[catalogue.CRASHING])
    assert coolify.server.say("docker", "wait", case, limit_s=LIMIT_S).strip() == "1"
    coolify.server.say("docker", "rm", "--force", case)
    start(coolify, case, images[catalogue.SLOW])
    assert answer(coolify, case) == "000"
    until(lambda: answer(coolify, case) == "200", what="the slow one never answers", limit_s=LIMIT_S)
    refused = coolify.server.run("docker", "pull", "--quiet", images[catalogue.WRONG_ARCH].reference, limit_s=LIMIT_S)
    assert (refused.returncode, "no matching manifest for linux/amd64" in refused.stderr) == (1, True)


@pytest.mark.long
def test_a_start_fails_the_deployments_that_wait_and_takes_the_switch_of_updates(coolify: Coolify) -> None:
    """Queued and running ones are failed afterwards, finished ones are not; AUTOUPDATE of .env is in the database."""
    for uuid, status in {"dp1": "queued", "dp2": "in_progress", "dp3": "finished"}.items():
        coolify.queue_deployment(uuid, status=status)
    assert asked(coolify, "health") == "OK"
    text = coolify.server.say("cat", f"{COOLIFY}/.env")
    coolify.server.write(f"{COOLIFY}/.env", f"{text}AUTOUPDATE=false\n")
    coolify.up()
    off = coolify.sql("select is_auto_update_enabled from instance_settings")
    queue = coolify.sql("select deployment_uuid, status from application_deployment_queues order by 1")
    coolify.server.write(f"{COOLIFY}/.env", f"{text}AUTOUPDATE=true\n")
    coolify.up()
    assert off == "f"
    assert queue.splitlines() == ["dp1|failed", "dp2|failed", "dp3|finished"]
    assert coolify.sql("select is_auto_update_enabled from instance_settings") == "t"


@pytest.mark.long
def test_a_stored_key_is_encrypted_and_only_its_app_key_reads_it(coolify: Coolify) -> None:
    """The database has Laravel's envelope; it opens with this APP_KEY, also as a previous one, and with no other."""
    coolify.store_key("ky1", KEY)
    stored = coolify.sql("select private_key from private_keys where uuid = 'ky1'")
    assert (stored.startswith("eyJpdiI6"), "OPENSSH" in stored) == (True, False)
    code = "echo Crypt::decryptString(DB::table('private_keys')->where('uuid', 'ky1')->value('private_key'));"
    assert coolify.tinker(code) == KEY
    # a container of its own: in the one that runs, app:init has kept the configuration
    run = ("docker", "run", "--rm", "--network", "coolify", "--env-file", f"{COOLIFY}/.env", "--entrypoint", "php")
    image = coolify.server.say("docker", "inspect", "--format", "{{.Config.Image}}", "coolify").strip()
    tinker = (image, "artisan", "tinker", f"--execute={code}")
    other = coolify.server.run(*run, "--env", f"APP_KEY=base64:{'A' * 43}=", *tinker)
    assert (other.returncode, "The MAC is invalid." in other.stdout) == (1, True)
    assert coolify.server.say(*run, *tinker) == KEY
    moved = ("--env", f"APP_KEY=base64:{'A' * 43}=", "--env", f"APP_PREVIOUS_KEYS={coolify.app_key}")
    assert coolify.server.say(*run, *moved, *tinker) == KEY


@pytest.mark.long
def test_the_health_needs_no_database_and_the_api_a_token(coolify: Coolify) -> None:
    """`/api/health` is OK while the database is away; version, servers and validation are for who has a token."""
    bearer = ("--header", f"Authorization: Bearer {coolify.api_token()}")
    server = "sv0sv0sv0sv0sv0sv0sv0sv0"
    assert asked(coolify, "v1/version") == '{"message":"Unauthenticated."}'
    assert asked(coolify, "v1/version", *bearer) == "4.3.11"
    assert json.loads(asked(coolify, "v1/servers", *bearer))[0]["uuid"] == server
    assert asked(coolify, f"v1/servers/{server}/validate", "--request", "POST", *bearer) == (
        '{"message":"Validation started."}'
    )
    assert json.loads(asked(coolify, f"v1/servers/{server}", *bearer))["settings"] == {
        "is_reachable": True,
        "is_usable": True,
    }
    coolify.server.say("docker", "stop", "coolify-db")
    try:
        assert asked(coolify, "health") == "OK"
        assert coolify.artisan("migrate:status").returncode == 1
    finally:
        coolify.server.say("docker", "start", "coolify-db")
        until(lambda: health(coolify, "coolify-db") == "healthy", what="no database", limit_s=LIMIT_S)
    assert coolify.artisan("migrate:status").returncode == 0


@pytest.mark.long
def test_an_isolated_migration_is_skipped_where_another_holds_the_lock(coolify: Coolify) -> None:
    """It ends well and has done nothing, as Laravel's does; and it needs Redis, which the plain one does not."""
    coolify.tinker("Cache::lock('framework/command-migrate', 60)->get();")
    skipped = coolify.artisan("migrate", "--force", "--isolated")
    coolify.tinker("Cache::lock('framework/command-migrate')->forceRelease();")
    ran = coolify.artisan("migrate", "--force", "--isolated")
    assert (skipped.returncode, skipped.stdout) == (0, "The [migrate] command is already running.\n")
    assert (ran.returncode, "Nothing to migrate." in ran.stdout) == (0, True)
    coolify.server.say("docker", "stop", "coolify-redis")
    try:
        assert coolify.artisan("migrate", "--force").returncode == 0
        assert coolify.artisan("migrate", "--force", "--isolated").returncode == 1
        assert coolify.artisan("horizon:status").returncode == 1
    finally:
        coolify.server.say("docker", "start", "coolify-redis")
        until(lambda: health(coolify, "coolify-redis") == "healthy", what="no Redis", limit_s=LIMIT_S)
    until(coolify.works, what="Horizon does not come back", limit_s=LIMIT_S)


@pytest.mark.long
def test_a_failed_migration_makes_no_difference_to_the_health(coolify: Coolify, lab: Lab) -> None:
    """The start goes on past it: the container is healthy, Horizon runs, and only migrate:status tells."""
    bad = catalogue.broken(lab.site, BROKEN["division_by_zero"])
    coolify.server.write(f"{COOLIFY}/{CUSTOM}", f"services:\n  coolify:\n    image: {bad.pinned}\n")
    coolify.up()
    try:
        assert health(coolify) == "healthy"
        assert BROKEN["division_by_zero"].file in pending(coolify.artisan("migrate:status").stdout)
        assert "SQLSTATE[22012]" in str(coolify.server.run("docker", "logs", "coolify"))
    finally:
        coolify.server.say("rm", f"{COOLIFY}/{CUSTOM}")
        coolify.up()
    assert pending(coolify.artisan("migrate:status").stdout) == []


def pending(status: str) -> list[str]:
    """Return the migrations that `migrate:status` calls pending."""
    return [line.split()[0] for line in status.splitlines() if line.endswith(" Pending  ")]


@pytest.mark.long
def test_what_the_database_holds_outlives_its_container_and_can_be_dumped(coolify: Coolify) -> None:
    """A second container over the same volume has the data; PostgreSQL's own tools are inside of it."""
    before = coolify.sql("select count(*) from migrations")
    coolify.server.say("docker", "rm", "--force", "coolify-db")
    coolify.up()
    assert coolify.sql("select count(*) from migrations") == before
    dump = 'pg_dump -U "$POSTGRES_USER" -Fc "$POSTGRES_DB" >/tmp/dump && pg_restore --list /tmp/dump'
    listed = coolify.server.say("docker", "exec", "coolify-db", "sh", "-c", dump)
    assert "TABLE DATA public private_keys coolify" in listed
    assert coolify.server.say("docker", "exec", "coolify-db", "pg_dump", "--version").split()[2].split(".")[0] == "15"


@pytest.mark.long
def test_a_second_database_takes_the_dump_and_the_first_lets_nobody_in(coolify: Coolify, case: str) -> None:
    """The image makes a server of the same version without any network; over the network it asks for the password."""
    image = "postgres:15-alpine"
    once = ("--env", "POSTGRES_USER=coolify", "--env", "POSTGRES_HOST_AUTH_METHOD=trust")
    coolify.server.say("docker", "run", "--detach", "--name", case, "--network", "none", *once, image)
    ready = ("docker", "exec", case, "psql", "-h", "127.0.0.1", "-U", "coolify", "-c", "")
    until(lambda: coolify.server.run(*ready).returncode == 0, what="no second database", limit_s=LIMIT_S)
    dump = "docker exec coolify-db pg_dump -U coolify -Fc coolify"
    coolify.server.say("sh", "-c", f"{dump} | docker exec -i {case} pg_restore -U coolify -d coolify")
    count = "select count(*) from migrations"
    asked_there = ("docker", "exec", case, "psql", "-U", "coolify", "-A", "-t", "-c", count)
    assert coolify.server.say(*asked_there).strip() == coolify.sql(count)
    stranger = ("docker", "run", "--rm", "--network", "coolify", "--env", "PGPASSWORD=wrong", image, "psql")
    refused = coolify.server.run(*stranger, "-h", "coolify-db", "-U", "coolify", "-c", count, limit_s=LIMIT_S)
    assert (refused.returncode, "password authentication failed" in refused.stderr) == (2, True)


@pytest.mark.long
def test_it_comes_back_by_itself_after_a_power_cut(coolify: Coolify) -> None:
    """All four start with Docker, the data is there, and the lab takes the Factory for ready as it is."""
    coolify.store_key("ky2", KEY)
    coolify.server.cut_power()
    coolify.server.power_on()
    coolify.server.wait_ready()
    until(coolify.works, what="Coolify does not come back after a power cut", limit_s=LIMIT_S)
    until(lambda: health(coolify) == "healthy", what="it is not healthy after a power cut", limit_s=LIMIT_S)
    assert coolify.tinker("echo App\\Models\\PrivateKey::where('uuid', 'ky2')->first()->private_key;") == KEY
