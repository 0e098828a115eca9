"""The unit that withdraws realtime's container for a Coolify that has it inside, in a real shell, killed wherever.

What Docker, Compose and such a Coolify really do stands in tests/lab/test_upgrade_moving_in.py.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.looking import BASE, CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import Orders, read_ready, read_service
from tests.hosts.factory.test_swap_realtime import KILLED, facts
from tests.hosts.factory.test_swap_script import (
    AFTER,
    BEFORE,
    DOCKER,
    NAME,
    NEW,
    NEW_ID,
    OLD,
    OLD_ID,
    ROTATION,
    SOURCE,
    Left,
    begun,
    factory,
    left,
    named,
    told,
)
from tests.hosts.pretend_root import Root

REALTIME, REALTIME_ID = "docker.io/coollabsio/coolify-realtime:1.0.17", f"sha256:{'7' * 64}"
CONTAINER = "c" * 64
OLD_BASE, NEW_BASE = "services: {}  # before\n", "services: {}  # 4.4\n"
OLD_PROD, NEW_PROD = f'services:\n  soketi:\n    image: "{REALTIME}"\n', "services:\n  coolify: {}\n"
RUNS = f"{CONTAINER} running always healthy {REALTIME} {REALTIME_ID}\n"
ASLEEP = RUNS.replace("running always healthy", "exited no unhealthy")
INSIDE = """
field() { cut -d ' ' -f "$1" "$ROOT/realtime"; }
write() {
  sed "s/^\\([^ ]*\\) [^ ]* [^ ]* [^ ]*/\\1 $1 $2 $3/" "$ROOT/realtime" >"$ROOT/realtime.new" &&
    mv "$ROOT/realtime.new" "$ROOT/realtime"
}
mine() { [ -e "$ROOT/realtime" ] && { [ "$1" = coolify-realtime ] || [ "$1" = "$(field 1)" ]; }; }
for last in "$@"; do :; done
case "$*" in
  'inspect '*coolify-realtime | "inspect "*"$(printf '%064d' 0 | tr 0 c)")
    mine "$last" || exit 1
    printf '%s\\n' "$5" | sed -e "s/{{if .State.Health}}.*{{end}}/$(field 4)/" \\
      -e "s/{{.State.Health.Status}}/$(field 4)/" -e "s/{{.Image}}/$(field 6)/" -e "s/{{.Id}}/$(field 1)/" \\
      -e "s/{{.State.Status}}/$(field 2)/" -e "s|{{.Config.Image}}|$(field 5)|" -e 's/{{.RestartCount}}/0/' \\
      -e "s/{{.HostConfig.RestartPolicy.Name}}/$(field 3)/" \\
      -e 's/{{index[^}]*project"}}/source/' -e 's/{{index[^}]*service"}}/soketi/'
    exit ;;
  'container inspect '*) mine "$3" || grep -q "^$3 " "$ROOT/holds" 2>/dev/null; exit ;;
  'update --restart '*) mine "$4" || exit 1; write "$(field 2)" "$3" "$(field 4)"; exit ;;
  'stop -t 10 '*) mine "$4" && [ ! -e "$ROOT/stubborn" ] || exit 1; write exited "$(field 3)" unhealthy; exit ;;
  'start '*) mine "$2" || exit 1; write running "$(field 3)" healthy; exit ;;
  'rm '*"$(printf '%064d' 0 | tr 0 c)") rm "$ROOT/realtime"; exit ;;
  'create '*) echo "$3 $last" >>"$ROOT/holds"; exit ;;
  *' config --services') cat "$ROOT/services"; exit ;;
  *' config --images soketi') grep -qs soketi $(printf '%s\\n' "$@" | grep '^/') && echo "$(field 5)"; exit ;;
  'image inspect '*'coolify-realtime:'*) echo "$(field 6)"; exit ;;
  compose*soketi) echo made >>"$ROOT/made"; echo "RUNS" >"$ROOT/realtime"; exit ;;
  *'service=soketi') exit ;;
  compose*' up '*) [ "$(field 2)" != running ] || grep -q 'back.yml' <<END || exit 1
$*
END
  ;;
  'ps -a '*) exit ;;
  'exec coolify curl '*) case $last in */up | *:6002/ready) [ ! -e "$ROOT/deaf" ] ;; *) exit 7 ;; esac; exit ;;
esac
""".replace("RUNS", RUNS.strip())


@dataclass(frozen=True)
class Beside:
    """What is left: of the rotation, realtime's own container as it is, and both of Coolify's own files."""

    left: Left
    realtime: str | None
    base: str | None
    prod: str | None


def beside(root: Root) -> Beside:
    """Return what is left."""
    base, prod = (root.read(f"{SOURCE}/{name}") for name in (BASE, PROD))
    return Beside(left(root), root.read("realtime"), base, prod)


def back(why: str) -> Beside:
    """Return what is left where all is as it was."""
    return Beside(Left("reverted", why, OLD_ID, named(OLD), BEFORE), RUNS, OLD_BASE, OLD_PROD)


THERE = Beside(Left("confirmed", "", NEW_ID, named(NEW), AFTER), ASLEEP, NEW_BASE, NEW_PROD)
UNTOUCHED = Beside(Left("", "", OLD_ID, named(OLD), BEFORE), RUNS, OLD_BASE, OLD_PROD)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Return a Factory where Coolify runs, and realtime in a container of its own."""
    made = factory(tmp_path)
    made.programs({"docker": KILLED + INSIDE + DOCKER})
    made.write("realtime", RUNS)
    made.write("services", "postgres\nredis\ncoolify\n")
    made.write(f"{SOURCE}/{BASE}", OLD_BASE)
    made.write(f"{SOURCE}/{PROD}", OLD_PROD)
    made.write("migrates", AFTER)
    return made


def orders(root: Root, *, confirm_s: int = 600) -> str:
    """Return the orders for a fork on a release that has realtime inside."""
    sums = {name: sha256((root.folder / SOURCE / name).read_bytes()).hexdigest() for name in (CUSTOM, PROD, BASE)}
    return Orders(
        image=NEW,
        image_id=NEW_ID,
        migrates=True,
        health_s=60,
        confirm_s=confirm_s,
        sums=sums,
        texts={CUSTOM: named(NEW), PROD: NEW_PROD, BASE: NEW_BASE},
        withdraws=True,
    ).lines()


def test_it_is_withdrawn_before_the_new_one_starts_and_by_hand_the_same_one_runs_again(root: Root) -> None:
    """The new one could not have its ports else; both files are the release's, and then those from before."""
    begun(root, data=orders(root))
    assert (told(root, "confirm").status, told(root, "run").status) == (0, 0)
    assert beside(root) == THERE
    assert told(root, "back", "--with-database").status == 0
    assert (beside(root), root.read("made")) == (back("it was told to go back by hand"), None)


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("sick", NEW_ID, "the new container did not become healthy"),
        ("stubborn", "", "realtime's container could not be stopped"),
    ],
)
def test_where_the_new_one_or_the_withdrawal_fails_the_same_container_runs_again(
    root: Root, file: str, text: str, why: str
) -> None:
    """With Docker's own word to start it, as it was."""
    root.write(file, text)
    begun(root, data=orders(root))
    assert told(root, "run").status == 0
    assert (beside(root), root.read("made")) == (back(why), None)


def test_one_that_somebody_removed_is_made_anew_of_the_old_files(root: Root) -> None:
    """Its image is held by a container that never starts."""
    begun(root, data=orders(root))
    assert (told(root, "confirm").status, told(root, "run").status) == (0, 0)
    (root.folder / "realtime").unlink()
    assert told(root, "back", "--with-database").status == 0
    assert (beside(root), root.read("made")) == (back("it was told to go back by hand"), "made\n")
    assert f"ink-coolify-held-{NAME}-realtime {REALTIME_ID}" in (root.read("holds") or "")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("moment", range(1, 57, 5))
def test_killed_at_whatever_command_of_docker_all_ends_as_it_was(root: Root, moment: int, when: str) -> None:
    """The next run of the unit goes back, or begins anew where nothing was touched and nobody confirms."""
    begun(root, data=orders(root, confirm_s=0))
    if when == "after":
        root.write("after", "")
    root.write("moment", f"{moment}\n")
    told(root, "run")
    assert told(root, "run").status == 0
    found = beside(root)
    assert found == back(found.left.why)


def test_killed_on_its_way_back_the_same_container_runs_again_all_the_same(root: Root) -> None:
    """Between the old Coolify and realtime, and between Docker's word to start it and its start."""
    for moment in range(1, 24, 2):
        root.write(f"{ROTATION}/state", "")
        for name in ("moment", "dead", "calls"):
            (root.folder / name).unlink(missing_ok=True)
        begun(root, data=orders(root, confirm_s=0))
        root.write("realtime", ASLEEP)
        root.write("now", f"{NEW_ID} running healthy\n")
        root.write(f"{ROTATION}/state", "swapping\n")
        root.write("moment", f"{moment}\n")
        told(root, "run")
        assert told(root, "run").status == 0
        found = beside(root)
        assert (found.realtime, found.left.serves, found.left.state) == (RUNS, OLD_ID, "reverted")


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("services", "postgres\nsoketi\ncoolify\n", "Docker Compose would start soketi"),
        ("services", "", "Docker Compose would start soketi"),
        ("realtime", RUNS.replace("running", "exited"), "coolify-realtime does not run"),
        ("realtime", RUNS.replace("always", "on-failure"), "a restart policy that Coolify does not give it"),
        (f"{SOURCE}/{BASE}", "services: {}  # of somebody else\n", "docker-compose.yml was changed meanwhile"),
    ],
)
def test_what_would_not_come_back_as_it_was_or_would_start_beside_is_not_begun(
    root: Root, file: str, text: str, why: str
) -> None:
    """Compose, which reads the files last, is asked which services it starts."""
    data = orders(root)
    root.write(file, text)
    before = beside(root)
    said = told(root, "prepare", data=data)
    assert (said.status, why in said.words) == (3, True), said
    assert beside(root) == before


def test_orders_to_withdraw_anything_else_are_none(root: Root) -> None:
    """Only realtime has a place inside of Coolify."""
    said = told(root, "prepare", data=orders(root).replace("withdraws soketi", "withdraws postgres"))
    assert (said.status, "its orders are none that it takes" in said.words) == (3, True), said
    assert beside(root) == UNTOUCHED


@pytest.mark.parametrize(("there", "stays"), [(RUNS, RUNS), (ASLEEP, None)])
def test_the_next_confirmed_exchange_removes_it_and_only_one_that_sleeps(
    root: Root, there: str, stays: str | None
) -> None:
    """As with images: of the last exchange all stays that its way back needs."""
    begun(root, data=orders(root))
    assert (told(root, "confirm").status, told(root, "run").status) == (0, 0)
    assert (told(root, "release").status, root.read("realtime")) == (0, ASLEEP)
    root.write("data/coolify/ink/rotations/op-2/state", "confirmed\n")
    root.write("realtime", there)
    assert root.run("factory/swap.sh", "ink-swap", "release", "op-2").status == 0
    assert (root.read("realtime"), root.read(f"{ROTATION}/state")) == (stays, None)


def test_the_ports_of_one_that_sleeps_are_nobodys(root: Root) -> None:
    """The new Coolify has them, and no later exchange may take that for somebody in the way."""
    root.programs(
        {"docker": KILLED + INSIDE + "case $* in *PortBindings*realtime) echo '6001/tcp=6001 ';; *) false;; esac"}
    )
    root.write("realtime", ASLEEP)
    assert read_ready("factory", facts(told(root, "ready"))).held == ()


@pytest.mark.parametrize("deaf", [True, False])
def test_whether_realtime_answers_inside_of_coolify_is_asked_by_coolifys_own_name(root: Root, *, deaf: bool) -> None:
    """Where its proxy looks for it: Reverb's /up, and the terminal server's /ready."""
    if deaf:
        root.write("deaf", "")
    root.write("realtime", ASLEEP)
    seen = read_service("factory", facts(told(root, "prove")))
    assert (seen.inside, seen.reaches, seen.realtime.container) == (not deaf, False, "exited")
