"""What `docker compose up -d` makes of files that its `config` takes: seen with Docker 26.1 and Compose 2.26.1.

A server, real or pretend, that is given one of these answers so. HERE is on the server already, THERE only in the
registry, ABSENT in neither; all are for linux/amd64. The command is Coolify's, with its `--force-recreate --build`.
"""

from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.plan import JsonObject

HERE, THERE, ABSENT = (f"registry.lab:5000/library/{name}:1" for name in ("tiny", "web", "absent"))
FLAGS = ("up", "-d", "--remove-orphans", "--force-recreate", "--build")
REFUSED, UNPULLED = 1, 18
"""Exit statuses: Docker or Compose refuses to make or start a container; an image cannot be had."""
_PLAIN: JsonObject = {"image": HERE, "command": ["sleep", "600"], "init": True}
_WELL: JsonObject = {"test": ["CMD", "true"], "interval": "200ms"}
_HEALTHY: JsonObject = {"depends_on": {"db": {"condition": "service_healthy"}}}
_WISHED: JsonObject = {"depends_on": {"db": {"condition": "service_healthy", "required": False}}}
_ENDED: JsonObject = {"depends_on": {"db": {"condition": "service_completed_successfully"}}}
_OF_ANOTHER = "was found but does not match the specified platform: wanted linux/s390x, actual: linux/amd64"


@dataclass(frozen=True, slots=True)
class Start:
    """A file, and what comes of it: the exit status, the last line of the words where it is not 0, and what runs.

    In the words `{cpus}` is the number of the server's processors, `{last}` the last of them, counted from 0, and
    `{project}` the project's name.
    """

    file: JsonObject
    runs: tuple[str, ...] = ("other", "web")
    status: int = 0
    words: str = ""


def _with(web: JsonObject, db: JsonObject | None = None) -> JsonObject:
    """Return a file with `other`, which is fine, `web`, and perhaps `db`."""
    services: dict[str, JsonValue] = {"other": _PLAIN, "web": _PLAIN | web}
    return {"services": services if db is None else {**services, "db": _PLAIN | db}}


def _needing(db: JsonObject, needs: JsonObject = _HEALTHY) -> JsonObject:
    """Return a file of `web` that needs `db`: what else there is would start or not, as it comes."""
    return {"services": {"web": _PLAIN | needs, "db": _PLAIN | db}}


def _daemon(words: str) -> str:
    return f"Error response from daemon: {words}"


_CPUS = _daemon("Range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available")
STARTS: dict[str, Start] = {
    "nothing odd": Start(_with({})),
    "scale of 0": Start(_with({"scale": 0}), runs=("other",)),
    "no replicas": Start(_with({"deploy": {"replicas": 0}}), runs=("other",)),
    "needs one of scale 0": Start(_with({"depends_on": ["db"]}, {"scale": 0})),
    "more processors than there are": Start(_with({"cpus": 500}), (), REFUSED, _CPUS),
    "more processors in deploy": Start(
        _with({"deploy": {"resources": {"limits": {"cpus": "500"}}}}), (), REFUSED, _CPUS
    ),
    "processors that are not there": Start(
        _with({"cpuset": "4000"}), (), REFUSED,
        _daemon("Requested CPUs are not available - requested 4000, available: 0-{last}"),
    ),
    "more memory than there is": Start(_with({"mem_limit": "900g"})),
    "never pulled and absent": Start(
        _with({"pull_policy": "never", "image": THERE}), (), REFUSED, _daemon(f"No such image: {THERE}")
    ),
    "never pulled and there": Start(_with({"pull_policy": "never"})),
    "in no registry": Start(
        _with({"image": ABSENT}), (), UNPULLED,
        _daemon(f"manifest for {ABSENT} not found: manifest unknown: manifest unknown"),
    ),
    "to be built from nothing and there": Start(_with({"pull_policy": "build"})),
    "to be built from nothing and absent": Start(
        _with({"pull_policy": "build", "image": THERE}), (), REFUSED, _daemon(f"No such image: {THERE}")
    ),
    "for another platform": Start(
        _with({"platform": "linux/s390x"}), (), UNPULLED, f"image with reference {HERE} {_OF_ANOTHER}"
    ),
    "needs the health of one without a check": Start(
        _needing({}), ("db",), REFUSED,
        "dependency failed to start: container {project}-db-1 has no healthcheck configured",
    ),
    "would like the health of one without a check": Start(_needing({}, _WISHED), ("db", "web")),
    "needs the health of one whose check is off": Start(
        _needing({"healthcheck": {"disable": True}}), ("db",), REFUSED,
        "dependency failed to start: container {project}-db-1 has no healthcheck configured",
    ),
    "needs the health of one that has it": Start(_needing({"healthcheck": _WELL}), ("db", "web")),
    "needs the health of one that lacks it": Start(
        _needing({"healthcheck": {**_WELL, "test": ["CMD", "false"], "retries": 1}}), ("db",), REFUSED,
        "dependency failed to start: container {project}-db-1 is unhealthy",
    ),
    "needs the end of one that fails": Start(
        _needing({"command": ["false"]}, _ENDED), (), REFUSED,
        'service "db" didn\'t complete successfully: exit 1',
    ),
}  # fmt: skip
