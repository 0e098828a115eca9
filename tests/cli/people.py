"""Somebody who answers the questions of a command from a script, and remembers what was said."""

from collections.abc import Sequence

Said = str | bool


class Scripted:
    """Answers questions in the order of its script; each entry holds words of the question and the answer to it.

    A question that the script does not expect fails the test. The answer None takes the default.
    """

    def __init__(self, script: Sequence[tuple[str, Said | None]]) -> None:
        self.left = list(script)
        self.told: list[str] = []
        self.asked: list[str] = []

    @property
    def heard(self) -> str:
        """Return everything that was told, as one text."""
        return "\n".join(self.told)

    def tell(self, text: str) -> None:
        """Remember a text."""
        self.told.append(text)

    def text(self, question: str, *, default: str = "") -> str:
        """Return the next answer."""
        answer = self._next(question)
        assert not isinstance(answer, bool), question
        return default if answer is None else answer

    def secret(self, question: str) -> str:
        """Return the next answer."""
        return self.text(question)

    def yes(self, question: str, *, default: bool) -> bool:
        """Return the next answer."""
        answer = self._next(question)
        assert not isinstance(answer, str), question
        return default if answer is None else answer

    def _next(self, question: str) -> Said | None:
        self.asked.append(question)
        assert self.left, f"not expected: {question}"
        words, answer = self.left.pop(0)
        assert words in question, f"expected {words!r}, was asked: {question}"
        return answer
