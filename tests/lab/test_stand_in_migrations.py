"""Each broken migration is broken in the way that its entry says, when Laravel runs it on a copy of the data."""

from collections.abc import Iterator

import pytest

from tests.lab.bed import Bed
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import COOLIFY, Done
from tests.lab.ground.lab import Lab
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import GOOD_1
from tests.lab.ground.stand_in.factory import CUSTOM, PROD, Coolify, installed
from tests.lab.ground.stand_in.migrations import BROKEN, Broken, Shows

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("the stand-in's migrations"), pytest.mark.timeout(1800)]

LIMIT_S = 270.0
INSIDE = "rehearsal"
"""A network without a way out, and the container of the case."""
READ = "echo Crypt::decryptString(DB::table('private_keys')->where('id', 0)->value('private_key'));"
WAITS = "select count(*) from pg_stat_activity where datname = 'a_case' and wait_event in ('PgSleep', 'relation')"
COLOR = "select count(*) from information_schema.columns where table_name = 'servers' and column_name = 'color'"


def of(*shows: Shows) -> pytest.MarkDecorator:
    """Return the cases that show in one of these ways."""
    cases = [each for each in BROKEN.values() if each.shows in shows]
    return pytest.mark.parametrize("broken", cases, ids=lambda each: each.name)


@pytest.fixture(scope="module")
def coolify(lab: Lab) -> Coolify:
    """Return a fork, named in Coolify's own file, whose database has a copy, `copy`, that no case changes."""
    fork = catalogue.published(lab.site)[GOOD_1]
    one = installed(Bed(lab).fresh("factory"), fork.pinned, file=PROD)
    one.server.say("docker", "network", "create", "--internal", INSIDE)
    one.server.say("docker", "network", "connect", INSIDE, "coolify-db")
    copy = "createdb -U coolify copy && pg_dump -U coolify -Fc coolify | pg_restore -U coolify -d copy"
    one.server.say("docker", "exec", "coolify-db", "sh", "-c", copy)
    return one


@pytest.fixture
def case(coolify: Coolify) -> Iterator["Case"]:
    """Give a database of its own to a case, gone after it with whatever still uses it."""
    coolify.sql("create database a_case template copy", database="postgres")
    yield Case(coolify)
    coolify.server.run("docker", "rm", "--force", INSIDE)
    coolify.sql("drop database a_case with (force)", database="postgres")


class Case:
    """A copy of the data, and commands of an image on it."""

    def __init__(self, coolify: Coolify) -> None:
        self.coolify = coolify

    def start(self, broken: Broken, *words: str, network: str = INSIDE) -> None:
        """Start one of Coolify's commands in a container of the image with this migration."""
        image = catalogue.broken(self.coolify.server.site, broken).pinned
        env = ("--env-file", f"{COOLIFY}/.env", "--env", "DB_DATABASE=a_case", "--env", "AUTOUPDATE=false")
        run = ("docker", "run", "--detach", "--quiet", "--name", INSIDE, "--network", network, *env)
        self.coolify.server.say(*run, image, "php", "artisan", *words, limit_s=LIMIT_S)

    def end(self) -> tuple[int, str]:
        """Wait until the command has ended, and return how and what it said."""
        status = self.coolify.server.say("docker", "wait", INSIDE, limit_s=LIMIT_S)
        said: Done = self.coolify.server.run("docker", "logs", INSIDE)
        self.coolify.server.say("docker", "rm", INSIDE)
        return int(status), said.stdout + said.stderr

    def run(self, broken: Broken, *words: str, network: str = INSIDE) -> tuple[int, str]:
        """Run one of Coolify's commands to its end."""
        self.start(broken, *words, network=network)
        return self.end()

    def sql(self, statement: str) -> str:
        """Ask the copy."""
        return self.coolify.sql(statement, database="a_case")


def test_a_fork_can_be_named_in_coolifys_own_file(coolify: Coolify, lab: Lab) -> None:
    """It is what runs, the file has it where the official one was, and there is no override."""
    fork = catalogue.published(lab.site)[GOOD_1].pinned
    running = coolify.server.say("docker", "inspect", "--format", "{{.Config.Image}}", "coolify").strip()
    named = [line.strip() for line in coolify.server.say("cat", f"{COOLIFY}/{PROD}").splitlines() if fork in line]
    assert (running, named) == (fork, [f'image: "{fork}"'])
    assert coolify.server.run("test", "-e", f"{COOLIFY}/{CUSTOM}").returncode == 1


def test_a_pretended_migration_shows_its_statements_and_runs_none(case: Case) -> None:
    """One that could not run is shown as well, and stays pending."""
    broken = BROKEN["sql_syntax"]
    status, said = case.run(broken, "migrate", "--pretend", "--force")
    assert (status, f"  {broken.file}\n  ⇂ ALTER TABEL servers ADD color text\n" in said) == (0, True), said
    assert case.run(broken, "migrate:status", "--pending=7")[0] == 7


@of("fails")
def test_it_fails_and_leaves_nothing_but_where_its_entry_says_so(case: Case, broken: Broken) -> None:
    """`migrate` ends with an error that tells of the cause; the transaction takes back what was done before."""
    status, said = case.run(broken, "migrate", "--force")
    assert (status != 0, broken.says in said) == (True, True), said
    assert case.sql(COLOR) == ("1" if broken.half else "0")


@of("hangs")
def test_it_hangs(case: Case, broken: Broken) -> None:
    """Its session waits for what never comes."""
    case.start(broken, "migrate", "--force")
    until(lambda: case.sql(WAITS) == "1", what=f"{broken.name} does not wait", limit_s=LIMIT_S)


@of("pending")
def test_it_ends_well_and_is_still_pending(case: Case, broken: Broken) -> None:
    """The exit status says nothing; `migrate:status` does."""
    assert case.run(broken, "migrate", "--force")[0] == 0
    status, said = case.run(broken, "migrate:status", "--pending=7")
    assert (status, broken.file in said) == (7, True)


@of("secret")
def test_it_ends_well_and_a_secret_is_no_longer_readable(case: Case, broken: Broken) -> None:
    """None is pending; the secret could be read before, and afterwards its text is not what comes."""
    before = case.run(broken, "tinker", f"--execute={READ}")
    assert case.run(broken, "migrate", "--force")[0] == 0
    assert case.run(broken, "migrate:status", "--pending=7")[0] == 0
    after = case.run(broken, "tinker", f"--execute={READ}")
    assert (before[0], before[1].startswith("-----BEGIN"), "-----BEGIN" in after[1]) == (0, True, False)


@of("drops")
def test_it_ends_well_and_what_the_release_itself_needs_is_gone(case: Case, broken: Broken) -> None:
    """None is pending; app:init worked before, and fails afterwards."""
    before = case.run(broken, "app:init")
    assert case.run(broken, "migrate", "--force")[0] == 0
    assert case.run(broken, "migrate:status", "--pending=7")[0] == 0
    assert (before[0], case.run(broken, "app:init")[0]) == (0, 1), before[1]


@of("egress")
def test_it_ends_well_only_where_there_is_a_way_out(case: Case, broken: Broken) -> None:
    """On the network without one it fails, with the address in its words; on Coolify's own it ends well."""
    registry = case.coolify.server.site.registry
    status, said = case.run(broken, "migrate", "--force")
    assert (status != 0, broken.says.replace("{registry}", registry) in said) == (True, True), said
    assert case.run(broken, "migrate", "--force", network="coolify")[0] == 0


def test_there_are_at_least_twenty_and_each_way_of_showing_has_one() -> None:
    """The list is long enough for what is asked of a rehearsal."""
    assert (len(BROKEN) >= 20, {each.shows for each in BROKEN.values()}) == (
        True,
        {"fails", "hangs", "pending", "secret", "drops", "egress"},
    )
