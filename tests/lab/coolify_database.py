"""Coolify's database on the Factory of the lab: a container whose psql asks the emulated database of a world."""

import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager

from ink_infra_mcp.sandbox.hosts.database import CONTAINER, run_psql
from ink_infra_mcp.sandbox.world import World
from tests.lab.ground.hosts import Server

# the first four words of psql name the user and the database, which the emulated one has no others of
_END = "\\."
_PROGRAM = "/data/coolify/psql"
_PSQL = """#!/bin/sh
shift 4
{ echo "$#"; for word; do printf '%%s\\n' "$word"; done; cat; echo '%s'; } | nc %s %d >/tmp/answer
tail -n +2 /tmp/answer
exit "$(head -n 1 /tmp/answer)"
"""
_START = f"""
docker rm --force {CONTAINER} >/dev/null 2>&1
docker run --detach --quiet --name {CONTAINER} --network host --env POSTGRES_USER=coolify --env POSTGRES_DB=coolify \\
    --volume {_PROGRAM}:/bin/psql:ro registry.lab:5000/library/tiny:1 sleep 86400
"""
"""The policy `ports` judges the Muscle, and not what the Factory publishes: the container has the Factory's network."""


@contextmanager
def coolify_database(factory: Server, world: World) -> Generator[None]:
    """Let the container be on the Factory, whose state is to be used up."""

    class Answers(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = [line.decode().rstrip("\n") for line in iter(self.rfile.readline, f"{_END}\n".encode())]
            words, script = lines[1 : 1 + int(lines[0])], lines[1 + int(lines[0]) :]
            with world.change() as state:
                said = run_psql(state.coolify, words, "\n".join([*script, ""]), now=world.now(state))
            status, text = (said.status, said.output) if said else (127, "")
            self.wfile.write(f"{status}\n{text}".encode())

    with socketserver.ThreadingTCPServer((factory.site.admin_ipv4, 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        factory.write(_PROGRAM, _PSQL % (_END, factory.site.admin_ipv4, port))
        factory.say("chmod", "755", _PROGRAM)
        factory.say("sh", "-c", _START)
        try:
            yield
        finally:
            server.shutdown()
