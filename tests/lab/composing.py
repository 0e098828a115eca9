"""The Docker Compose of a lab's server, asked about many small projects in one go."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import TypeAdapter

from tests.lab.ground.hosts import Server

FILE = "compose.yml"
LIMIT_S = 180.0
_ASK = """
import json, os, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

def ask(files):
    with tempfile.TemporaryDirectory(prefix="asked") as folder:
        for name, text in files.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as file:
                file.write(text)
        words = ["docker", "compose", "--project-directory", folder, "--file", os.path.join(folder, "compose.yml")]
        words += ["--project-name", "it", "config", "--format", "json"]
        environment = {"PATH": os.environ["PATH"], "HOME": "/root"}
        done = subprocess.run(words, capture_output=True, encoding="utf-8", env=environment)
        return [done.returncode, done.stdout, done.stderr.replace(folder, "FOLDER")]

with ThreadPoolExecutor(2) as workers:
    print(json.dumps(list(workers.map(ask, json.load(sys.stdin)))))
"""
_Said = TypeAdapter(list[tuple[int, str, str]])


@dataclass(frozen=True, slots=True)
class Said:
    """What `docker compose config` says of a project: its status, the document that it printed, and its words."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any] | None:
        """Return what Compose makes of the project, None where it refuses it; each dollar sign is printed twice."""
        return None if self.status else cast(dict[str, Any], json.loads(self.out.replace("$$", "$")))


def config_of(server: Server, projects: Iterable[Mapping[str, str]]) -> list[Said]:
    """Return what Compose says of each project, given as its files by name, `compose.yml` among them.

    Its environment holds nothing but a path and root's home.
    """
    answer = server.say("python3", "-c", _ASK, stdin=json.dumps([*map(dict, projects)]), limit_s=LIMIT_S)
    return [Said(*said) for said in _Said.validate_json(answer)]
