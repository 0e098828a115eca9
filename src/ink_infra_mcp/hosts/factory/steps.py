"""The step handlers that change Coolify's own database on the Factory, where its API has no way."""

import re
from dataclasses import dataclass

from ink_infra_mcp.core.errors import CommandFailed, InputError, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

_PSQL = 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"'
"""Inside the container the image's own variables name user and database (docker-compose.prod.yml)."""
_UUID = re.compile(r"[a-z0-9]{7,36}")
_WILDCARD = re.compile(r"(?:https?://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)?")
"""What Coolify's page takes (`nullable|url`), of it only an address without port and path; empty: none."""


@dataclass(frozen=True, slots=True)
class FactorySteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.set_coolify_wildcard": self.set_coolify_wildcard}

    async def set_coolify_wildcard(self, call: StepCall) -> JsonObject:
        """Make `wanted` the wildcard domain of the server `server` in Coolify's database, if it has `before` now.

        It is one UPDATE that compares and sets, run by psql in the container coolify-db on the Factory `host`.

        Raises:
            StepFailed: it has another one than `before` and `wanted`, there is no such server, or psql failed.
            HostError: the Factory cannot be reached.
        """
        host, server = call.text("host"), call.given("server")
        before, wanted = call.text("before"), call.text("wanted")
        _refuse_unfit(server, before, wanted)
        try:
            said = await self.pool.run(host, wildcard_command(server, before, wanted), permit=call.permit, check=True)
        except CommandFailed as error:
            raise _psql_failed(host, error) from error
        rows = said.stdout.splitlines()
        if rows != [f"now {wanted}"]:
            raise _not_set(rows, before, wanted)
        return {"wildcard": wanted}


def wildcard_command(server: str, before: str, wanted: str) -> HostCommand:
    """Return the command that compares and sets."""
    return psql_command(packaged("factory/wildcard.sql"), f"server={server}", f"before={before}", f"wanted={wanted}")


def psql_command(sql: str, *values: str) -> HostCommand:
    """Return the command that runs SQL as one transaction; `values` are `name=value`, which psql quotes (`:'name'`)."""
    variables = ("ON_ERROR_STOP=1", *values)
    options = ("-X", "-q", "-A", "-t", "--single-transaction", *(w for v in variables for w in ("-v", v)), "-f", "-")
    return HostCommand(
        words=("docker", "exec", "-i", "coolify-db", "sh", "-c", _PSQL, "psql", *options),
        changes=True,
        stdin=sql.encode(),
    )


def _refuse_unfit(server: str, before: str, wanted: str) -> None:
    if not _UUID.fullmatch(server):
        raise InputError(f"{server!r} is not a Coolify uuid.", next="Call the tool again.")
    if not _WILDCARD.fullmatch(wanted):
        raise InputError(f"{wanted!r} is no wildcard domain.", next="Give it as https://s1.example.com.")
    if "\0" in before:
        raise InputError("The wildcard domain from before has a NUL in it.", next="Empty it in Coolify first.")


def _not_set(rows: list[str], before: str, wanted: str) -> StepFailed:
    now = rows[0].removeprefix("now ") if len(rows) == 1 and rows[0].startswith("now ") else None
    has = "Coolify's database has no such server" if now is None else f"Coolify has {now or 'none'} now"
    return StepFailed(
        f"The wildcard domain was to become {wanted or 'none'} from {before or 'none'}: {has}.",
        done="It was not changed.",
        next="Somebody else may have changed it: call the tool again, which plans with what is there now.",
        stage="coolify_wildcard",
    )


def _psql_failed(host: str, error: CommandFailed) -> StepFailed:
    sure = error.exit_status is not None
    how = f"ended with exit status {error.exit_status}" if sure else "did not end in time"
    return StepFailed(
        f"psql in the container coolify-db on {host} {how}.",
        done="It was not changed." if sure else "It is not known whether it was changed.",
        next="See whether the container coolify-db runs on the Factory. A person can set it in Coolify as well, under "
        "Servers > the server > General > Wildcard Domain; then call again.",
        stage="coolify_wildcard",
        untrusted_log=tuple(error.untrusted_output.splitlines()[-10:]),
    )
