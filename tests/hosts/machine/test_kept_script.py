"""What a server had before a change is noted whole or not at all, and given back whole or called missing."""

import hashlib
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.machine.changes import in_base64
from tests.hosts.pretend_root import Root, Said, root_at

SYSCTL = "/etc/sysctl.d/zz-ink-infra.conf"
UPDATES = "/etc/apt/apt.conf.d/zz-ink-infra"
SWAPPINESS = "/proc/sys/vm/swappiness"
DPKG = """
for name; do :; done
if [ -e "$ROOT/dpkg/$name" ]; then
  read -r status version <"$ROOT/dpkg/$name"
  case $* in *Package*) printf '%s %s %s install\\n' "$name" "$version" "$status" ;; *) echo "$status $version" ;; esac
else
  echo "dpkg-query: no packages found matching $name" >&2; exit 1
fi
"""
APT = """
case $* in
  *' install '*) for name; do echo "installed 1.0" >"$ROOT/dpkg/$name"; done ;;
  *' remove '*) for name; do rm -f "$ROOT/dpkg/$name"; done ;;
esac
exit 0
"""
SYSTEMCTL = """
for name; do :; done
at=$ROOT/units/$name
case $1 in
  is-enabled) cat "$at.enabled" ;;
  is-active) cat "$at.active" ;;
  enable) echo enabled >"$at.enabled"; echo active >"$at.active" ;;
  disable) echo disabled >"$at.enabled" ;;
  stop) echo inactive >"$at.active" ;;
esac
"""
CTL = """
for file; do :; done
while read -r key _ value; do echo "$value" >"$ROOT/proc/sys/$(echo "$key" | tr . /)"; done <"$file"
"""
BACK = Said(0, "restored op-1-x\ndone\n", "")


def server(folder: Path) -> Root:
    """Return a server with one package, one unit that does not run, and one setting of the kernel."""
    root = root_at(folder)
    root.programs({"dpkg-query": DPKG, "apt-get": APT, "dpkg": "exit 0", "apt-mark": "exit 0"})
    root.programs({"systemctl": SYSTEMCTL, "sysctl": CTL, "apt-config": f'cat "$ROOT{UPDATES}"'})
    root.write("/dpkg/jq", "installed 1.7\n")
    root.write("/units/a.timer.enabled", "disabled\n")
    root.write("/units/a.timer.active", "inactive\n")
    root.write(SWAPPINESS, "60\n")
    return root


def sysctls(root: Root, *, value: str = "1") -> Said:
    """Have the server set its setting."""
    text = f"vm.swappiness = {value}\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    place = f"{root.folder}{SYSCTL}"
    return root.change("files", "sysctl", data=f"{place} {digest} {in_base64(text)}\n")


def test_packages_that_came_go_and_those_that_were_there_stay(tmp_path: Path) -> None:
    """dpkg says of each whether it knows it; one that it has never heard of was not there."""
    root = server(tmp_path)
    assert root.change("install", "free", "jq", "git").status == 0
    assert root.change("restore") == BACK
    assert (root.read("/dpkg/jq"), root.read("/dpkg/git")) == ("installed 1.0\n", None)


@pytest.mark.parametrize("body", ["echo 'dpkg-query: error: database is damaged' >&2; exit 2", "exit 124", "exit 1"])
def test_a_dpkg_that_does_not_say_what_is_there_gets_no_package(tmp_path: Path, body: str) -> None:
    """Noted as not there, a package of the server's own would be taken away by the undo."""
    root = server(tmp_path)
    root.programs({"dpkg-query": body})
    said = root.change("install", "free", "jq")
    assert (said.status, said.words.startswith("ink-change: dpkg does not say whether jq is installed")) == (3, True)
    assert (root.read("/dpkg/jq"), root.left_over()) == ("installed 1.7\n", [])


@pytest.mark.parametrize(("verb", "status"), [("remove", 3), ("restore", 5)])
def test_a_package_that_dpkg_does_not_tell_of_is_not_called_gone(tmp_path: Path, verb: str, status: int) -> None:
    """Neither when it is to be taken away, nor when what came is taken back."""
    root = server(tmp_path)
    words = ["git"] if verb == "remove" else []
    assert root.change("install", "free", "git", part="x" if verb == "restore" else "y").status == 0
    count = 'echo . >>"$ROOT/asked"; [ "$(wc -l <"$ROOT/asked")" -gt '
    # the first answer is what is written down before a removal
    root.programs({"dpkg-query": f"{count}{len(words)} ] && exit 2\n{DPKG}"})
    said = root.change(verb, *words)
    assert (said.status, "dpkg does not say whether git is installed" in said.words) == (status, True)
    assert root.read("/dpkg/git") == "installed 1.0\n"


def test_a_package_that_came_half_goes_as_well(tmp_path: Path) -> None:
    """It is not wholly installed, and it was not there before: what is given back is a server without it."""
    root = server(tmp_path)
    root.change("install", "free", "git")
    root.write("/dpkg/git", "half-configured 1.0\n")
    assert root.change("restore") == BACK
    assert root.read("/dpkg/git") is None


def test_units_are_as_they_were(tmp_path: Path) -> None:
    """One that did not run is stopped and disabled again; one that is gone since is none of ours."""
    root = server(tmp_path)
    assert root.change("units", "a.timer").facts == "unit a.timer enabled active\ndone\n"
    assert root.change("restore") == BACK
    assert (root.read("/units/a.timer.enabled"), root.read("/units/a.timer.active")) == ("disabled\n", "inactive\n")
    root.change("units", "a.timer")
    root.write("/units/a.timer.enabled", "not-found\n")
    assert root.change("restore") == BACK


@pytest.mark.parametrize("broken", ["is-enabled", "is-active"])
def test_a_systemd_that_does_not_say_how_a_unit_stands_has_it_left_alone(tmp_path: Path, broken: str) -> None:
    """Noted as neither enabled nor active, a unit that ran before would be stopped by the undo."""
    root = server(tmp_path)
    root.write("/units/a.timer.enabled", "enabled\n")
    root.write("/units/a.timer.active", "active\n")
    root.programs({"systemctl": f"[ $1 != {broken} ] || {{ echo 'Connection timed out' >&2; exit 1; }}\n{SYSTEMCTL}"})
    said = root.change("units", "a.timer")
    assert (said.status, said.words.startswith("ink-change: systemd does not say how a.timer stands: ")) == (3, True)
    assert root.left_over() == []


@pytest.mark.parametrize("broken", ["disable", "stop"])
def test_a_unit_that_does_not_go_back_is_said(tmp_path: Path, broken: str) -> None:
    """What systemd says to it stands in the words, and the undo can be run again."""
    root = server(tmp_path)
    root.change("units", "a.timer")
    root.programs({"systemctl": f"[ $1 != {broken} ] || {{ echo 'Access denied' >&2; exit 1; }}\n{SYSTEMCTL}"})
    said = root.change("restore")
    assert (said.status, said.words) == (5, "ink-change: not all could be given back: Access denied \n")
    root.programs({"systemctl": SYSTEMCTL})
    assert root.change("restore") == BACK


def test_settings_of_the_kernel_are_as_they_were_or_it_is_said(tmp_path: Path) -> None:
    """What counts is what the kernel says after it."""
    root = server(tmp_path)
    assert sysctls(root).status == 0
    root.programs({"sysctl": "exit 1"})
    said = root.change("restore")
    assert (said.status, "vm.swappiness is 1 after it was set back to 60" in said.words) == (5, True)
    root.programs({"sysctl": CTL})
    assert root.change("restore") == BACK
    assert (root.read(SWAPPINESS), root.read(SYSCTL)) == ("60\n", None)


def test_a_link_in_the_place_of_a_file_is_given_back(tmp_path: Path) -> None:
    """Its target is nobody's to change, and a link that leads nowhere is no file that is absent."""
    root = server(tmp_path)
    root.write("/etc/sysctl.d/own.conf", "vm.swappiness = 60\n")
    place = tmp_path / SYSCTL.lstrip("/")
    for target in ("own.conf", "nowhere"):
        place.unlink(missing_ok=True)
        place.symlink_to(target)
        assert sysctls(root).status == 0
        assert root.change("restore") == BACK
        assert (place.is_symlink(), str(place.readlink())) == (True, target)


def test_a_file_that_cannot_be_given_back_whole_stays_as_it_is(tmp_path: Path) -> None:
    """Neither file is ever half there: the newer one stays until the older one is wholly on the disk."""
    root = server(tmp_path)
    older = "# older\n" * 400
    root.write(SYSCTL, older)
    sysctls(root)
    said = root.change("restore", room=2)
    assert (said.status, f"{SYSCTL} could not be written" in said.words) == (5, True)
    assert root.read(SYSCTL) == "vm.swappiness = 1\n"
    assert root.change("restore") == BACK
    assert (root.read(SYSCTL), root.left_over()) == (older, [])


def test_all_that_was_kept_is_given_back_or_the_first_that_is_not_is_named(tmp_path: Path) -> None:
    """A list of it that could not be made is no empty list."""
    root = server(tmp_path)
    sysctls(root)
    root.programs({"sort": "exit 2"})
    assert root.change("restore-all", part="all").status == 3
    root.programs({"sort": 'real "$@"', "cat": 'case $* in */number) exit 1 ;; esac; real "$@"'})
    said = root.change("restore-all", part="all")
    assert (said.status, "number could not be read" in said.words) == (3, True)
    assert root.read(SYSCTL) == "vm.swappiness = 1\n"
