"""Logs go to stderr, one JSON object a line: stdout belongs to the protocol."""

import json
import logging
import sys
from datetime import UTC, datetime

_CHATTY = ("asyncssh", "httpx2", "httpcore2", "uvicorn")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object with time, level, logger and message; a traceback only at debug level."""

    def __init__(self, *, with_traces: bool) -> None:
        super().__init__()
        self._with_traces = with_traces

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["error"] = record.exc_info[0].__name__
            if self._with_traces:
                entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def log_to_stderr(level: str) -> None:
    """Send all logs of `level` and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(with_traces=True))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
