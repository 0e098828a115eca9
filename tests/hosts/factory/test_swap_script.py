"""The unit that swaps Coolify's image, in a real shell over pretend programs: where it may not begin, and its way back.

What Docker, Compose and Postgres really do stands in tests/lab/test_rotation.py; here is what cannot be timed there.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import Orders
from ink_infra_mcp.hosts.scripts import packaged
from tests.hosts.pretend_root import Root, Said, root_at

NAME = "op-1"
SOURCE, ROTATION = "data/coolify/source", f"data/coolify/ink/rotations/{NAME}"
OLD, NEW, OFFICIAL = (f"registry.example.com/ink/coolify@sha256:{digit * 64}" for digit in "123")
OLD_ID, NEW_ID, OFFICIAL_ID = (f"sha256:{digit * 64}" for digit in "abc")
IDS = (
    f"case $1 in {OLD}) echo {OLD_ID} ;; {NEW}) echo {NEW_ID} ;; {OFFICIAL}) echo {OFFICIAL_ID} ;; *) tagged $1 ;; esac"
)
TAG = "docker.io/coollabsio/coolify:4.3.11"
OWN_LINE = "${REGISTRY_URL:-docker.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"
DOCKER = f"""
tagged() {{ grep "^$1 " "$ROOT/tags" 2>/dev/null | tail -n 1 | cut -d ' ' -f 2 | grep .; }}
id_of() {{ {IDS}; }}
image_in() {{ sed -n 's/^ *image: "\\([^"]*\\)".*/\\1/p' "$1" | head -n 1; }}
now() {{ cat "$ROOT/now" 2>/dev/null; }}
of_files() {{
  image= env=$3
  while [ $# -gt 0 ]; do
    if [ "$1" = -f ] && grep -q image: "$2"; then image=$(image_in "$2"); fi
    shift
  done
  case $image in *LATEST_IMAGE*) image=docker.io/coollabsio/coolify:$(sed -n 's/^LATEST_IMAGE=//p' "$env") ;; esac
}}
up() {{
  of_files "$@"
  id=$(id_of "$image") || exit 1
  echo "$image" >>"$ROOT/started"
  if grep -q "$id" "$ROOT/sick" 2>/dev/null; then
    echo "$id running $(cat "$ROOT/ill" 2>/dev/null || echo unhealthy)" >"$ROOT/now"; [ -e "$ROOT/ill" ]; exit; fi
  echo "$id running healthy" >"$ROOT/now"
  if [ "$id" = {NEW_ID} ] && [ -e "$ROOT/migrates" ]; then cat "$ROOT/migrates" >"$ROOT/database"; fi
}}
case "$*" in
  'image inspect --format {{{{.Id}}}} '*) id_of "$5" ;;
  'inspect --type container --format {{{{.Image}}}} {{{{.Config.Image}}}} '*)
    now | while read -r id state _; do echo "$id {OLD} $state"; done ;;
  'inspect --type container --format {{{{.Image}}}} {{{{.State.Status}}}} '*) now | cut -d ' ' -f 1,2 ;;
  'inspect --type container --format {{{{.Image}}}} coolify') now | cut -d ' ' -f 1 ;;
  *com.docker.compose.project*coolify) echo source ;;
  *Health.Status*) now | cut -d ' ' -f 3 ;;
  'container inspect '* | 'create '* | version | 'stop '*) ;;
  'tag '*) if grep -q "$2" "$ROOT/pruned" 2>/dev/null; then exit 1; fi; echo "$3 $2" >>"$ROOT/tags" ;;
  'logs '*) echo 'SQLSTATE[42601] (SQL: update secrets set value = hunter2)' ;;
  'ps -aq '*) if [ -e "$ROOT/now" ]; then echo c1; fi ;;
  'rm -f '*)
    if [ -e "$ROOT/late" ]; then mv "$ROOT/late" "$ROOT/database"; fi
    rm -f "$ROOT/now" ;;
  *' config --quiet') ! grep -q "refused by compose" $(printf '%s\\n' "$@" | grep ^/) ;;
  *' config --images') of_files "$@"; echo "$image" ;;
  compose*) up "$@" ;;
  *pg_dump*) cat "$ROOT/database" ;;
  *'pg_restore --list'*) cat >/dev/null ;;
  *'pg_restore -U'*) cat >"$ROOT/restored" ;;
  *'-f -'*) if grep -q 'rename to ink_left'; then mv "$ROOT/restored" "$ROOT/database"; fi ;;
  *'from migrations'*) cat "$ROOT/database" ;;
  *'from application_deployment_queues'*) echo 0 ;;
  *'from information_schema.columns'*) ;;
  *'select is_auto_update_enabled'*) echo f ;;
  *'select current_database'*) echo coolify ;;
  *'update instance_settings'*) ;;
  *) echo "docker: no such call: $*" >&2; exit 9 ;;
esac
"""  # noqa: S608 - a shell that plays psql
PROGRAMS = {
    "docker": DOCKER,
    "systemctl": 'echo "$*" >>"$ROOT/systemd"',
    "pgrep": 'grep -Eq -- "$2" "$ROOT/processes" 2>/dev/null',
    "curl": "exit 0",
    "sleep": "real 0.02",
}
BEFORE, AFTER = "5|5|abc\n", "6|6|def\n"


@dataclass(frozen=True)
class Left:
    """What is left of a rotation: its state, why, what serves, what the files name, and what the database is."""

    state: str
    why: str
    serves: str
    custom: str | None
    database: str | None


def factory(folder: Path, *, health: str = "healthy", custom: str = OLD) -> Root:
    """Return a Factory where the old image runs."""
    root = root_at(folder)
    root.programs(PROGRAMS)
    root.write("proc/sys/kernel/random/boot_id", "01234567-89ab-cdef-0123-456789abcdef\n")
    root.write(f"{SOURCE}/docker-compose.yml", "services: {}\n")
    root.write(f"{SOURCE}/{PROD}", "services: {}\n")
    root.write(f"{SOURCE}/{CUSTOM}", named(custom))
    root.write(f"{SOURCE}/.env", "APP_KEY=base64:bm90\nAUTOUPDATE=true\n")
    root.write("etc/systemd/system/.keep", "")
    root.write("now", f"{OLD_ID} running {health}\n")
    root.write("database", BEFORE)
    return root


def named(image: str) -> str:
    """Return an override that names an image."""
    return f'services:\n  coolify:\n    image: "{image}"\n'


def orders(root: Root, *, confirm_s: int = 600, migrates: bool = True) -> str:
    """Return the orders for the new image, as they are sent."""
    return _ordered(root, NEW, NEW_ID, {CUSTOM: named(NEW), PROD: None}, confirm_s=confirm_s, migrates=migrates).lines()


def official(root: Root, *, confirm_s: int = 600, env: dict[str, str] | None = None, tag: str = TAG) -> str:
    """Return the orders for the official image, which Coolify's own file names by the tag that .env has."""
    texts: dict[str, str | None] = {CUSTOM: "", PROD: named(OWN_LINE)}
    wanted = {"LATEST_IMAGE": "4.3.11", "COOLIFY_VERSION": "4.3.11"} if env is None else env
    told = _ordered(root, OFFICIAL, OFFICIAL_ID, texts, confirm_s=confirm_s, migrates=False)
    return told.model_copy(update={"tag": tag, "env": wanted}).lines()


def _ordered(
    root: Root, image: str, id_: str, texts: dict[str, str | None], *, confirm_s: int, migrates: bool
) -> Orders:
    sums = {name: _sum(root, name) for name in (CUSTOM, PROD)}
    return Orders(
        image=image, image_id=id_, migrates=migrates, health_s=60, confirm_s=confirm_s, sums=sums, texts=texts
    )


def _sum(root: Root, name: str) -> str:
    return sha256((root.folder / SOURCE / name).read_bytes()).hexdigest()


def told(root: Root, verb: str, *words: str, data: str = "") -> Said:
    """Run a verb of the script."""
    return root.run("factory/swap.sh", "ink-swap", verb, NAME, *words, data=data)


def left(root: Root) -> Left:
    """Return what is left."""
    state, why = (root.read(f"{ROTATION}/{name}") or "" for name in ("state", "why"))
    serves = (root.read("now") or "nothing").split()[0]
    return Left(state.strip(), why.strip(), serves, root.read(f"{SOURCE}/{CUSTOM}"), root.read("database"))


def begun(root: Root, *, data: str = "") -> None:
    """Prepare and start it; systemd, which does nothing here, would run the unit."""
    assert told(root, "prepare", data=data or orders(root)) == Said(0, "", "")
    assert told(root, "start") == Said(0, "", "")


def confirmed(root: Root) -> None:
    """Rotate, with the word to stay in time."""
    root.write("migrates", AFTER)
    begun(root)
    assert told(root, "confirm").status == 0
    assert told(root, "run").status == 0
    assert left(root) == Left("confirmed", "", NEW_ID, named(NEW), AFTER)


def test_the_new_image_stays_when_it_is_confirmed_and_updates_are_off(tmp_path: Path) -> None:
    """Nobody has asked to go back: the override and .env are as they were ordered."""
    root = factory(tmp_path)
    confirmed(root)
    assert root.read(f"{SOURCE}/.env") == "APP_KEY=base64:bm90\nAUTOUPDATE=false\n"


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.999])
def test_orders_that_are_cut_off_on_the_way_are_none(tmp_path: Path, part: float) -> None:
    """A connection that breaks leaves no rotation that somebody could start."""
    root = factory(tmp_path)
    whole = orders(root)
    said = told(root, "prepare", data=f"{whole[: int(len(whole) * part)]}\n")
    assert (said.status, "its orders are not whole" in said.words or "was changed meanwhile" in said.words) == (3, True)
    assert left(root) == Left("", "", OLD_ID, named(OLD), BEFORE)


def test_where_nobody_confirms_all_is_as_it_was(tmp_path: Path) -> None:
    """The image, the override, .env, and the database from the moment of the swap, which is told."""
    root = factory(tmp_path)
    root.write("migrates", AFTER)
    begun(root, data=orders(root, confirm_s=0))
    assert told(root, "run").status == 0
    assert left(root) == Left("reverted", "nobody confirmed it within 0 s", OLD_ID, named(OLD), BEFORE)
    assert root.read(f"{SOURCE}/.env") == "APP_KEY=base64:bm90\nAUTOUPDATE=true\n"
    assert "restored yes\n" in told(root, "look").facts


def test_the_way_back_starts_what_ran_whatever_the_files_name(tmp_path: Path) -> None:
    """Files that named another image all along do not bring that one into service, with apps that lose isolation."""
    root = factory(tmp_path, custom=OFFICIAL)
    root.write("sick", NEW_ID)
    begun(root)
    assert told(root, "run").status == 0
    assert left(root) == Left("reverted", "the new container did not become healthy", OLD_ID, named(OFFICIAL), BEFORE)
    assert (root.read("started") or "").split() == [NEW, OLD]


@pytest.mark.parametrize("health", ["starting", "unhealthy"])
def test_a_compose_that_is_content_at_its_deadline_is_not_believed(tmp_path: Path, health: str) -> None:
    """`up --wait` can end with 0 when its time is over: the container's own health is asked, there and back."""
    root = factory(tmp_path)
    root.write("sick", NEW_ID)
    root.write("ill", health)
    begun(root)
    assert told(root, "run").status == 0
    assert left(root) == Left("reverted", "the new container did not become healthy", OLD_ID, named(OLD), BEFORE)


def test_migrations_that_end_while_the_new_container_is_taken_away_are_undone_too(tmp_path: Path) -> None:
    """What its database looks like is asked when nobody migrates any more."""
    root = factory(tmp_path)
    root.write("sick", NEW_ID)
    root.write("late", AFTER)
    begun(root)
    assert told(root, "run").status == 0
    assert left(root) == Left("reverted", "the new container did not become healthy", OLD_ID, named(OLD), BEFORE)


def test_a_coolify_that_was_ill_before_is_back_when_it_runs(tmp_path: Path) -> None:
    """It does not become healthy by going back, and nobody waits for that for ever."""
    root = factory(tmp_path, health="unhealthy")
    root.write("sick", f"{OLD_ID}\n{NEW_ID}\n")
    begun(root)
    assert told(root, "run").status == 0
    assert (left(root).state, left(root).serves) == ("reverted", OLD_ID)


@pytest.mark.parametrize(("word", "state"), [("confirm", "confirmed"), ("abort", "reverted"), (None, "reverted")])
def test_a_unit_that_somebody_stopped_is_woken_by_a_word_and_obeys_it(
    tmp_path: Path, word: str | None, state: str
) -> None:
    """Started again in `swapped` it stays only on the word to stay."""
    root = factory(tmp_path)
    begun(root, data=orders(root, migrates=False))
    root.write(f"{ROTATION}/state", "swapped\n")
    root.write("now", f"{NEW_ID} running healthy\n")
    root.write("systemd", "")
    if word is not None:
        assert told(root, word).status == 0
        assert "start --no-block ink-coolify-swap.service" in (root.read("systemd") or "")
    assert told(root, "run").status == 0
    assert left(root).state == state


@pytest.mark.parametrize(
    "process",
    [
        "bash {source}/upgrade.sh 4.3.12 1.0.15",
        "bash -c LOGFILE='{source}/upgrade-2026-11-30-03-00-00.log'",
        "bash {source}/upgrade-postgres.sh",
    ],
)
def test_an_upgrade_of_coolifys_own_is_seen_in_each_of_its_halves(tmp_path: Path, process: str) -> None:
    """The second half, which stops and starts all containers, is a shell that names only its log."""
    root = factory(tmp_path)
    root.write("processes", f"{process.format(source=root.folder / SOURCE)}\n")
    begun(root)
    assert told(root, "run").status == 0
    assert left(root) == Left("refused", "an upgrade of Coolify's own runs", OLD_ID, named(OLD), BEFORE)
    assert "upgrade yes\n" in told(root, "ready").facts


def test_an_upgrade_that_says_it_runs_is_believed_and_one_that_has_ended_is_over(tmp_path: Path) -> None:
    """By the file in which it tells how far it is."""
    root = factory(tmp_path)
    found: list[bool] = []
    for status in ("4|Stopping containers|now", "6|Upgrade complete|now", "error|Failed to pull|now"):
        root.write(f"{SOURCE}/.upgrade-status", f"{status}\n")
        found.append("upgrade yes\n" in told(root, "ready").facts)
    assert found == [True, False, False]


def test_by_hand_files_and_database_are_each_replaced_only_on_a_word_of_their_own(tmp_path: Path) -> None:
    """What was changed since the confirmation is named before anything is done; a copy of it stays."""
    root = factory(tmp_path)
    confirmed(root)
    rotated = "APP_KEY=base64:bmV3\nAPP_PREVIOUS_KEYS=base64:bm90\nAUTOUPDATE=false\n"
    root.write(f"{SOURCE}/.env", rotated)
    said = [told(root, "back", *words) for words in ((), ("--with-files",), ("--with-database",))]
    assert [one.status for one in said] == [3, 3, 3]
    assert ["before: .env." in one.words for one in said] == [True, False, True]
    assert left(root) == Left("confirmed", "", NEW_ID, named(NEW), AFTER)
    assert told(root, "back", "--with-files", "--with-database").status == 0
    assert left(root) == Left("reverted", "it was told to go back by hand", OLD_ID, named(OLD), BEFORE)
    assert root.read(f"{ROTATION}/.env.theirs") == rotated


def test_statements_that_the_new_image_quotes_are_not_kept(tmp_path: Path) -> None:
    """Its last words are told to whoever called: values of rows may be secret."""
    root = factory(tmp_path)
    root.write("sick", NEW_ID)
    begun(root)
    assert told(root, "run").status == 0
    assert root.read(f"{ROTATION}/new.log") == "SQLSTATE[42601] (statement left out)\n"


def test_what_rollback_means_is_the_last_rotation_that_serves(tmp_path: Path) -> None:
    """One that was refused, or that went back, leaves the way back of the one before as it was."""
    root = factory(tmp_path)
    root.write("data/coolify/ink/last", "op-0\n")
    root.write("sick", NEW_ID)
    begun(root)
    assert told(root, "run").status == 0
    assert (left(root).state, root.read("data/coolify/ink/last")) == ("reverted", "op-0\n")


def test_a_signal_that_systemd_takes_for_a_good_end_starts_the_unit_again() -> None:
    """It is no answer: without a unit nobody goes back in time (systemd.service, Restart= and its exceptions)."""
    assert "\nRestartForceExitStatus=SIGTERM SIGINT SIGHUP SIGPIPE\n" in packaged("factory/swap.sh")


ENV = "APP_KEY=base64:bm90\nexport LATEST_IMAGE=4.3.9\nCOOLIFY_VERSION=4.3.9\nLATEST_IMAGE=4.3.9\nAUTOUPDATE=true\n"
OFFICIAL_ENV = "APP_KEY=base64:bm90\nLATEST_IMAGE=4.3.11\nCOOLIFY_VERSION=4.3.11\nAUTOUPDATE=false\n"


def gone_official(root: Root, *, confirm_s: int = 600) -> None:
    """Go to the official image, with the word to stay already said."""
    root.write(f"{SOURCE}/.env", ENV)
    begun(root, data=official(root, confirm_s=confirm_s))
    if confirm_s:
        assert told(root, "confirm").status == 0
    assert told(root, "run").status == 0


def test_the_official_image_is_named_by_its_tag_in_env_and_the_override_is_gone(tmp_path: Path) -> None:
    """The tag names exactly the image that was pulled by digest, and each key stands once in .env."""
    root = factory(tmp_path)
    root.write("tags", f"{TAG} {NEW_ID}\n")
    gone_official(root)
    assert left(root) == Left("confirmed", "", OFFICIAL_ID, None, BEFORE)
    assert (root.read(f"{SOURCE}/.env"), root.read(f"{SOURCE}/{PROD}")) == (OFFICIAL_ENV, named(OWN_LINE))
    assert (root.read("tags") or "").splitlines()[-1] == f"{TAG} {OFFICIAL_ID}"


@pytest.mark.parametrize("pruned", [False, True])
def test_where_nobody_confirms_the_official_image_all_is_as_it_was(tmp_path: Path, *, pruned: bool) -> None:
    """The override is there again, .env has every line, and the tag names what it named, if that is left."""
    root = factory(tmp_path)
    root.write("tags", f"{TAG} {NEW_ID}\n")
    if pruned:
        root.write("pruned", NEW_ID)
    gone_official(root, confirm_s=0)
    assert left(root) == Left("reverted", "nobody confirmed it within 0 s", OLD_ID, named(OLD), BEFORE)
    assert (root.read(f"{SOURCE}/.env"), root.read(f"{SOURCE}/{PROD}")) == (ENV, "services: {}\n")
    assert (root.read("tags") or "").splitlines()[-1] == f"{TAG} {OFFICIAL_ID if pruned else NEW_ID}"


def test_by_hand_the_override_comes_back_and_one_that_somebody_made_meanwhile_is_named_first(tmp_path: Path) -> None:
    """That there is no such file is what was put there; a new one is somebody's, and a copy of it stays."""
    root = factory(tmp_path)
    gone_official(root)
    root.write(f"{SOURCE}/{CUSTOM}", named(NEW))
    said = told(root, "back")
    assert (said.status, f"before: {CUSTOM}." in said.words) == (3, True)
    assert told(root, "back", "--with-files").status == 0
    assert left(root) == Left("reverted", "it was told to go back by hand", OLD_ID, named(OLD), BEFORE)
    assert root.read(f"{ROTATION}/{CUSTOM}.theirs") == named(NEW)


@pytest.mark.parametrize("at", ["swapping", "swapped"])
def test_a_unit_that_is_killed_on_the_way_to_the_official_image_goes_back(tmp_path: Path, at: str) -> None:
    """With the override away and .env changed: both are as they were."""
    root = factory(tmp_path)
    root.write(f"{SOURCE}/.env", ENV)
    begun(root, data=official(root))
    (root.folder / SOURCE / CUSTOM).unlink()
    root.write(f"{SOURCE}/.env", OFFICIAL_ENV)
    root.write(f"{ROTATION}/state", f"{at}\n")
    assert told(root, "run").status == 0
    assert left(root) == Left("reverted", "it was interrupted", OLD_ID, named(OLD), BEFORE)
    assert root.read(f"{SOURCE}/.env") == ENV


@pytest.mark.parametrize(
    ("env", "tag"),
    [
        ({"APP_KEY": "1"}, TAG),
        ({"LATEST_IMAGE": "4.3.11 x"}, TAG),
        ({"LATEST_IMAGE": "$(reboot)"}, TAG),
        ({"COOLIFY_VERSION": ""}, TAG),
        ({}, "a;reboot"),
    ],
)
def test_orders_for_anything_else_in_env_are_refused(tmp_path: Path, env: dict[str, str], tag: str) -> None:
    """Only what chooses the image is set from here, in words that every reader of the file takes alike."""
    root = factory(tmp_path)
    said = told(root, "prepare", data=official(root, env=env, tag=tag))
    assert (said.status, "its orders are none that it takes" in said.words) == (3, True)
    assert told(root, "start").status == 0
    assert left(root) == Left("", "", OLD_ID, named(OLD), BEFORE)
