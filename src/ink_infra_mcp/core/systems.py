"""What a tool may need of the systems around it, in the words that `doctor` uses."""

from dataclasses import dataclass

CONFIGURATION = "configuration"
TOKEN = "Coolify token"
STATE = "state store"
READ = "Coolify: read"
SENSITIVE = "Coolify: read:sensitive"
WRITE = "Coolify: write"
DEPLOY = "Coolify: deploy"
FACTORY = "SSH to the Factory"
MUSCLE = "SSH to a Muscle"
OPTION = "isolation by run option"
RUNTIME = "a Muscle with the isolating runtime"
GITHUB = "GitHub"
HETZNER = "Hetzner Cloud"
ROBOT = "Hetzner Robot"
DNS = "DNS"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a tool does not work without, and what it only works in part without."""

    must: tuple[str, ...] = ()
    better: tuple[str, ...] = ()


STARTS_APPS = (STATE, READ, DEPLOY, MUSCLE, RUNTIME)
"""What every tool needs that starts an app and proves its isolation."""
