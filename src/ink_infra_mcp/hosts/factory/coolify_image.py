"""What can be read of the Coolify container itself on the Factory."""

from ink_infra_mcp.core.errors import CommandFailed
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

SOURCE = "/var/www/html/bootstrap/helpers/docker.php"
CONSTANTS = "/var/www/html/config/constants.php"
OPTION = "'--runtime'"


async def knows_runtime_option(pool: HostPool, factory: str) -> bool:
    """Return whether the running image maps `--runtime` (its source names the option in the allow-list).

    Raises:
        HostError: the Factory or the container could not be asked: unknown, not "no".
    """
    command = HostCommand(words=("docker", "exec", "coolify", "grep", "-c", "--", OPTION, SOURCE), changes=False)
    result = await pool.run(factory, command)
    # grep ends with 1 when nothing matches; everything else is trouble
    if result.exit_status in (0, 1) and result.stdout.strip().isdigit():
        return int(result.stdout.strip()) > 0
    raise CommandFailed(
        f"The Coolify container on {factory} could not be read (exit status {result.exit_status}).",
        host=factory,
        next="Check `docker ps` on the Factory: the container `coolify` must run.",
        exit_status=result.exit_status,
        untrusted_output=result.stderr[-500:],
    )
