"""Files of apt are read as apt reads them: what it uses is an address, and what it does not read is none."""

import re
import subprocess
from pathlib import Path

import pytest

from ink_infra_mcp.core.baseline.sources import Address, addresses_of, beside, shown, users_of
from tests.programs import program

LIMIT_S = 90
STANZA = "Types: deb\nURIs: {}\nSuites: s\nComponents: main\n"
ONE_LINERS = {
    "deb https://a.example/x stable main": ("https://a.example/x",),
    "  deb\thttps://a.example/x/  stable main\r\n": ("https://a.example/x",),
    "# deb https://c.example stable main\n#\n\n": (),
    "deb https://a.example/x stable main # deb https://c.example stable main": ("https://a.example/x",),
    "deb [arch=amd64 lang=en] https://a.example/x stable main": ("https://a.example/x",),
    "deb [ arch=amd64 ]https://a.example/x stable main": ("https://a.example/x",),
    "deb [trusted=yes allow-insecure=[x] ] https://a.example/x stable main": ("https://a.example/x",),
    "deb [trusted=yes note=https://n.example#x] https://a.example/x stable main": ("https://a.example/x",),
    'deb "https://a.example/x" stable main': ("https://a.example/x",),
    "deb https://a.example/%41b/ ./": ("https://a.example/Ab",),
    "deb https://a.example/x stable main\ndeb-src http://b.example/ stable main": (
        "https://a.example/x",
        "http://b.example",
    ),
    "deb cdrom:[Debian 12 _x_ - amd64]/ trixie main": ("cdrom:[Debian 12 _x_ - amd64]",),
    "deb https://u:p@a.example/x stable main": ("https://u:p@a.example/x",),
}
PARAGRAPHS = {
    STANZA.format("https://a.example/x https://b.example/y/"): ("https://a.example/x", "https://b.example/y"),
    STANZA.format("\n https://a.example/x\n# https://c.example\n\thttps://b.example/y"): (
        "https://a.example/x",
        "https://b.example/y",
    ),
    f"\n\n{STANZA.format('https://a.example/x')}\n\n# between\n\n{STANZA.format('https://b.example/y')}": (
        "https://a.example/x",
        "https://b.example/y",
    ),
    STANZA.format("https://a.example/x").replace("\n", "\r\n"): ("https://a.example/x",),
    STANZA.format("https://a.example/x").lower(): ("https://a.example/x",),
    STANZA.format("https://a.example/x") + "URIs : https://b.example/y\n": ("https://b.example/y",),
    STANZA.format("https://a.example/x") + "X-Note: this\n goes on at https://n.example\n": ("https://a.example/x",),
    STANZA.format("https://a.example/x") + "Enabled: maybe\n": ("https://a.example/x",),
    STANZA.format("https://a.example/x") + "Enabled: yes\n": ("https://a.example/x",),
    STANZA.format("https://a.example/x") + "Enabled: No\n": (),
    STANZA.format("https://a.example/x") + "Enabled: off\n#\n" + STANZA.format("https://b.example/y"): (),
    STANZA.format("https://a.example/x") + "Enabled: 0\n\n" + STANZA.format("https://b.example/y"): (
        "https://b.example/y",
    ),
    STANZA.format("https://a.example/x") + "Enabled: no\n \n" + STANZA.format("https://b.example/y"): (),
    "# nothing\n\n#\n": (),
    "": (),
}
READ = [*(("list", text, uris) for text, uris in ONE_LINERS.items())] + [
    ("sources", text, uris) for text, uris in PARAGRAPHS.items()
]
UNREADABLE = [
    ("list", "rpm https://a.example/x stable main"),
    ("list", "deb https://a.example/x"),
    ("list", "deb somewhere stable main"),
    ("list", "deb https://a.example/x#y stable main"),
    ("list", "deb [arch=amd64 https://a.example/x stable main"),
    ("list", "deb [arch=amd64] [lang=en] https://a.example/x stable main"),
    ("list", "deb[arch=amd64] https://a.example/x stable main"),
    ("sources", "not a field\n"),
    ("sources", STANZA.format("https://a.example/x # https://c.example")),
    ("sources", STANZA.format("https://a.example/x").replace("URIs", "URI")),
    ("sources", STANZA.format("https://a.example/x").replace("Types: deb", "Types: deb rpm")),
    ("sources", STANZA.format("https://a.example/x").replace("Types", "Kinds")),
]


def apt_uses(folder: Path, ending: str, text: str) -> set[str]:
    """Return the archives that apt itself would fetch from with this file as its only one, `error` where it fails."""
    for name in ("parts", "lists/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "parts" / f"x.{ending}").write_bytes(text.encode())
    options = {"sourcelist": "none", "sourceparts": "parts"}
    words = [f"-oDir::Etc::{name}={folder / place}" for name, place in options.items()]
    words += [f"-oDir::State::lists={folder / 'lists'}", "-oDebug::NoLocking=1", "update", "--print-uris"]
    said = subprocess.run([program("apt-get"), *words], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if said.returncode:
        return {"error"}
    places = re.findall(r"^'(.*?)/(?:dists/[^/]+|\./?)/InRelease'", said.stdout, re.MULTILINE)
    return {place.rstrip("/") for place in places}


@pytest.mark.parametrize(("ending", "text", "uris"), READ)
def test_a_file_names_what_apt_would_use_of_it(ending: str, text: str, uris: tuple[str, ...], tmp_path: Path) -> None:
    """Apt itself says which archives those are: comments, options, several on a line, switched off, in any order."""
    found = addresses_of(f"/etc/apt/sources.list.d/x.{ending}", text)
    assert tuple(one.uri for one in found if one.used) == uris
    if not text.startswith("deb cdrom:"):
        assert apt_uses(tmp_path, ending, text) == set(uris)


@pytest.mark.parametrize(("ending", "text"), UNREADABLE)
def test_a_file_that_apt_does_not_take_is_unknown_and_not_empty(ending: str, text: str, tmp_path: Path) -> None:
    """Apt reads no source at all then, and the message says which file it is."""
    with pytest.raises(ValueError, match=r"(line|paragraph) 1 of /etc/apt/sources\.list\.d/x\."):
        addresses_of(f"/etc/apt/sources.list.d/x.{ending}", text)
    assert apt_uses(tmp_path, ending, text) == {"error"}


def test_what_is_switched_off_is_named_and_not_used() -> None:
    """Whoever takes the file away loses it, so that it counts there; apt does not fetch from it."""
    off = STANZA.format("https://b.example https://c.example") + "Enabled: no\n"
    known = {
        "x": addresses_of("x.sources", f"{STANZA.format('https://a.example')}\n{off}"),
        "y": addresses_of("y.list", "deb https://b.example/ stable main"),
    }
    assert known["x"] == (
        Address(uri="https://a.example"),
        Address(uri="https://b.example", used=False),
        Address(uri="https://c.example", used=False),
    )
    assert users_of(known, "https://b.example") == ("y",)
    assert beside(known, "x", "https://a.example") == ("https://b.example", "https://c.example")
    assert beside(known, "z", "https://a.example") == ()


def test_a_login_in_an_address_is_not_shown() -> None:
    """Private archives have theirs in the file."""
    uris = ("https://name:word@a.example/x", *(f"https://{number}.example" for number in range(5)))
    assert shown(uris) == "https://a.example/x, https://0.example, https://1.example, https://2.example and 2 more"
