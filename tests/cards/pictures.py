"""Pictures of the cards, as a real Chromium draws them from the pretend world: `make pictures`.

The points are of this machine's fonts, so that no test compares them. Each picture has the words inside that were
pictured, and those are held against what the card shows today.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cards.hosts import CALLS, Host, opened_host
from tests.cards.png import light
from tests.cards.served import Served, served

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
WIDTH = 720
TAKEN: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "approval-card.png": ("control_app", {"app": "shop", "action": "restart", "wait_s": 0}),
    "fleet-card.png": ("get_fleet", {}),
}
"""Each picture, with the tool whose card it is of, and what that is called with."""
_OF_THE_RUN = (
    (re.compile(r"\bap-[a-z0-9]{10}\b"), "ap-7wa826jvx6"),
    (re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b"), "2026-11-30 12:00:00"),
)
"""The name of an approval, and until when it can be given."""


def shown(host: Host, server: Served, name: str) -> str:
    """Show in the host what a picture is of, and return its words, with those of the run made the same."""
    tool, arguments = TAKEN[name]
    host.open(server.card_of(tool), tool=tool, width=WIDTH, theme="light", can=CALLS)
    host.told_input(arguments)
    host.result(server.call(tool, dict(arguments)))
    words: str = host.evaluate("document.querySelector('main').innerText")
    for pattern, instead in _OF_THE_RUN:
        words = pattern.sub(instead, words)
    return " ".join(words.split())


def take(folder: Path) -> None:
    """Write every picture into a folder."""
    with TemporaryDirectory() as place, opened_host() as host, served(Path(place)) as server:
        for name in TAKEN:
            words = shown(host, server, name)
            host.do("shot", path=str(folder / name))
            (folder / name).write_bytes(light((folder / name).read_bytes(), words))
            sys.stdout.write(f"{folder / name}\n")


if __name__ == "__main__":
    take(FOLDER)
