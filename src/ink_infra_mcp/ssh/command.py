"""Commands for a server as words, and the one place where words become a line for a shell."""

import re
import shlex
from dataclasses import dataclass, field

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.secret import Secret

MAX_LINE_BYTES = 100_000
"""Linux hands a program at most 128 KiB in one argument (MAX_ARG_STRLEN), and sshd gives the whole line as one."""

PID_MARK = b"ink-pid "
"""Starts the first line that we make every command say on standard error: the number of its process group.

sshd makes each command the leader of a session and group of its own. The number lets another command end it: sshd
itself passes signals on only after privilege separation, so never to commands of root (tried with 9.2)."""
PLAIN_WORDS = "export LC_ALL=C LANG=C LANGUAGE=C"
"""Said before every command: what it answers is read by its English words, whatever language the server speaks.

Set, not unset: sudo keeps variables of the caller before those of PAM (sudoers(5), env_check), and Python's gettext,
which ufw uses, looks at LANGUAGE before LC_ALL."""
_PREAMBLE = f"{PLAIN_WORDS}; printf '{PID_MARK.decode()}%s\\n' \"$$\" >&2; exec "

_OURS = "No argument of a tool should lead here: please report it."
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_./+-]+")
_RESERVED = frozenset(
    "case coproc do done elif else esac fi for function if in select then time until while".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class HostCommand:
    """One command for a server: its words, whether it is said to change anything there, and how long it may run.

    `changes` is its maker's word, and counts only where it is true: what is no listed reading needs a permit anyhow.
    The words reach the program exactly as they are; nothing in them is read by a shell. Secrets go through `stdin`,
    which no list of processes shows, and never into words.

    Raises:
        InputError: no words, a NUL or a lone surrogate in a word, or more than `MAX_LINE_BYTES` in all.
    """

    words: tuple[str, ...]
    changes: bool
    timeout_s: float = 30.0
    stdin: bytes | Secret | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.words or not self.words[0]:
            raise InputError(
                "A command for a server needs at least one word, and the first one names the program.", next=_OURS
            )
        for word in self.words:
            _refuse_unsendable(word)
        if len(self.remote_line.encode()) > MAX_LINE_BYTES:
            raise InputError(
                f"The command {self.words[0]!r} is longer than {MAX_LINE_BYTES} bytes.",
                next="Send long content through standard input.",
            )

    @property
    def line(self) -> str:
        """Return the line that a POSIX shell splits into exactly these words."""
        program, *arguments = self.words
        return " ".join([_quote_program(program), *map(shlex.quote, arguments)])

    @property
    def remote_line(self) -> str:
        """Return the line for the login shell: plain English, its process group said, then it becomes the program."""
        return _PREAMBLE + self.line

    def stdin_bytes(self) -> bytes:
        """Return what the command reads from standard input, for the wire only."""
        if isinstance(self.stdin, Secret):
            return self.stdin.reveal().encode()
        return self.stdin or b""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command said. A signal gives 128 + its number, as a shell would say it.

    Of an answer longer than the cap `stdout` keeps the beginning and `stderr` the end, and `truncated` is true.
    """

    exit_status: int
    stdout: str
    stderr: str
    truncated: bool = False


def kill_group(group: int, *, signal: str) -> HostCommand:
    """Return the command that sends `signal` to a process group on the server where it runs."""
    return HostCommand(("sh", "-c", 'kill "-$1" "-$2"', "sh", signal, str(group)), changes=False)


def _refuse_unsendable(word: str) -> None:
    if "\0" in word:
        raise InputError("A word of a command has a NUL character in it, which no program can receive.", next=_OURS)
    try:
        word.encode()
    except UnicodeEncodeError:
        raise InputError("A word of a command has a lone surrogate in it, which is not text.", next=_OURS) from None


def _quote_program(word: str) -> str:
    """Quote also what `shlex` leaves bare but a shell would not run as a program: `A=b`, `if`, `time`."""
    if _PLAIN_NAME.fullmatch(word) and word not in _RESERVED:
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"
