"""What the address of a state store may look like."""

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

_FORMS = "write sqlite:////absolute/path, or postgresql://user@host/database"
_PASSWORD = "takes no password, which would end up in process lists and logs; use PGPASSFILE, ~/.pgpass or PGPASSWORD"


def state_url_fault(url: str) -> str:
    """Return why a state store's address cannot be used, as the end of a sentence; an empty text: it can.

    An empty address stands for the default store.
    """
    if not url or _is_sqlite(url):
        return ""
    parts = _split(url)
    if parts.password is not None or "password=" in parts.query:
        return _PASSWORD
    return "" if _is_postgres(parts) else _FORMS


def _split(url: str) -> SplitResult:
    """Return the parts of an address; none where it cannot be taken apart."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _is_sqlite(url: str) -> bool:
    path = url.removeprefix("sqlite:///")
    return path != url and Path(path).is_absolute()


def _is_postgres(parts: SplitResult) -> bool:
    is_scheme = parts.scheme.partition("+")[0] == "postgresql"
    return is_scheme and bool(parts.hostname or parts.query) and bool(parts.path.strip("/"))
