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
_LINES = re.compile(r"[0-9]{1,4}")
_SINCE = re.compile(r"[0-9]{1,9}[smh]|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_ADDRESS = re.compile(r"[0-9a-fA-F:.]{2,45}")
_PORT = re.compile(r"[0-9]{1,5}")
_LINK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}")
_THERE = re.compile(r"::(?:[0-9a-fA-F.]{2,45}|\[[0-9a-fA-F:.]{2,45}\]):")
_URL = re.compile(r"https?://[\x21-\x7e]{1,2000}")

_FACTS = ("sh", "-s", "--", _MARKER)
_CONFIG = ("config", "--format", "json", "--no-interpolate")
_STORED = ("docker", "compose", "--project-directory", _FOLDER, "-f", _FILE)
_LOGS = ("sh", "-c", 'exec docker logs "$@" 2>&1', "sh", "--timestamps", "--tail", _LINES)
_AS_ROOT = 'exec sudo -n env SSH_CONNECTION="${SSH_CONNECTION:-}" sh -s -- "$@"'
_AS_ROOT_BASH = 'exec sudo -n bash -s -- "$@"'
_INSIDE = exactly(partial(packaged, "firewall/inside.sh"))
_GET = (
    *("curl", "--disable", "--silent", "--show-error", "--globoff", "--noproxy", "*"),
    *("--proto", "=http,https", "--max-time", "10", "--max-filesize", "65536"),
    *("--user-agent", "ink-infra-mcp", "--connect-to", _THERE),
)
_TOLD = ("--write-out", r"%{stderr}\nink-visit %{http_code}\n", "--url", _URL)


def _with_boot() -> str:
    return f"boot={shlex.quote(packaged('firewall/boot.sh'))}\n{packaged('facts/facts.sh')}"


def _firewall() -> str:
    return packaged("firewall/firewall.sh").rstrip("\n") + " </dev/null\n"


READINGS = Readings(
    Reading(_FACTS, exactly(partial(packaged, "facts/facts.sh")), more=(_AREA,)),
    Reading(_FACTS, exactly(_with_boot), more=(_AREA,)),
    # of the verbs of this script `look` is the only one that changes nothing
    Reading(("sh", "-s", "--", "ink-firewall", "look"), exactly(_firewall)),
    Reading(("sh", "-c", _AS_ROOT, "sh", "ink-firewall", "look"), exactly(_firewall)),
    Reading(("bash", "-s", "--", "3"), exactly(partial(packaged, "firewall/knock.sh")), more=(_ADDRESS, _PORT)),
    Reading(("bash", "-s", "--", "ink-inside", "3"), _INSIDE, more=(_LINK, _ADDRESS, _PORT)),
    Reading(("sh", "-c", _AS_ROOT_BASH, "sh", "ink-inside", "3"), _INSIDE, more=(_LINK, _ADDRESS, _PORT)),
    Reading(("sh", "-s", "--", _CONTAINER), exactly(partial(packaged, "docker/environment.sh"))),
    Reading(("sh", "-s", "--"), exactly(partial(packaged, "docker/variables.sh")), more=(_VARIABLE,)),
    Reading(("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", _IMAGE)),
    Reading((*_LOGS, "--", _CONTAINER)),
    Reading((*_LOGS, "--since", _SINCE, "--", _CONTAINER)),
    Reading(("docker", "compose", "--project-name", _APP, "--file", "-", *_CONFIG), whatever),
    Reading((*_STORED, "--project-name", _APP, *_CONFIG)),
    Reading((*_STORED, "config", "--quiet")),
    Reading(
        ("docker", "exec", "coolify", "grep", "-c", "--", "'--runtime'", "/var/www/html/bootstrap/helpers/docker.php")
    ),
    Reading(("getent", "ahosts", _NAME)),
    Reading((*_GET, *_TOLD)),
    Reading((*_GET, "--insecure", *_TOLD)),
)
"""It names no builder of commands: what one sends otherwise than here stands is refused, until it is judged here."""
