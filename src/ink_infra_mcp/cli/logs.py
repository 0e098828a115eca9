"""Logs go to stderr, one JSON object a line: stdout belongs to the protocol."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime

_CHATTY = ("asyncssh", "httpx2", "httpcore2", "uvicorn")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object with time, level, logger, message and trace, without secrets."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redact(record.getMessage()),
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["error"] = record.exc_info[0].__name__
            entry["trace"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def log_to_stderr(level: str, redact: Callable[[str], str]) -> None:
    """Send all logs of `level` and above to stderr, each through `redact`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(redact))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
