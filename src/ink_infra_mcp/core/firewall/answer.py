"""What a layer's source said when it was asked, and the reason why a layer cannot be judged."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command said, whole (the one who asked has seen its end), and the exit status it ended with."""

    text: str
    status: int = 0
    errors: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A layer that cannot be judged. It is never taken for one without rules: what passes it is unknown."""

    reason: str


class Damaged(ValueError):
    """Text that is cut off, damaged or in a form that is not known; the message says where."""


def failed(answer: Answer, command: str) -> Unreadable | None:
    """Return why an answer cannot be used because its command failed, or None where it ended well."""
    if answer.status == 0:
        return None
    said = (answer.errors or answer.text).strip().partition("\n")[0][:160]
    return Unreadable(f"{command} ended with status {answer.status}" + (f": {said}" if said else ""))
