"""A small host of MCP Apps: the official bridge in a real Chromium, driven from here a line at a time."""

import json
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.clients_matrix.nodes import packages_of
from tests.node import NODE
from tests.programs import program

FOLDER = Path(__file__).resolve().parent
CALLS: Mapping[str, object] = {"serverTools": {}, "updateModelContext": {"text": {}}}
"""What a host can that lets its cards call tools and tell its model something."""
NOTHING: Mapping[str, object] = {}
Answer = Callable[[str, dict[str, object]], dict[str, object]]


class CardError(Exception):
    """The browser, or the card in it, did not do what was asked of it."""


def no_call(name: str, arguments: dict[str, object]) -> dict[str, object]:
    """Fail: a card that calls a tool here calls what it must not."""
    raise AssertionError(f"the card called {name} with {arguments}")


@dataclass(slots=True)
class Host:
    """One browser with one card at a time. The card's calls are answered by `answer`, and kept in `calls`."""

    process: "subprocess.Popen[str]"
    answer: Answer = no_call
    calls: list[tuple[str, dict[str, object]]] = field(default_factory=list[tuple[str, dict[str, object]]])
    shown: tuple[str, int] = ("", 0)
    _ids: "count[int]" = field(default_factory=count)

    def open(
        self,
        html: str,
        *,
        width: int = 800,
        theme: str | None = None,
        scheme: str = "light",
        tool: str | None = None,
        can: Mapping[str, object] = NOTHING,
        answer: Answer = no_call,
        silent: bool = False,
    ) -> None:
        """Show a card in a window of that width; a `silent` host says nothing to it."""
        self.calls, self.answer, self.shown = [], answer, (html, width)
        about = {"name": tool, "inputSchema": {"type": "object"}} if tool else None
        given = {"html": html, "width": width, "theme": theme, "scheme": scheme, "tool": about, "can": dict(can)}
        self.do("open", **given, silent=silent)

    def still(self, html: str, *, width: int) -> None:
        """Show a card, unless it is the one that is shown: a new window takes long."""
        if self.shown != (html, width):
            self.open(html, width=width)

    def result(self, result: Mapping[str, object]) -> None:
        """Pass a tool's answer on to the card, and wait until it has drawn it."""
        self.do("send", what="sendToolResult", params=dict(result))
        self.do("evaluate", words="new Promise((done) => setTimeout(done))")

    def told_input(self, arguments: Mapping[str, object]) -> None:
        """Tell the card with which arguments its tool is called."""
        self.do("send", what="sendToolInput", params={"arguments": dict(arguments)})

    def post(self, message: object) -> None:
        """Send the card a message as it is, past the bridge, and wait until it has been heard."""
        self.do("post", message=message)
        self.do("evaluate", words="new Promise((done) => setTimeout(done))")

    def faults(self, *rules: str) -> list[str]:
        """Return what axe finds wrong with the card by these of its rules or sets of rules."""
        return self.do("check", rules=list(rules))

    def evaluate(self, words: str) -> Any:
        """Return what an expression is worth in the card."""
        return self.do("evaluate", words=words)

    def until(self, words: str) -> None:
        """Wait until an expression holds in the card; its calls are answered meanwhile."""
        self.do("until", words=words)

    def do(self, order: str, **given: object) -> Any:
        """Return the browser's reply to an order.

        Raises:
            CardError: it could not be done.
        """
        mine = next(self._ids)
        self._say({"id": mine, "order": order, **given})
        while True:
            said = self.hear()
            if "call" in said:
                self._answered(said)
            elif "error" in said:
                raise CardError(f"{order}: {said['error']}")
            elif said["id"] == mine:
                return said["reply"]

    def _answered(self, call: dict[str, Any]) -> None:
        arguments = call.get("arguments", {})
        self.calls.append((call["name"], arguments))
        self._say({"answer": call["call"], "result": self.answer(call["name"], arguments)})

    def _say(self, line: Mapping[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Return the next line that the browser's program says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise CardError("the browser's program has ended")
        return json.loads(line)


@contextmanager
def opened_host() -> Generator[Host]:
    """Give a host; skip the test where there is no Chromium, or npm cannot install the rest."""
    browser = program("chromium")
    packages_of(FOLDER)
    words = [str(NODE), str(FOLDER / "host.mjs"), browser]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        host = Host(process)
        try:
            said = host.hear()
            assert "ready" in said, said
            yield host
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
