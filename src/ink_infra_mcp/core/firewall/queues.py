"""Which queues of packets a program waits at, as the kernel lists them, and what becomes of a packet at one."""

from dataclasses import dataclass

from ink_infra_mcp.core.firewall.answer import Answer
from ink_infra_mcp.core.firewall.rules import Verdict


@dataclass(frozen=True, slots=True)
class Queues:
    """The numbers of the queues that a program waits at; None where that is not known."""

    taken: frozenset[int] | None = None

    def verdict(self, first: int, last: int, *, bypass: bool) -> Verdict:
        """Return what becomes of a packet that is sent to one of some queues.

        Nobody can tell what a program decides. Without one it is dropped, or with `bypass` goes on behind the chain
        (nf_queue.c).
        """
        if self.taken is None or any(first <= number <= last for number in self.taken):
            return Verdict.UNKNOWN
        return Verdict.ACCEPT if bypass else Verdict.DROP


UNTOLD = Queues()


def read_queues(answer: Answer | None) -> Queues:
    """Read /proc/net/netfilter/nfnetlink_queue: a line for each queue, of which the first word is its number.

    It is not there where the kernel has no queues, so that no program can wait at one. Whatever else is said tells
    nothing.
    """
    if answer is None:
        return UNTOLD
    if answer.status == 1 and "No such file" in answer.text:
        return Queues(frozenset())
    words = [line.split() for line in answer.text.split("\n") if line]
    if answer.status != 0 or not all(each and each[0].isascii() and each[0].isdigit() for each in words):
        return UNTOLD
    return Queues(frozenset(int(each[0]) for each in words))
