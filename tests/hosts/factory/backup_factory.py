"""A Factory for the script that backs Coolify up: its disk, and what Docker, Postgres and Laravel say there."""

import re
from pathlib import Path

from ink_infra_mcp.hosts.factory.backing_up import script
from tests.hosts.pretend_root import Root, Said, root_at

SOURCE, KEPT = "data/coolify/source", "data/coolify/backups/ink"
RUNS, HOLDS, REDIS, NEW = (f"sha256:{digit * 64}" for digit in "1235")
KEY = "base64:bm90LXRvLWJlLXNob3duLTMyLWJ5dGVzLWxvbmc="
TABLES = ("migrations", "users", "servers", "private_keys", "instance_settings")
OLD, FIRST, SECOND, THIRD = (
    "2018_08_08_100000_create_telescope_entries_table",
    "2023_03_20_112410_create_users_table",
    "2026_04_19_000000_encrypt_webhook_secrets",
    "2026_05_29_000000_drop_old_columns",
)
LIST = "".join(f"{3400 + n}; 0 {16385 + n} TABLE DATA public {name} coolify\n" for n, name in enumerate(TABLES))
DOCKER = f"""
echo "$*" >>"$ROOT/asked"
[ ! -e "$ROOT/broken" ] || . "$ROOT/broken"
case $* in
  'exec coolify-db printenv POSTGRES_USER' | 'exec coolify-db printenv POSTGRES_DB') echo coolify ;;
  'exec -e PGOPTIONS='*'pg_database_size'*) echo 8388608 ;;
  'exec -e PGOPTIONS='*'server_version') echo '15.8' ;;
  'exec coolify-db sh -c exec pg_dump '*) echo 'PGDMP of coolify' ;;
  'exec -i coolify-db pg_restore --list') cat >/dev/null; cat "$ROOT/list" ;;
  'exec coolify grep '*) echo "        'version' => env('COOLIFY_VERSION') ?: '4.3.11'," ;;
  'inspect --type container --format {{{{.Config.Image}}}} {{{{.Image}}}} coolify') echo 'example/fork:1 {RUNS}' ;;
  'inspect --type container --format {{{{.Config.Image}}}} {{{{.Image}}}} coolify-db')
    echo 'postgres:15-alpine {HOLDS}' ;;
  'inspect --type container --format {{{{.Image}}}} coolify') echo '{RUNS}' ;;
  'inspect --type container --format {{{{.Image}}}} coolify-db') echo '{HOLDS}' ;;
  'inspect --type container --format {{{{.Image}}}} coolify-redis') echo '{REDIS}' ;;
  'image inspect --format {{{{.Id}}}} {RUNS}') echo '{RUNS}' ;;
  'image inspect --format {{{{.Id}}}} example/fork@sha256:'*) echo '{NEW}' ;;
  'image inspect '*) echo 'Error: No such image' >&2; exit 1 ;;
  'info --format {{{{.DockerRootDir}}}}') echo / ;;
  'ps --all --quiet --filter label=ink-rehearsal') cat "$ROOT/there" 2>/dev/null || : ;;
  'network ls --quiet --filter label=ink-rehearsal') cat "$ROOT/nets" 2>/dev/null || : ;;
  'rm --force --volumes '*) : >"$ROOT/there" ;;
  'network rm '*) : >"$ROOT/nets" ;;
  'network create --internal '*) echo net1 >"$ROOT/nets" ;;
  'run --detach '*) echo c1 >>"$ROOT/there" ;;
  'exec ink-rehearsal-op-1-db pg_isready '*) ;;
  'exec -i ink-rehearsal-op-1-db pg_restore --exit-on-error '*) cat >"$ROOT/copy" ;;
  'exec ink-rehearsal-op-1-db psql '*) cat "$ROOT/rows" ;;
  *' artisan migrate:status '*) cat "$ROOT/status" ;;
  *' artisan migrate --force '*) cat "$ROOT/migrated"; cp "$ROOT/after" "$ROOT/status" ;;
  *' artisan tinker '*) echo 'ink-secret decrypted' ;;
  *' --network none '*) cat "$ROOT/code" ;;
  *) echo "docker: no such call: $*" >&2; exit 9 ;;
esac
"""


def laravel(*lines: tuple[str, str]) -> str:
    """Return what `artisan migrate:status` of Laravel 9 and later prints, by name and status."""
    rows = (("Migration name", "Batch / Status"), *lines)
    return "\n" + "".join(f"  {name} {'.' * (140 - len(name))} {status}  \n" for name, status in rows) + "\n"


def table(*lines: tuple[str, str]) -> str:
    """Return what Laravel 8 prints for the same."""
    bar = f"+------+{'-' * 62}+-------+\n"
    rows = (
        f"| {'No ' if status == 'Pending' else 'Yes'}  | {name:<60} | {re.sub('[^0-9]', '', status):<5} |\n"
        for name, status in lines
    )
    return f"{bar}| Ran? | {'Migration':<60} | Batch |\n{bar}{''.join(rows)}{bar}"


CODE = f"""
ink-file database/migrations/{FIRST}.php
    public function up() {{ Schema::create('users'); $table->dropUnique('once'); }}
    public function down() {{ Schema::dropIfExists('users'); Crypt::encryptString('x'); }}

ink-file database/migrations/{SECOND}.php
    public function up() {{ $row->update(['secret' => Crypt::encryptString($row->secret)]); }}

ink-file database/migrations/{THIRD}.php
    public function up() {{ Schema::table('servers', fn ($table) => $table->dropColumn('old')); }}
"""
"""What the migrations in the image are written like; what is done on the way back is no matter."""
BEFORE = ((FIRST, "[1] Ran"), (SECOND, "Pending"), (THIRD, "Pending"))
AFTER = ((FIRST, "[1] Ran"), (SECOND, "[2] Ran"), (THIRD, "[2] Ran"))


def factory(folder: Path, shell: str = "sh") -> Root:
    """Return a Factory with Coolify's files, on which an update would run two migrations."""
    root = root_at(folder, shell=shell)
    root.programs({"docker": DOCKER, "sleep": "real 0.02"})
    root.write("/proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 2000000 kB\n")
    root.write(f"{SOURCE}/.env", f"APP_KEY={KEY}\nDB_PASSWORD='x'\nREDIS_PASSWORD=\"y\"\nnot a line\n")
    root.write(f"{SOURCE}/docker-compose.yml", "services: {}\n")
    root.write(f"{SOURCE}/docker-compose.custom.yml", "services: {coolify: {}}\n")
    root.write("data/coolify/ssh/keys/ssh_key@a", "PRIVATE")
    root.write("list", LIST)
    root.write("rows", f"{FIRST}\n")
    root.write("code", CODE)
    root.write("migrated", "   INFO  Running migrations.\n")
    root.write("status", laravel(*BEFORE))
    root.write("after", laravel(*AFTER))
    return root


def ran(root: Root, verb: str, *words: str, room: int | None = None) -> Said:
    """Run a verb of the script as it is sent."""
    assert script().endswith(" </dev/null\n")
    return root.run("factory/backup.sh", "ink-backup", verb, *words, room=room)
