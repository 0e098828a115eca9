"""What Coolify 4.3.11's own code made of compose files that this product had prepared, run under PHP and recorded."""

import json
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).parent / "coolify_services.json"


@dataclass(frozen=True, slots=True)
class Made:
    """A file as it was sent, the URLs of its services, and what Coolify stored and would start."""

    name: str
    approved: str
    urls: dict[str, list[str]]
    raw: str
    generated: str


_READ = json.loads(_FILE.read_text(encoding="utf-8"))
APP: str = _READ["app"]
MADE: tuple[Made, ...] = tuple(Made(**case) for case in _READ["cases"])
