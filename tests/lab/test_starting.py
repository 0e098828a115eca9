"""What a real `docker compose up -d` starts of files that its `config` takes; the pretend server shall do the same."""

import json

import pytest
from pydantic import TypeAdapter

from tests.lab.bed import Bed
from tests.sandbox.starting_files import FLAGS, HERE, STARTS, Start

LIMIT_S = 180
_UP = """
import json, os, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

def said(words):
    return subprocess.run(words, capture_output=True, encoding="utf-8")

def up(project, text):
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/docker-compose.yml", "w") as file:
            file.write(text)
        words = ["docker", "compose", "--project-directory", folder, "-f", folder + "/docker-compose.yml"]
        done = said(words + ["--project-name", project, *sys.argv[1:]])
        label = "label=com.docker.compose.project=" + project
        shown = '{{.Label "com.docker.compose.service"}}'
        runs = said(["docker", "ps", "--filter", label, "--filter", "status=running", "--format", shown])
        return [done.returncode, done.stderr.strip().splitlines()[-1], sorted(runs.stdout.split())]

with ThreadPoolExecutor(4) as workers:
    print(json.dumps(list(workers.map(lambda asked: up(*asked), json.load(sys.stdin)))))
"""
_Seen = TypeAdapter(list[tuple[int, str, tuple[str, ...]]])


def project(at: int) -> str:
    """Return the name of the project of a file."""
    return f"p{at}"


@pytest.mark.timeout(LIMIT_S)
def test_what_docker_compose_starts_of_a_file_and_with_which_words_it_refuses(bed: Bed) -> None:
    """Copies of none, more processors than there are, images that are not there, needs that nobody meets."""
    server = bed.fresh()
    server.say("docker", "pull", "--quiet", HERE)
    asked = [(project(at), json.dumps(start.file)) for at, start in enumerate(STARTS.values())]
    answer = server.say("python3", "-c", _UP, *FLAGS, stdin=json.dumps(asked), limit_s=LIMIT_S)
    seen = dict(zip(STARTS, _Seen.validate_json(answer), strict=True))
    cpus = int(server.say("nproc"))
    assert {name: (status, words if status else "", runs) for name, (status, words, runs) in seen.items()} == {
        name: expected(start, project(at), cpus) for at, (name, start) in enumerate(STARTS.items())
    }


def expected(start: Start, name: str, cpus: int) -> tuple[int, str, tuple[str, ...]]:
    """Return what is seen of a file on a server with so many processors."""
    return start.status, start.words.format(project=name, cpus=cpus, last=cpus - 1), start.runs
