"""One deployment as Coolify answers it, and its log, which arrives as JSON inside a text."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, cast

from pydantic import AliasChoices, AliasPath, BeforeValidator, Field

from ink_infra_mcp.clients.coolify.fields import Flag, Sent, Text, When, as_instant, list_from_php, parsed_json
from ink_infra_mcp.core.compose.words import without_quoted
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean

ACTIVE = frozenset({"queued", "in_progress"})
FINISHED = "finished"
CANCELLED = "cancelled-by-user"
_ENDED = frozenset({FINISHED, "failed", CANCELLED})


class LogLine(Frozen):
    """One entry of a deployment's log, cleaned; hidden entries hold the build's own output.

    Coolify masks values that are shown once and git tokens, other environment values not (source, version 4.3.11):
    hidden entries may hold secrets.
    """

    untrusted_text: str
    stream: str = "stdout"
    hidden: bool = False
    order: int = 0
    timestamp: datetime | None = None


def parse_log(value: object) -> object:
    """Return the entries in Coolify's log text, in order; none when it holds no log. A tuple stays as it is."""
    if isinstance(value, str):
        return _entries(value)
    return cast(tuple[object, ...], value) if isinstance(value, tuple) else ()


class Deployment(Sent):
    """One run of a build and rollout.

    Statuses known: queued, in_progress, finished, failed, cancelled-by-user. `lines` is None when the token may not
    read logs (that takes `read:sensitive` and an admin), and empty when there is no line yet.
    """

    uuid: str = Field(validation_alias=AliasChoices("deployment_uuid", "uuid"))
    status: Text = ""
    commit: Text = ""
    commit_message: Text = ""
    application_name: Text = ""
    application_uuid: Text = Field(default="", validation_alias=AliasPath("application", "uuid"))
    server_name: Text = ""
    pull_request_id: int | None = None
    force_rebuild: Flag = False
    restart_only: Flag = False
    rollback: Flag = False
    is_api: Flag = False
    is_webhook: Flag = False
    created_at: When = None
    updated_at: When = None
    finished_at: When = None
    lines: Annotated[tuple[LogLine, ...] | None, BeforeValidator(parse_log)] = Field(
        default=None, validation_alias=AliasChoices("logs", "lines")
    )

    @property
    def is_preview(self) -> bool:
        """Return whether it is of a pull request, which leaves the app itself alone."""
        return bool(self.pull_request_id)

    @property
    def is_active(self) -> bool:
        """Return whether it waits or runs."""
        return self.status in ACTIVE

    @property
    def is_over(self) -> bool:
        """Return whether it has ended; such a status never changes. An unknown one is over once it has an end time."""
        return self.status in _ENDED or (not self.is_active and self.finished_at is not None)

    @property
    def visible(self) -> tuple[LogLine, ...]:
        """Return the entries that Coolify shows by default."""
        return tuple(line for line in self.lines or () if not line.hidden)


def _entries(text: str) -> tuple[LogLine, ...]:
    entries = list_from_php(parsed_json(text)) or []
    lines = [_line(entry, place) for place, entry in enumerate(entries) if isinstance(entry, dict)]
    return tuple(sorted(lines, key=lambda line: line.order))


def _line(entry: Mapping[str, object], place: int) -> LogLine:
    output, stream, order = entry.get("output"), entry.get("type"), entry.get("order")
    moment = as_instant(entry.get("timestamp"))
    return LogLine(
        untrusted_text=clean(without_quoted(output)) if isinstance(output, str) else "",
        stream=stream[:16] if isinstance(stream, str) else "stdout",
        hidden=entry.get("hidden") is True,
        order=order if isinstance(order, int) else place,
        timestamp=moment if isinstance(moment, datetime) else None,
    )
