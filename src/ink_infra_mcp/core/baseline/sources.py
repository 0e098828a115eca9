"""The addresses that files of apt name, read as apt itself reads them (2.6.1, seen), and which files name no others."""

import re
from collections.abc import Iterator, Mapping

from ink_infra_mcp.core.plan import Frozen

PLACE = re.compile(r"/etc/apt/sources\.list(\.d/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}\.(list|sources))?")
"""What apt reads: of its folder, files with these endings, and with such names only."""
_KINDS = frozenset({"deb", "deb-src"})
_OFF = frozenset({"no", "false", "without", "off", "disable", "0"})
"""What apt takes for no (StringToBool); every other word is a yes."""
_WORD = re.compile(r'(?:"[^"]*"|\[[^\]]*\]|[^\s"\[])+')
_OPTIONS = re.compile(r'\[(?:"[^"]*"|\[[^\]]*\]|[^\]"\[])*\]')
_COMMENT = re.compile(r"((?:\[[^\]]*\]|[^#])*)")
_QUOTED = re.compile(r"%([0-9A-Fa-f]{2})")
_FIELD = re.compile(r"([^\s:][^:]*?)\s*:(.*)")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+", re.DOTALL)
_LOGIN = re.compile(r"//[^/]*@")
_SHOWN = 4


class Address(Frozen):
    """An address that a file names, without a slash at its end; not `used` where its paragraph says `Enabled: no`."""

    uri: str
    used: bool = True


Sources = Mapping[str, tuple[Address, ...]]
"""Files of apt -> the addresses that each names."""


def addresses_of(path: str, text: str) -> tuple[Address, ...]:
    """Return the addresses that a file of apt names, each once; what is commented out is none.

    Raises:
        ValueError: apt reads no source at all with this file there; the message says where it is wrong.
    """
    read = _paragraphs if path.endswith(".sources") else _one_liners
    return tuple(dict.fromkeys(read(path, text)))


def users_of(sources: Sources, uri: str) -> tuple[str, ...]:
    """Return the files by which apt uses an address."""
    return tuple(file for file, found in sources.items() if Address(uri=uri) in found)


def beside(sources: Sources, file: str, uri: str) -> tuple[str, ...]:
    """Return the other addresses of a file, those that it names and does not use among them."""
    return tuple(dict.fromkeys(one.uri for one in sources.get(file, ()) if one.uri != uri))


def shown(uris: tuple[str, ...]) -> str:
    """Return addresses in words, the first few, without the logins that stand in some."""
    more = f" and {len(uris) - _SHOWN} more" if len(uris) > _SHOWN else ""
    return ", ".join(_LOGIN.sub("//", uri) for uri in uris[:_SHOWN]) + more


def _one_liners(path: str, text: str) -> Iterator[Address]:
    """A line is KIND [OPTIONS] ADDRESS SUITE...; a `#` outside the options begins a comment."""
    for number, line in enumerate(text.split("\n"), 1):
        found = _COMMENT.match(line)
        rest = (found[1] if found else "").strip()
        if not rest:
            continue
        kind, rest = _word(rest)
        options = _OPTIONS.match(rest)
        uri, rest = _word(rest[options.end() :] if options else rest)
        suite, _ = _word(rest)
        if kind not in _KINDS or not suite:
            raise ValueError(f"line {number} of {path} is no source of apt's")
        yield _address(uri, f"line {number} of {path}")


def _word(text: str) -> tuple[str, str]:
    """Return the first word as apt decodes it, and the rest."""
    text = text.strip()
    found = _WORD.match(text)
    if found is None:
        return "", text
    return _QUOTED.sub(lambda code: chr(int(code[1], 16)), found[0].replace('"', "")), text[found.end() :].strip()


def _paragraphs(path: str, text: str) -> Iterator[Address]:
    """deb822: an empty line parts paragraphs, and a line of a comment parts nothing."""
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if not line.startswith("#")]
    parts = [part for part in re.split(r"\n\n+", "\n".join(lines)) if part.strip("\n")]
    for number, part in enumerate(parts, 1):
        where = f"paragraph {number} of {path}"
        fields = _fields(part.strip("\n"), where)
        used = fields.get("enabled", "").strip().lower() not in _OFF
        uris, kinds = fields.get("uris", "").split(), fields.get("types", "").split()
        if used and not (uris and kinds and _KINDS.issuperset(kinds)):
            raise ValueError(f"{where} is no source of apt's")
        for uri in uris:
            yield _address(uri, where, used=used)


def _fields(part: str, where: str) -> dict[str, str]:
    """Of a field that stands there twice the last counts; a line that begins with a blank goes on with the last one."""
    found: dict[str, str] = {}
    name = ""
    for line in part.split("\n"):
        field = _FIELD.fullmatch(line)
        if line[:1] in (" ", "\t") and name:
            found[name] += f"\n{line}"
        elif field:
            name = field[1].lower()
            found[name] = field[2]
        else:
            raise ValueError(f"{where} has a line that is no field")
    return found


def _address(uri: str, where: str, *, used: bool = True) -> Address:
    if not _URI.fullmatch(uri):
        raise ValueError(f"{where} names no address")
    return Address(uri=uri.rstrip("/"), used=used)
