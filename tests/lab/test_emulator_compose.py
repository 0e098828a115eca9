"""The pretend `docker compose config` answers as the real one does: the same files to both, compared whole."""

import pytest
from pydantic import JsonValue, TypeAdapter

from ink_infra_mcp.sandbox.compose.__main__ import answer
from tests.lab.bed import Bed
from tests.lab.ground.hosts import Server
from tests.sandbox.compose_files import FILES

LIMIT_S = 180
_Json = TypeAdapter(dict[str, JsonValue])


def told(status: int, out: str, err: str) -> tuple[int, JsonValue, list[str]]:
    """Return status, document and complaints without the warnings, whose order Go leaves open."""
    complaints = [line for line in err.strip().splitlines() if "level=warning" not in line]
    return status, _Json.validate_json(out) if out else None, complaints


def real(server: Server, words: list[str], text: str) -> tuple[int, str, str]:
    """Return what the lab's server answers."""
    ran = server.run(
        "sh", "-c", 'cd /root && HOME=/root exec docker compose "$@"', "sh", *words, stdin=text, limit_s=LIMIT_S
    )
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.parametrize("more", [[], ["--no-interpolate"]], ids=["filled", "as it stands"])
@pytest.mark.parametrize("name", FILES)
def test_compose_makes_the_same_of_a_file(bed: Bed, name: str, more: list[str]) -> None:
    """Canonical JSON where it is good, Compose's words and status where it is not."""
    words = ["--project-name", "site", "-f", "-", "config", "--format", "json", *more]
    pretend = answer(words, stdin=FILES[name], files={}, now=0)
    assert told(pretend.status, pretend.out, pretend.err) == told(*real(bed.clean("muscle-1"), words, FILES[name]))
