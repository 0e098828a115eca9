"""The unit that takes realtime along with Coolify, in a real shell: both go there, and both come back, killed wherever.

What Docker, Compose and realtime really do stands in tests/lab/test_upgrade_realtime.py.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import Orders, read_ready, read_service
from tests.hosts.factory.test_swap_script import (
    AFTER,
    BEFORE,
    DOCKER,
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
from tests.hosts.pretend_root import Root, Said

OLD_REALTIME, NEW_REALTIME = (f"docker.io/coollabsio/coolify-realtime:1.0.{digit}" for digit in "78")
OLD_REALTIME_ID, NEW_REALTIME_ID = (f"sha256:{digit * 64}" for digit in "78")
OLD_PROD, NEW_PROD = (f'services:\n  soketi:\n    image: "{name}"\n' for name in (OLD_REALTIME, NEW_REALTIME))
PLAIN = DOCKER.replace("\n  compose*) up", '\n  compose*soketi) soketi_up "$@" ;;\n  compose*) up')
BOTH = """
soketi_named() {
  files=$(printf '%s\\n' "$@" | grep '^/')
  sed -n 's/^ *image: "\\([^"]*coolify-realtime[^"]*\\)".*/\\1/p' $files | tail -n 1
}
soketi_id() { grep "^$1 " "$ROOT/there" | tail -n 1 | cut -d ' ' -f 2 | grep .; }
shown() {
  [ -e "$ROOT/realtime" ] || exit 1
  read -r id state health name <"$ROOT/realtime"
  printf '%s\\n' "$1" | sed -e "s/{{if .State.Health}}.*{{end}}/$health/" -e "s/{{.Image}}/$id/" \\
    -e "s/{{.State.Status}}/$state/" -e "s|{{.Config.Image}}|$name|" -e 's/{{.RestartCount}}/0/' \\
    -e 's/{{index[^}]*project"}}/source/' -e 's/{{index[^}]*service"}}/soketi/'
}
soketi_up() {
  name=$(soketi_named "$@") && id=$(soketi_id "$name") || exit 1
  echo "$name" >>"$ROOT/realtimes"
  health=healthy
  if grep -q "$id" "$ROOT/sick_realtime" 2>/dev/null; then health=unhealthy; fi
  echo "$id running $health $name" >"$ROOT/realtime"
  [ "$health" = healthy ]
}
case "$*" in
  'inspect '*' coolify-realtime') shown "$5"; exit ;;
  'image inspect '*' sha256:'*) grep -q " $5$" "$ROOT/there" && echo "$5"; exit ;;
  'image inspect '*'coolify-realtime:'*) soketi_id "$5"; exit ;;
  *' config --images soketi') soketi_named "$@"; exit ;;
  'tag '*realtime*) echo "$3 $2" >>"$ROOT/there"; exit ;;
  'container inspect '*) grep -q "^$3 " "$ROOT/holds" 2>/dev/null; exit ;;
  'create '*) for last in "$@"; do :; done; echo "$3 $last" >>"$ROOT/holds"; exit ;;
  *'service=soketi') if [ -e "$ROOT/realtime" ]; then echo r1; fi; exit ;;
  'rm -f r1') rm -f "$ROOT/realtime"; exit ;;
  'logs '*realtime) echo 'realtime: cannot listen'; exit ;;
  'exec coolify curl '*) for last in "$@"; do :; done; [ "${last##*:}" != "$(cat "$ROOT/deaf")" ]; exit ;;
esac
"""
KILLED = """
if [ -e "$ROOT/moment" ] && [ ! -e "$ROOT/dead" ]; then
  echo x >>"$ROOT/calls"
  if [ "$(wc -l <"$ROOT/calls")" = "$(cat "$ROOT/moment")" ]; then
    : >"$ROOT/dead"
    if [ -e "$ROOT/after" ]; then sh "$0" "$@" >/dev/null 2>&1; fi
    at=$PPID pids=
    while tr '\\0' ' ' <"/proc/$at/cmdline" | grep -q -e ink-swap -e '^timeout'; do
      pids="$at $pids" at=$(ps -o ppid= -p "$at" | tr -d ' ')
    done
    kill -9 $pids
    exit 9
  fi
fi
"""


@dataclass(frozen=True)
class Both:
    """What is left: of the rotation, realtime as it runs, Coolify's own file, and what its new name names."""

    left: Left
    realtime: str | None
    prod: str | None


def beside(root: Root) -> Both:
    """Return what is left of both."""
    return Both(left(root), root.read("realtime"), root.read(f"{SOURCE}/{PROD}"))


BACK = f"{OLD_REALTIME_ID} running healthy {OLD_REALTIME}\n"
THERE = f"{NEW_REALTIME_ID} running healthy {NEW_REALTIME}\n"


def back(why: str) -> Both:
    """Return what is left where all is as it was."""
    return Both(Left("reverted", why, OLD_ID, named(OLD), BEFORE), BACK, OLD_PROD)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Return a Factory where Coolify and realtime run, whose new image was pulled by its digest."""
    made = factory(tmp_path)
    made.programs({"docker": KILLED + BOTH + PLAIN})
    made.write("realtime", BACK)
    made.write("there", f"{OLD_REALTIME} {OLD_REALTIME_ID}\npulled@ {NEW_REALTIME_ID}\n")
    made.write(f"{SOURCE}/{PROD}", OLD_PROD)
    made.write("migrates", AFTER)
    return made


def orders(root: Root, change: dict[str, str] | None = None, *, confirm_s: int = 600) -> str:
    """Return the orders for a fork on a release with another realtime, with some of them changed."""
    sums = {name: sha256((root.folder / SOURCE / name).read_bytes()).hexdigest() for name in (CUSTOM, PROD)}
    usual = Orders(
        image=NEW,
        image_id=NEW_ID,
        migrates=True,
        health_s=60,
        confirm_s=confirm_s,
        sums=sums,
        texts={CUSTOM: named(NEW), PROD: NEW_PROD},
        realtime=NEW_REALTIME,
        realtime_id=NEW_REALTIME_ID,
    )
    return usual.model_copy(update=change or {}).lines()


def test_both_are_there_and_by_hand_both_come_back_after_a_cleanup(root: Root) -> None:
    """The old images are held by containers that never start, and its old name is given back."""
    begun(root, data=orders(root))
    assert (told(root, "confirm").status, told(root, "run").status) == (0, 0)
    assert beside(root) == Both(Left("confirmed", "", NEW_ID, named(NEW), AFTER), THERE, NEW_PROD)
    assert (root.read("holds") or "").split() == [
        "ink-coolify-held-op-1", OLD_ID, "ink-coolify-held-op-1-realtime", OLD_REALTIME_ID
    ]  # fmt: skip
    assert told(root, "back", "--with-database").status == 0
    assert beside(root) == back("it was told to go back by hand")


def test_realtime_goes_first_so_that_one_that_does_not_get_well_has_not_stopped_coolify(root: Root) -> None:
    """No dump, no stop, no start of Coolify's new image; what realtime said is kept."""
    root.write("sick_realtime", NEW_REALTIME_ID)
    begun(root, data=orders(root))
    assert told(root, "run").status == 0
    assert beside(root) == back("the new realtime service did not become healthy")
    assert (root.read("started") or "").split() == [OLD]
    assert root.read(f"{ROTATION}/new.log") == "realtime: cannot listen\n"


def test_where_coolify_fails_realtime_goes_back_with_it(root: Root) -> None:
    """It was healthy; its old version is what the old Coolify knows."""
    root.write("sick", NEW_ID)
    begun(root, data=orders(root))
    assert told(root, "run").status == 0
    assert beside(root) == back("the new container did not become healthy")
    assert (root.read("realtimes") or "").split() == [NEW_REALTIME, OLD_REALTIME]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("moment", range(1, 49, 4))
def test_killed_at_whatever_command_of_docker_both_end_as_they_were(root: Root, moment: int, when: str) -> None:
    """The next run of the unit goes back, or begins anew where nothing was touched and nobody confirms."""
    begun(root, data=orders(root, confirm_s=0))
    if when == "after":
        root.write("after", "")
    root.write("moment", f"{moment}\n")
    told(root, "run")
    assert told(root, "run").status == 0
    found = beside(root)
    assert found == back(found.left.why)


def test_killed_on_its_way_back_it_goes_back_all_the_same(root: Root) -> None:
    """Between the old Coolify and the old realtime: the next run brings the other one."""
    for moment in range(1, 24):
        root.write(f"{ROTATION}/state", "")
        for name in ("moment", "dead", "calls"):
            (root.folder / name).unlink(missing_ok=True)
        begun(root, data=orders(root, confirm_s=0))
        root.write("realtime", THERE)
        root.write("now", f"{NEW_ID} running healthy\n")
        root.write(f"{ROTATION}/state", "swapping\n")
        root.write("moment", f"{moment}\n")
        told(root, "run")
        assert told(root, "run").status == 0
        found = beside(root)
        assert (found.realtime, found.left.serves, found.left.state) == (BACK, OLD_ID, "reverted")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"realtime": NEW_REALTIME.replace("1.0.8", "1.0.9")}, "Docker Compose reads another image of realtime"),
        ({"realtime_id": f"sha256:{'9' * 64}"}, "the image of realtime is not here"),
        ({"realtime": "a;reboot"}, "its orders are none that it takes"),
        ({"realtime_id": "$(reboot)"}, "its orders are none that it takes"),
    ],
)
def test_orders_for_another_realtime_than_compose_and_docker_know_are_refused(
    root: Root, change: dict[str, str], why: str
) -> None:
    """Compose, which reads the files last, is asked before anything stops."""
    said = told(root, "prepare", data=orders(root, change))
    assert (said.status, why in said.words) == (3, True), said
    assert beside(root) == Both(Left("", "", OLD_ID, named(OLD), BEFORE), BACK, OLD_PROD)


def test_a_realtime_that_does_not_run_is_none_to_go_back_to(root: Root) -> None:
    """What is gone back to has to work."""
    root.write("realtime", BACK.replace("running", "exited"))
    said = told(root, "prepare", data=orders(root))
    assert (said.status, "coolify-realtime does not run" in said.words) == (3, True), said


def test_an_upgrade_that_leaves_realtime_alone_asks_nothing_of_it(root: Root) -> None:
    """Neither a container that holds it, nor a start."""
    begun(root, data=orders(root, {"realtime": "", "realtime_id": ""}))
    assert (told(root, "confirm").status, told(root, "run").status) == (0, 0)
    assert (root.read("realtime"), root.read("realtimes")) == (BACK, None)
    assert "realtime" not in (root.read("holds") or "")


def facts(said: Said) -> list[tuple[str, str]]:
    """Return the lines of an answer, word and rest."""
    return [(first, rest) for first, _, rest in (line.partition(" ") for line in said.facts.splitlines())]


def test_what_runs_beside_coolify_and_what_its_files_name_is_told(root: Root) -> None:
    """By the container's own name and id, and by Compose's reading; one that is not there is not known."""
    seen = read_ready("factory", facts(told(root, "ready"))).beside
    assert {name: (each.reference, each.image, each.names) for name, each in seen.items()} == {
        "soketi": (OLD_REALTIME, OLD_REALTIME_ID, OLD_REALTIME)
    }


@pytest.mark.parametrize(("deaf", "reaches"), [("", True), ("6001", False), ("6002", False)])
def test_whether_realtime_answers_coolify_is_asked_where_coolify_asks_it(
    root: Root, deaf: str, *, reaches: bool
) -> None:
    """By the container's name, on the port of live updates and on that of terminals."""
    root.write("deaf", f"{deaf}/ready\n")
    seen = read_service("factory", facts(told(root, "prove")))
    assert (seen.reaches, seen.realtime.image, seen.realtime.health) == (reaches, OLD_REALTIME_ID, "healthy")
