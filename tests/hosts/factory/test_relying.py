"""Who relies on --runtime, asked of a real PostgreSQL: of every table that has the option, whatever the API shows."""

import shutil
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.relying import Relier, sum_of
from ink_infra_mcp.hosts.factory.swapping import read_ready
from tests.hosts.pretend_root import Root, root_at
from tests.programs import lacking
from tests.state.postgres import Cluster, cluster

SOURCE, ROTATION = "data/coolify/source", "data/coolify/ink/rotations/op-1"
OPTION = "--cpus 1 --runtime=runsc"
ROWS = """
create table application_deployment_queues (id serial primary key, status varchar(255));
create table applications (uuid varchar(255), name varchar(255), custom_docker_run_options text, deleted_at timestamp);
create table standalone_postgresqls (uuid varchar(255), name varchar(255), custom_docker_run_options text);
create table servers (uuid varchar(255), name varchar(255));
insert into applications values ('a1', E'shop\\n| of %s', %s, null), ('a2', 'plain', '--init', null);
insert into applications values ('a3', 'gone', %s, now()), ('a4', 'none', null, null);
insert into standalone_postgresqls values ('p1', 'orders', %s);
"""
SHOP = Relier(table="applications", uuid="a1", name="shop | of another team")
ORDERS = Relier(table="standalone_postgresqls", uuid="p1", name="orders")
DOCKER = """
while [ "$1 $2" = 'exec -i' ]; do shift 2; set -- exec "$@"; done
case "$*" in
  'exec coolify-db '*) shift 2; INSIDE; exec "$@" ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture(scope="module")
def service() -> Generator[Cluster]:
    """Give the Postgres of Coolify."""
    if shutil.which("psql") is None:
        lacking("initdb")
    with cluster() as running:
        yield running


def factory(service: Cluster, folder: Path) -> tuple[Root, str]:
    """Return a Factory over that database, and where it is."""
    url = service.new_database()
    inside = urlsplit(url)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(ROWS.replace("%s", "another team", 1).replace("%s", f"'{OPTION}'").encode())
    root = root_at(folder)
    leads = (
        f"export PGHOST=127.0.0.1 PGPORT={inside.port} POSTGRES_USER={inside.username} "
        f"POSTGRES_DB={inside.path.strip('/')}"
    )
    root.programs({"docker": DOCKER.replace("INSIDE", leads), "systemctl": "exit 0", "pgrep": "exit 1"})
    for name in ("docker-compose.yml", PROD, CUSTOM, ".env"):
        root.write(f"{SOURCE}/{name}", "")
    return root, url


def relying(root: Root) -> tuple[Relier, ...] | None:
    """Return who relies on it, as a plan would have it."""
    said = root.run("factory/swap.sh", "ink-swap", "ready", "any")
    parted = (line.partition(" ") for line in said.facts.splitlines())
    return read_ready("factory", [(first, rest) for first, _, rest in parted]).relying


def test_apps_and_databases_of_every_team_are_found_and_what_is_gone_is_not(service: Cluster, tmp_path: Path) -> None:
    """Coolify gives its databases their run options as it does for apps; names are told whole, on one line."""
    root, _ = factory(service, tmp_path)
    assert relying(root) == (SHOP, ORDERS)


def test_a_database_that_does_not_answer_makes_it_unknown_and_never_nobody(service: Cluster, tmp_path: Path) -> None:
    """A rotation is refused then."""
    root, url = factory(service, tmp_path)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("alter table standalone_postgresqls rename uuid to id")
    assert relying(root) is None


@pytest.mark.parametrize(
    ("added", "state"), [("", "refused: .env was changed meanwhile"), ("another", "refused: others rely on --runtime")]
)
def test_whoever_came_to_rely_on_it_since_the_plan_ends_it_before_anything_is_touched(
    service: Cluster, tmp_path: Path, added: str, state: str
) -> None:
    """The unit looks at the last moment; with the very same ones it goes on to its next look."""
    root, url = factory(service, tmp_path)
    root.write(f"{ROTATION}/orders", f"relying {sum_of([ORDERS, SHOP])}\n")
    root.write(f"{ROTATION}/state", "prepared\n")
    root.write("proc/sys/kernel/random/boot_id", "one\n")
    root.write(f"{ROTATION}/boot", "one\n")
    for name in (PROD, CUSTOM, ".env"):
        root.write(f"{ROTATION}/{name}.back", "")
    with psycopg.connect(url, autocommit=True) as db:
        if added:
            db.execute(b"insert into applications values ('a9', 'another', '--runtime=runsc', null)")
    root.write(f"{SOURCE}/.env", "CHANGED=1\n")
    assert root.run("factory/swap.sh", "ink-swap", "run", "op-1").status == 0
    found = [(root.read(f"{ROTATION}/{name}") or "").strip() for name in ("state", "why")]
    assert ": ".join(found).startswith(state)
