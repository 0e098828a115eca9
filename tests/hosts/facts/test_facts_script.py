"""The script that gathers facts runs in the shells that servers have, with nothing but the commands that it asks."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.facts.gathering import AREAS, fresh_marker
from ink_infra_mcp.hosts.facts.sections import sections
from tests.hosts.facts.answers import ANSWERS, FACT_NAMES, FIRST, FIRST_LINE, GOOD, MARK, SECOND, SECOND_LINE, read
from tests.programs import program

SCRIPT = files("ink_infra_mcp.hosts.facts").joinpath("facts.sh").read_bytes()
SHELLS = {"sh": ["/bin/sh"], "dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
BOUNDED = 'shift\nexec "$@"'
DOCKER = f"""case $1 in
  info) cat "$HERE/docker.txt" ;;
  ps) [ "$*" = 'ps --all --quiet --no-trunc' ] && cat "$HERE/container_ids.txt" ;;
  inspect)
    [ "$2 $3 $4" = '--type container --format' ] || exit 9
    case $5 in *println*) printf 'abc_data\\n\\nabc_data\\n'; exit ;; esac
    shift 5
    for id; do
      case $id in
        {FIRST}) printf '%s\\n' {shlex.quote(FIRST_LINE)} ;;
        {SECOND}) printf '%s\\n' {shlex.quote(SECOND_LINE)} ;;
        *) exit 9 ;;
      esac
    done
    ;;
  volume) [ "$2 $3 $5 $6" = 'inspect --format abc_data abc_data' ] && cat "$HERE/volumes.txt" ;;
  network)
    case "$2 $3 $5" in
      'ls --quiet ') echo 39fdc51b ;;
      'inspect --format 39fdc51b') cat "$HERE/networks.txt" ;;
      *) exit 9 ;;
    esac
    ;;
  *) exit 9 ;;
esac"""
PATHS = {
    "/etc/os-release": "os",
    "/proc/meminfo": "memory",
    "/proc/loadavg": "load",
}


def say(name: str) -> str:
    """Return a command that says what a server answered for that section."""
    return f"printf '%s\\n' {shlex.quote(ANSWERS[name])}"


def by_arguments(answers: Mapping[str, str]) -> str:
    """Return a command that answers by its arguments, and fails for others."""
    cases = " ".join(f"{shlex.quote(asked)}) {say(name)} ;;" for asked, name in answers.items())
    return f"case $* in {cases} *) exit 9 ;; esac"


def commands(folder: Path, **changed: str | None) -> Path:
    """Write a folder with the commands of a server and nothing else; None takes one away."""
    bodies: dict[str, str | None] = {
        "cat": f'case $1 in "$HERE"/*) exec {shutil.which("cat")} "$1" ;; esac\n' + by_arguments(PATHS),
        "uname": by_arguments({"-r": "kernel"}),
        "date": by_arguments({"+%s": "clock"}),
        "nproc": by_arguments({"": "cpus"}),
        "df": by_arguments(
            {"-P -k /": "disk_root", "-P -k /var/lib/docker": "disk_docker", "-P -k /data": "disk_data"}
        ),
        "docker": DOCKER,
        "stat": by_arguments({"-f -c %T /sys/fs/cgroup": "cgroups"}),
        "runsc": by_arguments({"--version": "runsc"}),
        **changed,
    }
    for name, body in bodies.items():
        if body is not None:
            command = folder / name
            command.write_text(f"#!/bin/sh\nHERE={shlex.quote(str(folder))}\n{body}\n", encoding="utf-8")
            command.chmod(0o755)
    for name in ("docker", "container_ids", "volumes", "networks"):
        (folder / f"{name}.txt").write_text(ANSWERS[name] + "\n", encoding="utf-8")
    return folder


def run(shell: str, path: str, *, areas: tuple[str, ...] = AREAS, script: bytes = SCRIPT) -> str:
    """Run the script as a server would, and return what it printed."""
    words = [program(SHELLS[shell][0]), *SHELLS[shell][1:], "-s", "--", MARK, *areas]
    ran = subprocess.run(words, input=script, capture_output=True, timeout=30, env={"PATH": path}, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return ran.stdout.decode()


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
@pytest.mark.parametrize("timeout", [BOUNDED, None])
def test_every_fact_is_gathered_in_any_posix_shell(shell: str, timeout: str | None, tmp_path: Path) -> None:
    """With the asked commands only, with and without `timeout`, all facts arrive, those of all containers too."""
    path = commands(tmp_path, timeout=timeout, true="exit 0" if timeout else None)
    output = run(shell, str(path))
    assert read(output) == GOOD
    assert output.endswith(f"{MARK} done\n")


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_on_this_very_machine_each_fact_is_known_or_says_why_not(shell: str) -> None:
    """The real commands of a real system, whatever it has, in every shell that it has."""
    facts = read(run(shell, os.environ["PATH"]))
    assert all((getattr(facts, name) is None) == (name in facts.unknown) for name in FACT_NAMES)
    assert (facts.kernel, facts.cpus) == (os.uname().release, len(os.sched_getaffinity(0)))
    assert facts.disk_root
    assert facts.disk_root.mount == "/"


def test_missing_docker_is_unknown_and_never_none(tmp_path: Path) -> None:
    """A server without Docker, or whose Docker this user does not see, has unknown containers, not none."""
    facts = read(run("sh", str(commands(tmp_path, docker=None, runsc=None))))
    wanted = {
        "docker_version",
        "docker_runtimes",
        "docker_default_runtime",
        "docker_root",
        "runsc_version",
        "containers",
    }
    assert set(facts.unknown) == wanted
    assert all("not installed" in why for why in facts.unknown.values())


def test_a_docker_that_hangs_costs_only_its_own_facts(tmp_path: Path) -> None:
    """What `timeout` stopped is unknown; nothing more is asked of that Docker, and the rest is there."""
    hangs = 'shift\ncase $1 in docker) echo asked >>"$HERE/asked"; exit 124 ;; esac\nexec "$@"'
    facts = read(run("sh", str(commands(tmp_path, timeout=hangs, true="exit 0"))))
    assert facts.unknown["containers"] == "the command for it did not answer in time"
    assert facts.disk_root == GOOD.disk_root
    assert (tmp_path / "asked").read_text(encoding="utf-8") == "asked\nasked\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_docker_that_hears_no_signal_but_one_costs_only_its_own_facts(shell: str, tmp_path: Path) -> None:
    """As one that waits for a disk or a mount that is gone: without an end to it nothing else would arrive."""
    real = shutil.which("timeout")
    short = f'k=; [ "$1" != -k ] || {{ k="-k 0.1"; shift 2; }}\nshift\nexec {real} $k 0.1 "$@"'
    path = commands(
        tmp_path, docker="trap '' TERM\nexec sleep 20", timeout=short, sleep=f'exec {shutil.which("sleep")} "$@"'
    )
    (path / "true").symlink_to(shutil.which("true") or "/bin/true")
    facts = read(run(shell, str(path)))
    why = "the command for it was killed: it did not answer in time, or there was no memory"
    assert facts.unknown["containers"] == why
    assert facts.disk_root == GOOD.disk_root


def test_only_the_asked_areas_are_run(tmp_path: Path) -> None:
    """A look at containers does not measure disks."""
    commands(tmp_path, df='touch "$HERE/measured"')
    run("sh", str(tmp_path), areas=("docker",))
    assert not (tmp_path / "measured").exists()


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_script_that_arrives_only_in_part_does_nothing(part: float, tmp_path: Path) -> None:
    """The shell reads all of it before the first command: a broken connection cannot run half of it."""
    program = shutil.which("sh") or "/bin/sh"
    cut = SCRIPT[: int(len(SCRIPT) * part)]
    words = [program, "-s", "--", MARK, *AREAS]
    path = commands(tmp_path, cat='touch "$HERE/ran"')
    ran = subprocess.run(words, input=cut, capture_output=True, timeout=30, env={"PATH": str(path)}, check=False)
    assert ran.stdout == b""
    assert not (tmp_path / "ran").exists()


def test_markers_are_never_the_same() -> None:
    """What a server can print was fixed before it could know the marker."""
    assert len({fresh_marker() for _ in range(100)}) == 100


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("members", "status"), [(3, 0), (30_000, 90)])
def test_sets_are_sent_without_their_times_or_not_at_all(tmp_path: Path, shell: str, members: int, status: int) -> None:
    """What is too long for one answer would cut off what stands behind it: then no set is told."""
    saved = f"""
    echo 'create f2b hash:ip family inet timeout 600'
    n=0
    while [ $n -lt {members} ]; do echo "add f2b 2001:db8::$n timeout 431 packets 1 bytes 60"; n=$((n + 1)); done"""
    folder = commands(tmp_path, ipset=f'[ "$*" = save ] || exit 9\n{saved}', id="echo 0", sed='exec /bin/sed "$@"')
    found = sections(run(shell, str(folder), areas=("network",)), MARK)
    kept = ["create f2b hash:ip family inet", *(f"add f2b 2001:db8::{n}" for n in range(members))]
    assert found["ipsets"].status == status
    assert found["ipsets"].text.split("\n") == (["the sets are too long to be sent"] if status else kept)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_iptables_save_complains_of_stands_behind_its_rules(tmp_path: Path, shell: str) -> None:
    """It warns on the other way out while a part of a rule is still on its way: no rule is torn by that."""
    parted = "printf '*filter\\n-A IN'; echo '# Warning: tables of the old kind' >&2; echo 'Warning: no file' >&2"
    folder = commands(tmp_path, **{"iptables-save": f"{parted}\nprintf 'PUT -j DROP\\nCOMMIT\\n'"}, id="echo 0")
    commands(folder, **{"ip6tables-save": "echo 'no rights' >&2; exit 4"})
    found = sections(run(shell, str(folder), areas=("network",)), MARK)
    torn = "*filter\n-A INPUT -j DROP\nCOMMIT\n# Warning: tables of the old kind\n# Warning: no file"
    assert {name: (found[name].text, found[name].status) for name in ("iptables", "ip6tables")} == {
        "iptables": (torn, 0),
        "ip6tables": ("no rights", 4),
    }
    assert found["iptables_legacy"].status == 127


@pytest.mark.parametrize("shell", SHELLS)
def test_cards_on_which_tc_or_xdp_decides_are_named(tmp_path: Path, shell: str) -> None:
    """Filters at the way in and programs of XDP, card by card; a server without tc says that it has no such command."""
    links = "1: lo: <LOOPBACK,UP> mtu 65536\\n2: eth0@if7: <UP> mtu 1500\\n3: eth1: <UP> mtu 1500 xdp qdisc mq"
    folder = commands(
        tmp_path,
        ip=f"[ \"$*\" = '-o link show' ] || exit 9\nprintf '{links}\\n'",
        tc='[ "$*" = "filter show dev eth0 ingress" ] && echo "filter protocol ip u32"; true',
        id="echo 0",
    )
    found = sections(run(shell, str(folder), areas=("network",)), MARK)["shapers"]
    assert (found.text, found.status) == ("eth0\neth1", 0)
    (folder / "tc").unlink()
    assert sections(run(shell, str(folder), areas=("network",)), MARK)["shapers"].status == 127


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("complaint", "status"),
    [("Cannot find device", 0), ("RTNETLINK answers: Operation not supported", 0), ("Dump was interrupted", 1)],
)
def test_a_card_whose_filters_tc_does_not_tell_is_not_one_without(
    tmp_path: Path, shell: str, complaint: str, status: int
) -> None:
    """Only a card that is gone, or a kernel that has no filters, has none for certain."""
    folder = commands(
        tmp_path, ip="echo '2: eth0: <UP> mtu 1500'", tc=f"echo '{complaint}' >&2; exit 2", id="echo 0", grep="exit 1"
    )
    found = sections(run(shell, str(folder), areas=("network",)), MARK)["shapers"]
    assert (found.text, found.status) == ("" if status == 0 else complaint, status)
