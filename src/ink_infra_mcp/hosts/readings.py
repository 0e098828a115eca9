"""Every command that only reads on a server: the pool runs no other one without a permit, whoever says what of it."""

import re
import shlex
from functools import partial

from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.reading import Reading, Readings, exactly, whatever

_MARKER = re.compile(r"ink-[0-9a-f]{16}")
_AREA = re.compile(r"system|docker|containers|network")
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_IMAGE = re.compile(r"sha256:[0-9a-f]{64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}")
_APP = re.compile(r"[a-z0-9]{1,64}")
_FOLDER = re.compile(r"/data/coolify/services/[a-z0-9]{1,64}")
_FILE = re.compile(r"/data/coolify/services/[a-z0-9]{1,64}/docker-compose\.yml")
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_LINES = re.compile(r"[0-9]{1,4}")
_SINCE = re.compile(r"[0-9]{1,9}[smh]|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_ADDRESS = re.compile(r"[0-9a-fA-F:.]{2,45}")
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_PORT = re.compile(r"[0-9]{1,5}")
_LINK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}")
_THERE = re.compile(r"::(?:[0-9a-fA-F.]{2,45}|\[[0-9a-fA-F:.]{2,45}\]):")
_URL = re.compile(r"https?://[\x21-\x7e]{1,2000}")

_ASKED = re.compile(
    r"package=[a-z0-9][a-z0-9+.-]{1,100}|sysctl=[a-z0-9_]+(?:\.[a-z0-9_-]+)+|unit=[A-Za-z0-9][A-Za-z0-9_.@-]{0,100}"
)

_FACTS = ("sh", "-s", "--", _MARKER)
_CONFIG = ("config", "--format", "json", "--no-interpolate")
_STORED = ("docker", "compose", "--project-directory", _FOLDER, "-f", _FILE)
_LOGS = ("sh", "-c", 'exec docker logs "$@" 2>&1', "sh", "--timestamps", "--tail", _LINES)
_AS_ROOT = 'exec sudo -n env SSH_CONNECTION="${SSH_CONNECTION:-}" sh -s -- "$@"'
_AS_ROOT_BASH = 'exec sudo -n bash -s -- "$@"'
_AS_ROOT_SH = 'exec sudo -n sh -s -- "$@"'
_MACHINE = exactly(partial(packaged, "machine/look.sh"))
_AUDIT = exactly(partial(packaged, "machine/audit.sh"))
_COOLIFY = exactly(partial(packaged, "factory/look.sh"))
_PLACE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}|/data/coolify/backups(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){1,4}")
_BOOT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,119}")
_DISK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,140}")
_SWAP_READS = re.compile(r"look|ready|prove|secrets")
_BUILD_READS = re.compile(r"look|ready")
_INSIDE = exactly(partial(packaged, "firewall/inside.sh"))
_GET = (
    *("curl", "--disable", "--silent", "--show-error", "--globoff", "--noproxy", "*"),
    *("--proto", "=http,https", "--max-time", "10", "--max-filesize", "65536"),
    *("--user-agent", "ink-infra-mcp", "--connect-to", _THERE),
)
_TOLD = ("--write-out", r"%{stderr}\nink-visit %{http_code} %{redirect_url}\n", "--url", _URL)


def _with_boot() -> str:
    return f"boot={shlex.quote(packaged('firewall/boot.sh'))}\n{packaged('facts/facts.sh')}"


def _login() -> str:
    return packaged("machine/login.sh").rstrip("\n") + " </dev/null\n"


def _volumes() -> str:
    return packaged("volumes/volumes.sh").rstrip("\n") + " </dev/null\n"


def _firewall() -> str:
    return packaged("firewall/firewall.sh").rstrip("\n") + " </dev/null\n"


def _swap() -> str:
    return packaged("factory/swap.sh").rstrip("\n") + " </dev/null\n"


def _build() -> str:
    return packaged("factory/build.sh").rstrip("\n") + " </dev/null\n"


def _disk() -> str:
    return packaged("factory/disk.sh").rstrip("\n") + " </dev/null\n"


def _install() -> str:
    return packaged("factory/install.sh").rstrip("\n") + " </dev/null\n"


def _vlan() -> str:
    return packaged("machine/vlan.sh").rstrip("\n") + " </dev/null\n"


def _patch() -> str:
    return packaged("upkeep/patch.sh").rstrip("\n") + " </dev/null\n"


def _reboot() -> str:
    return packaged("upkeep/reboot.sh").rstrip("\n") + " </dev/null\n"


def _backup() -> str:
    return packaged("factory/backup.sh").rstrip("\n") + " </dev/null\n"


def _weigh() -> str:
    return packaged("factory/weigh.sh").rstrip("\n") + " </dev/null\n"


READINGS = Readings(
    Reading(_FACTS, exactly(partial(packaged, "facts/facts.sh")), more=(_AREA,)),
    Reading(_FACTS, exactly(_with_boot), more=(_AREA,)),
    # of the verbs of this script `look` is the only one that changes nothing
    Reading(("sh", "-s", "--", "ink-firewall", "look"), exactly(_firewall)),
    Reading(("sh", "-c", _AS_ROOT, "sh", "ink-firewall", "look"), exactly(_firewall)),
    Reading(("sh", "-s", "--", "ink-login", "look", _USER), exactly(_login)),
    Reading(("sh", "-c", _AS_ROOT, "sh", "ink-login", "look", _USER), exactly(_login)),
    Reading(("sh", "-s", "--", "ink-ready"), exactly(partial(packaged, "machine/ready.sh"))),
    # as with the firewall: the other verb is the one that reboots
    Reading(("sh", "-s", "--", "ink-reboot", "look", _BOOT_NAME), exactly(_reboot)),
    Reading(("sh", "-c", _AS_ROOT, "sh", "ink-reboot", "look", _BOOT_NAME), exactly(_reboot)),
    Reading(("sh", "-s", "--", "ink-patch", "look", _BOOT_NAME), exactly(_patch)),
    Reading(("sh", "-c", _AS_ROOT, "sh", "ink-patch", "look", _BOOT_NAME), exactly(_patch)),
    Reading(("sh", "-s", "--", _MARKER), exactly(partial(packaged, "upkeep/upkeep.sh"))),
    # of this script's verbs `sum` and `send` change nothing either; only steps that may write use them
    Reading(("sh", "-s", "--", "ink-volume", "look", _VOLUME), exactly(_volumes)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-volume", "look", _VOLUME), exactly(_volumes)),
    Reading(("bash", "-s", "--", "3"), exactly(partial(packaged, "firewall/knock.sh")), more=(_ADDRESS, _PORT)),
    Reading(("bash", "-s", "--", "ink-inside", "3"), _INSIDE, more=(_LINK, _ADDRESS, _PORT)),
    Reading(("sh", "-c", _AS_ROOT_BASH, "sh", "ink-inside", "3"), _INSIDE, more=(_LINK, _ADDRESS, _PORT)),
    # a kernel setting is looked up below /proc/sys, and no name of one leads out of there
    Reading(("sh", "-s", "--", "ink-machine", _MARKER), _MACHINE, more=(_ASKED,)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-machine", _MARKER), _MACHINE, more=(_ASKED,)),
    Reading(("sh", "-s", "--", "ink-audit", _MARKER), _AUDIT, more=(re.compile("kept"),)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-audit", _MARKER), _AUDIT, more=(re.compile("kept"),)),
    # `docker compose config` prints what it made of files, and its database lets the session write nothing
    Reading(("sh", "-s", "--", "ink-coolify", _MARKER), _COOLIFY),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-coolify", _MARKER), _COOLIFY),
    # of this script's verbs only `check` changes nothing: it reads files, and makes none
    Reading(("sh", "-s", "--", "ink-backup", "check", _PLACE), exactly(_backup)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-backup", "check", _PLACE), exactly(_backup)),
    # it reads a backup and dumps tables to where nobody keeps them; only uuids and names are printed
    Reading(("sh", "-s", "--", "ink-weigh", "list"), exactly(_weigh)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-weigh", "list"), exactly(_weigh)),
    Reading(("sh", "-s", "--", "ink-weigh", "look", _PLACE), exactly(_weigh)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-weigh", "look", _PLACE), exactly(_weigh)),
    # of this script's verbs these four change nothing; the last runs `true` on Coolify's own servers, with its keys
    Reading(("sh", "-s", "--", "ink-swap", _SWAP_READS, _BOOT_NAME), exactly(_swap)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-swap", _SWAP_READS, _BOOT_NAME), exactly(_swap)),
    # and of this one these two
    Reading(("sh", "-s", "--", "ink-build", _BUILD_READS, _BOOT_NAME), exactly(_build)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-build", _BUILD_READS, _BOOT_NAME), exactly(_build)),
    # of this script's verbs `look` alone changes nothing: wipefs is asked with --no-act, and debugfs opens to read
    Reading(("sh", "-s", "--", "ink-disk", "look", _BOOT_NAME), exactly(_disk)),
    Reading(("sh", "-s", "--", "ink-disk", "look", _BOOT_NAME, _DISK_NAME), exactly(_disk)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-disk", "look", _BOOT_NAME), exactly(_disk)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-disk", "look", _BOOT_NAME, _DISK_NAME), exactly(_disk)),
    # of this script's verbs `look` alone changes nothing; its database lets the session write nothing
    Reading(("sh", "-s", "--", "ink-install", "look", _BOOT_NAME), exactly(_install)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-install", "look", _BOOT_NAME), exactly(_install)),
    Reading(("sh", "-s", "--", _CONTAINER), exactly(partial(packaged, "docker/environment.sh"))),
    Reading(("sh", "-s", "--"), exactly(partial(packaged, "docker/variables.sh")), more=(_VARIABLE,)),
    # of the verbs of this script `look` is the only one that changes nothing
    Reading(("sh", "-s", "--", "ink-vlan", "look"), exactly(_vlan)),
    Reading(("sh", "-c", _AS_ROOT_SH, "sh", "ink-vlan", "look"), exactly(_vlan)),
    # it sends three packets that ask for nothing but themselves
    Reading(("ping", "-n", "-q", "-c", "3", "-W", "2", "-M", "do", "-s", _LINES, _IPV4)),
    Reading(("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", _IMAGE)),
    Reading((*_LOGS, "--", _CONTAINER)),
    Reading((*_LOGS, "--since", _SINCE, "--", _CONTAINER)),
    Reading(("docker", "compose", "--project-name", _APP, "--file", "-", *_CONFIG), whatever),
    Reading((*_STORED, "--project-name", _APP, *_CONFIG)),
    Reading((*_STORED, "config", "--quiet")),
    # it prints a number and ends (cmd/compose/version.go of docker/compose)
    Reading(("docker", "compose", "version", "--short")),
    Reading(
        ("docker", "exec", "coolify", "grep", "-c", "--", "'--runtime'", "/var/www/html/bootstrap/helpers/docker.php")
    ),
    # a program that prints its own version and ends (cmd/version of traefik/traefik)
    Reading(("docker", "exec", "coolify-proxy", "traefik", "version")),
    Reading(("getent", "ahosts", _NAME)),
    Reading((*_GET, *_TOLD)),
    Reading((*_GET, "--insecure", *_TOLD)),
)
"""It names no builder of commands: what one sends otherwise than here stands is refused, until it is judged here."""
