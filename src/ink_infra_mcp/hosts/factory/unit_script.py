"""What our scripts that work as a unit of systemd have in common: how they are sent, and how their answers are read."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from ink_infra_mcp.core.errors import CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.machine.reading import AS_ROOT, is_root
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

ANY = "any"
"""The name that is given to a verb where no work in particular is meant."""
_UNCHANGED = 3
"""The exit status of such a script that changed nothing, with its reason on standard error behind its mark."""


def coded(text: str) -> str:
    """Return a text as one word that no shell and no pattern reads."""
    return base64.b64encode(text.encode()).decode()


@dataclass(frozen=True, slots=True)
class UnitScript:
    """One of them, `hosts/factory/<name>.sh`; the verbs of `reads` change nothing.

    `subject` and `does_not` are for sentences of errors, `folder` is where a person looks on the host.
    """

    name: str
    stage: str
    subject: str
    does_not: str
    folder: str
    untouched: str
    reads: frozenset[str]
    verb_s: float

    @property
    def mark(self) -> str:
        """Return its first word, by which it is known among commands, and which stands before its reasons."""
        return f"ink-{self.name}"

    def orders(self, told: Mapping[str, str]) -> str:
        """Return orders as lines, with the script and its sum at the end: what breaks off on the way has none."""
        script = packaged(f"factory/{self.name}.sh")
        whole = {**told, "script": coded(script), "end": sha256(script.encode()).hexdigest()}
        return "".join(f"{key} {value}\n" for key, value in whole.items())

    def command(self, verb: str, *words: str, as_root: bool, data: str = "") -> HostCommand:
        """Return the command that runs the script, which arrives by standard input with its orders behind it."""
        begin = ("sh", "-s", "--") if as_root else ("sh", "-c", AS_ROOT, "sh")
        end = f"{self.mark.upper()}-END-OF-DATA"
        rest = f" <<'{end}'\n{data}{end}\n" if data else " </dev/null\n"
        stdin = (packaged(f"factory/{self.name}.sh").rstrip("\n") + rest).encode()
        changes = verb not in self.reads
        return HostCommand((*begin, self.mark, verb, *words), changes=changes, timeout_s=self.verb_s, stdin=stdin)

    async def facts(self, pool: HostPool, host: str, verb: str, *words: str) -> list[tuple[str, str]]:
        """Return what a verb that only reads tells: the first word of each line, and the rest of it.

        Raises:
            StepFailed: it does not run there. HostError: the host cannot be reached, or its answer is not whole.
        """
        said = await pool.run(host, self.command(verb, *words, as_root=is_root(pool, host)))
        if said.exit_status:
            raise self._refusal(pool, host, said)
        if said.truncated or not said.stdout.endswith("done\n"):
            raise self.not_understood(host)
        parted = (line.partition(" ") for line in said.stdout.splitlines())
        return [(first, rest) for first, _, rest in parted]

    async def act(self, pool: HostPool, host: str, verb: str, name: str, *, permit: Permit, data: str = "") -> None:
        """Have the script do one thing.

        Raises:
            StepFailed: it does not, and nothing was changed.
            HostError: the host cannot be reached, or broke off: a look tells how far it is.
        """
        asked = self.command(verb, name, as_root=is_root(pool, host), data=data)
        said = await pool.run(host, asked, permit=permit)
        if said.exit_status:
            raise self._refusal(pool, host, said)

    def decoded(self, host: str, text: str) -> str:
        """Return a text that the script told in base64.

        Raises:
            HostError: it is none.
        """
        try:
            return base64.b64decode(text, validate=True).decode(errors="replace")
        except ValueError as error:
            raise self.not_understood(host) from error

    def not_understood(self, host: str) -> HostError:
        """Return the error for an answer that is not as this script gives it."""
        return HostError(
            f"What {host} says of {self.subject} is not understood.",
            host=host,
            done="Nothing was changed by asking.",
            next=f"Look at it there: {self.folder}.",
        )

    def _refusal(self, pool: HostPool, host: str, said: CommandResult) -> StepFailed | HostError:
        words = pool.presentable(said.stderr, limit=600)
        told = re.search(rf"^{self.mark}: (.+)", words, re.MULTILINE | re.DOTALL)
        if said.exit_status == _UNCHANGED and told:
            return StepFailed(
                f"{host} {self.does_not}: {clean_name(told[1], limit=400)}.",
                done=self.untouched,
                next="Mend that, then call again.",
                stage=self.stage,
            )
        ended = f"exit status {said.exit_status}"
        return CommandFailed(
            f"{host} did not run what was asked of it ({ended}): {clean_name(words, limit=300)}.",
            host=host,
            done="A look tells how far it is.",
            next="Give our user sudo without a password there, or log in as root.",
            exit_status=said.exit_status,
        )
