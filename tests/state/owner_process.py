"""A process that owns an executor id for as long as it runs: `python -m tests.state.owner_process WHERE EXECUTOR`.

WHERE is the folder of lock files, or the address of a Postgres database.
"""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ink_infra_mcp.state.owners import FileOwners, PostgresOwners

CHILD = "--with-child"


@contextmanager
def owner_process(where: Path | str, executor: str, *flags: str) -> Generator["subprocess.Popen[str]"]:
    """Give a running process that holds the lock of `executor`; whatever happens, it does not outlive the block."""
    command = [sys.executable, "-m", __name__, str(where), executor, *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "owns\n"
            yield process
        finally:
            process.kill()


def main() -> None:
    """Hold the lock until standard input ends; with a child, say its process id too."""
    where, executor = sys.argv[1:3]
    postgres = where.startswith("postgresql:")
    owners = PostgresOwners(where, executor) if postgres else FileOwners(Path(where), executor)
    sys.stdout.write("owns\n")
    if CHILD in sys.argv:
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], close_fds=False)
        sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    sys.stdin.read()
    owners.close()


if __name__ == "__main__":
    main()
