"""Writes the folder of commands that a pretend server has; every other one is unknown there, loudly."""

import asyncio
import fcntl
import os
import shlex
import shutil
from pathlib import Path

from ink_infra_mcp.sandbox.hosts.boot import boot_answer
from ink_infra_mcp.sandbox.hosts.docker_cli import docker_script
from ink_infra_mcp.sandbox.hosts.network import NAMES, network_commands
from ink_infra_mcp.sandbox.hosts.pings import ping_script
from ink_infra_mcp.sandbox.hosts.upkeep import CODENAMES, reboot_files, upkeep_commands
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState

UNKNOWN_FILE = "unknown"
COMMANDS_FOLDER = "bin"
PROGRAM_FILE = "program"
PROGRAM = f"../{PROGRAM_FILE}"

_SHELL = """\
# what changes a server is answered by the world, and never run by the shell of the machine that pretends
case " $* " in
*" ink-firewall "* | *" ink-login "* | *" ink-ready "*) unknown ;;
*" ink-machine "* | *" ink-change "* | *" ink-audit "*) unknown ;;
*" ink-reboot "* | *" ink-patch "*) unknown ;;
*" ink-coolify "* | *" ink-backup "* | *" ink-swap "* | *" ink-build "* | *" ink-disk "*) unknown ;;
*" ink-volume "* | *" ink-receive "* | *" ink-vlan "*) unknown ;;
esac
exec /bin/sh "$@"
"""
_NAMES = {"debian": "Debian GNU/Linux", "ubuntu": "Ubuntu"}
_UFW_GERMAN = {"Status: active": "Status: Aktiv", "Status: inactive": "Status: Inaktiv"}
_DOCKER_FOLDER = "/var/lib/docker"


def write_commands(scratch: Path, state: WorldState, host: HostState, *, now: float) -> Path:
    """Write the one shell script that is every command, by the name that it is called by; return the names' folder.

    The folder is to be the whole PATH. A command that gets arguments that it does not know ends with 127 and adds a
    line to `UNKNOWN_FILE` in `scratch`.
    """
    folder, program = scratch / COMMANDS_FOLDER, scratch / PROGRAM_FILE
    folder.mkdir()
    bodies = _bodies(state, host, now=now)
    program.write_text(_program(bodies, scratch / UNKNOWN_FILE), encoding="utf-8")
    program.chmod(0o700)
    for name in bodies:
        # a hundred links for each command: paths that are objects would take longer than the kernel
        os.symlink(PROGRAM, f"{folder}/{name}")
    return folder


async def released(scratch: Path) -> None:
    """Return once nobody has the script there open for writing: the kernel runs no program that is being written.

    A process that another thread starts at that moment has a copy of the open file until it runs its own program.
    """
    while _is_written(scratch / PROGRAM_FILE):  # noqa: ASYNC110 - the kernel tells nobody of it
        await asyncio.sleep(0.001)


def _is_written(script: Path) -> bool:
    """The kernel lends a file to its readers only where nobody writes it (fcntl, F_SETLEASE)."""
    descriptor = os.open(script, os.O_RDONLY)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        # a file system that lends nothing
        return False
    finally:
        os.close(descriptor)
    return False


def _bodies(state: WorldState, host: HostState, *, now: float) -> dict[str, str]:
    bodies = {
        "sh": _SHELL,
        "true": "exit 0",
        "sleep": 'exec /bin/sleep "$@"',
        "sha256sum": f'exec {shutil.which("sha256sum") or "/usr/bin/sha256sum"} "$@"',
        "timeout": 'shift\nexec "$@"',
        "date": _answers({"+%s": str(int(now + host.clock_ahead_s))}),
        "nproc": _answers({"": str(host.cpus)}),
        "printenv": _variables_of(host),
        "uname": _answers({"-r": host.kernel}),
    }
    answers = _merged(_own(host, data=_data_disk(state, host)), network_commands(host), upkeep_commands(host, now=now))
    bodies |= {name: _heads(host).get(name, "") + _answers(by_arguments) for name, by_arguments in answers.items()}
    if "ufw" in bodies:
        bodies["ufw"] = _by_language(network_commands(host)["ufw"])
    bodies["unshare"] = f'[ "$1 $2 $3" = "--net sh -c" ] || unknown\n{_printed(boot_answer(host))}'
    if "ping" not in host.without:
        bodies["ping"] = ping_script(state, host)
    return bodies | _container_bodies(state, host, now=now)


def _data_disk(state: WorldState, host: HostState) -> str:
    """Return the disk that is mounted at /data, empty where that is a folder: only the Factory's ever is."""
    storage = state.coolify.factory.storage
    return "/dev/sdb" if host is state.hosts.get("factory") and storage.data == "mount" else ""


def _own(host: HostState, *, data: str) -> dict[str, dict[str, str]]:
    """All other paths lie on the one disk; Docker's folder is not there without it, nor /data where nothing made it."""
    there = [path for path in ("/", _DOCKER_FOLDER, "/data") if path not in _missing_folders(host)]
    return {
        "df": {f"-P -k {path}": _df(host, data if path == "/data" else "") for path in there},
        "stat": {"-f -c %T /sys/fs/cgroup": host.cgroups},
        "cat": _files(host),
    }


_NO_FILES = '[ "$2" != -i ] || { echo "df: invalid option -- \'i\'" >&2; exit 1; }\n'


def _heads(host: HostState) -> dict[str, str]:
    """What commands do before they look at their arguments as a whole."""
    return {
        "df": "".join(map(_lost, _missing_folders(host))) + (_NO_FILES if "df -i" in host.without else ""),
        "cat": "[ $# -gt 0 ] || exec /bin/cat\n" + reboot_files(host),
    }


def _merged(*parts: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return the answers of all, those of one command together."""
    found: dict[str, dict[str, str]] = {}
    for name, answers in (pair for part in parts for pair in part.items()):
        found[name] = found.get(name, {}) | answers
    return found


def _container_bodies(state: WorldState, host: HostState, *, now: float) -> dict[str, str]:
    """What runs containers is there where it is installed."""
    bodies: dict[str, str] = {}
    if host.runsc_version:
        bodies["runsc"] = _answers({"--version": f"runsc version {host.runsc_version}\nspec: 1.1.0-rc.1"})
    if host.docker_version:
        bodies["docker"] = docker_script(state, host, now=now)
    return bodies


def _program(bodies: dict[str, str], unknown: Path) -> str:
    return "\n".join(
        (
            "#!/bin/sh",
            'asked="${0##*/} $*"',
            "unknown() {",
            f"  printf '%s\\n' \"$asked\" >>{shlex.quote(str(unknown))}",
            "  printf '%s\\n' \"sandbox: the pretend server cannot answer: $asked\" >&2",
            "  exit 127",
            "}",
            "case ${0##*/} in",
            *(f"{shlex.quote(name)})\n{body}\n;;" for name, body in bodies.items()),
            "esac",
            "",
        )
    )


def _answers(by_arguments: dict[str, str]) -> str:
    cases = [f"  {shlex.quote(asked)}) {_printed(text)} ;;" for asked, text in by_arguments.items()]
    return "\n".join(["case $* in", *cases, "  *) unknown ;;", "esac"])


def _by_language(by_arguments: dict[str, str]) -> str:
    """ufw is written in Python, whose gettext asks LANGUAGE before LC_ALL."""
    german = {asked: _UFW_GERMAN.get(said, said) for asked, said in by_arguments.items()}
    english = '[ "${LC_ALL:-}" = C ] && [ "${LANGUAGE:-C}" = C ]'
    return f"if {english}; then\n{_answers(by_arguments)}\nelse\n{_answers(german)}\nfi"


def _printed(text: str) -> str:
    return f"printf '%s\\n' {shlex.quote(text)}" if text else ":"


def _variables_of(host: HostState) -> str:
    cases = [f"  {shlex.quote(name)}) {_printed(text)} ;;" for name, text in host.variables.items()]
    return "\n".join(["case $* in", *cases, "  *) exit 1 ;;", "esac"])


def _files(host: HostState) -> dict[str, str]:
    total, used = host.memory_bytes // 1024, host.used_bytes // 1024
    return {
        "/etc/os-release": _os_release(host),
        "/proc/meminfo": f"MemTotal:       {total} kB\nMemFree:        {total - used} kB\n"
        f"MemAvailable:   {total - used} kB",
        **dict.fromkeys(NAMES, ""),
        "/proc/loadavg": "0.08 0.12 0.10 1/240 4711",
    }


def _os_release(host: HostState) -> str:
    name = _NAMES.get(host.os_id, host.os_id)
    codename = CODENAMES.get(f"{host.os_id} {host.os_version}", "")
    return (
        f'PRETTY_NAME="{name} {host.os_version}"\nNAME="{name}"\nVERSION_ID="{host.os_version}"\nID={host.os_id}\n'
        f"VERSION_CODENAME={codename}\n"
        f'HOME_URL="https://www.example.org/"'
    )


def _missing_folders(host: HostState) -> list[str]:
    is_missing = {_DOCKER_FOLDER: not host.docker_version, "/data": "/data" in host.without}
    return [path for path, missing in is_missing.items() if missing]


def _lost(path: str) -> str:
    return f"[ \"$*\" != '-P -k {path}' ] || {{ echo 'df: {path}: No such file or directory' >&2; exit 1; }}\n"


def _df(host: HostState, data: str) -> str:
    size, used = host.disk_bytes // 1024, host.disk_used_bytes // 1024
    device, mount = (data, "/data") if data else ("/dev/sda1", "/")
    return (
        "Filesystem     1024-blocks     Used Available Capacity Mounted on\n"
        f"{device}        {size} {used} {size - used} {100 * used // size}% {mount}"
    )
