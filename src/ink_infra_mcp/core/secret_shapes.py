"""What secrets look like where nobody knows them: keys, tokens of vendors, values behind telling names.

For texts that do not run: logs, answers of vendors, words from outside. All expressions are linear in the text.
"""

import re
from collections.abc import Iterator
from itertools import chain, takewhile

Span = tuple[int, int]

VENDOR_TOKENS = re.compile(
    r"""(?x)
    (?<![A-Za-z0-9_-])
    (?: gh[pousr]_[A-Za-z0-9]{20,}
    | github_pat_[A-Za-z0-9_]{20,}
    | glpat-[A-Za-z0-9_-]{20,}
    | (?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])
    | [sr]k_(?:live|test)_[A-Za-z0-9]{16,}
    | whsec_[A-Za-z0-9+/=]{20,}
    | sk-[A-Za-z0-9_-]{20,}
    | xox[abeoprs]-[A-Za-z0-9-]{16,}
    | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
    | (?:npm|hf)_[A-Za-z0-9]{30,}
    | dckr_pat_[A-Za-z0-9_-]{20,}
    | do[opr]_v1_[a-f0-9]{40,}
    | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
    | \d{1,6}\|[A-Za-z0-9]{40,}
    )
    """
)
"""Tokens that show by themselves whose they are, signed ones (JWT) among them."""
KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_HEADER = re.compile(r"(?:Proc-Type|DEK-Info|Comment|Version|Hash|Charset|MessageID): ")
_NOTHING_MORE = re.compile(r"\s*+\Z")
_LINE_IS_OVER = re.compile(r"[ \t\r\"',]*+(?:\n|\Z)")
_INLINE_HEADERS = re.compile(r"(?:(?:\\{1,8}[nr])++(?:Proc-Type|DEK-Info|Comment): [^\\\n]{0,200})*+")
_INLINE = re.compile(r"(?:\\{1,8}[nr]|[A-Za-z0-9+/=])++")
_SPACED = re.compile(r"(?: [A-Za-z0-9+/=]{16,}+)++(?: [A-Za-z0-9+/=]{1,80}+)?+(?= ?-----END )")
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_BEHIND_A_LINE = " \t\r\"',"
_DIGITS = re.compile(r"\d+")
_OF_A_KEY = 16
"""Characters from which a line of base64 is taken for one of a key whose END is missing."""

URL_PASSWORD = re.compile(r"://[^/\s:@\"'<>]*+:(?P<value>[^/\s\"'<>]+)(?=@)")
_SCHEME = re.compile(
    r"(?i)(?P<header>\bauthorization[\"']?\s*+[:=]\s*+[\"']?)?+\b(?:bearer|basic) (?P<value>[\w.~+/|=-]{8,})"
)
_FOR_TOKEN = re.compile(r"(?i)(?<=for token ')(?P<value>[A-Za-z0-9]{16,})")
ASSIGNED = re.compile(
    r"""(?ix)
    (?<! [\w.-] )
    (?= [\w.-]*? (?: passw(?:or)?d | passphrase | secret | token | api[_-]?key | private[_-]?key | access[_-]?key
      | credential ) )
    (?P<name> [\w.-]++ )
    (?P<mid> (?: \\*+ ["'] )?+ \s*+ [=:] \s*+ )
    (?: " (?P<double> (?: @ (?: \\. | [^"\\\n] ) ){4,}+ ) | ' (?P<single> (?: @ (?: \\. | [^'\\\n] ) ){4,}+ )
      | \\++ ["'] (?P<nested> (?: @ [^"'\\\n] ){4,}+ ) | (?P<bare> (?: @ [^\s"',;&] ){4,} ) )
    """.replace("@", r"(?! \([0-9]{1,12}\ characters?\ hidden\) )")
)
"""A telling name, and the value behind it up to what is hidden already."""
_MADE = re.compile(r"(?i)(?:token|api[_-]?key|private[_-]?key)$")
"""Ends of names whose values machines make: a plain word is none of these, but may well be a password."""
_PROSE = re.compile(r"[a-z]{1,15} [a-z(]")
"""A plain word, and behind it another one, or what is hidden already: `no token: prices are not known`."""
_WORD = re.compile(r"[A-Za-z]?[a-z]*")
_REFERENCE = re.compile(r"secret:[A-Z][A-Z0-9_]*[`.:)\]]*")
STANDS_FOR = re.compile(
    r"""(?x)
    (?: \$[A-Z_][A-Z0-9_]*+ | \$\{\w++ (?: :?\?[^{}]*+ | :?[-+](?:\$\{\w++\})?+ )?+ \} | [./:@,-] )++ (?<![./:@,-])
    | \{\{[^{}]*+\}\} | <[^<>]*+> | \*+ | %[sv]
    """
)
"""What stands for a value and is none: `${NAME}`, `{{ name }}`, `<password>`, `***`. A default that is written beside
the name (`${NAME:-default}`) is a value.
"""
_NO_SECRETS = frozenset({"none", "null", "true", "false", "generate:"})
_CLOSING = {")": "(", "]": "[", "}": "{"}


def shapes_in(text: str) -> Iterator[Span]:
    """Give where in a text something stands that looks like a secret, from-to, in no order; they may overlap.

    Of a private key these are its lines of base64, each for itself, without BEGIN and END. Where END is missing, lines
    count only as long as they are nothing but base64.
    """
    yield from (match.span() for match in VENDOR_TOKENS.finditer(text))
    yield from lines_of_keys(text)
    yield from (match.span("value") for match in URL_PASSWORD.finditer(text) if _is_value(match["value"]))
    yield from (match.span("value") for match in _SCHEME.finditer(text) if _is_credential(match))
    yield from (match.span("value") for match in _FOR_TOKEN.finditer(text))
    yield from chain.from_iterable(assigned_in(match) for match in ASSIGNED.finditer(text))


def _is_value(text: str) -> bool:
    return text.lower().strip("`") not in _NO_SECRETS and not STANDS_FOR.fullmatch(text)


def _is_credential(match: re.Match[str]) -> bool:
    """A plain word behind `basic` or `bearer` is one only in the header itself: `basic authentication` is none."""
    return bool(match["header"]) or not _WORD.fullmatch(match["value"])


def lines_of_keys(text: str) -> Iterator[Span]:
    """Give where the base64 of private keys stands."""
    return chain.from_iterable(_of_key(text, begin) for begin in KEY_BEGIN.finditer(text))


def assigned_in(match: re.Match[str]) -> Iterator[Span]:
    """Give where the value of a match of `ASSIGNED` stands, unless it is a reference, a mere word, or prose."""
    kind = match.lastgroup or "bare"
    value = match[kind]
    if _REFERENCE.fullmatch(match[0]) or not _is_value(value) or _is_prose(match, kind):
        return
    start, end = match.span(kind)
    yield start, end - (_unopened(value) if kind == "bare" else 0)


def _is_prose(match: re.Match[str], kind: str) -> bool:
    said = kind == "bare" and match["mid"] == ": " and _MADE.search(match["name"])
    return bool(said and _PROSE.match(match.string, match.start(kind)))


def _unopened(value: str) -> int:
    """Return how many brackets at the end close what the value did not open: these stand beside it."""
    count = 0
    while count < len(value) and (closing := value[-1 - count]) in _CLOSING and _CLOSING[closing] not in value:
        count += 1
    return count


def _of_key(text: str, begin: re.Match[str]) -> Iterator[Span]:
    over = _LINE_IS_OVER.match(text, begin.end())
    if over:
        yield from _lines_of_key(text, begin.start(), over.end())
    elif spaced := _SPACED.match(text, begin.end()):
        yield spaced.span()
    else:
        headers = _INLINE_HEADERS.match(text, begin.end())
        body = _INLINE.match(text, headers.end() if headers else begin.end())
        yield from (match.span() for match in [body] if match)


def _lines_of_key(text: str, begin: int, first: int) -> list[Span]:
    """Logs put a time or a name before each line; what stood before BEGIN may stand before the others."""
    mark = _DIGITS.sub("0", text[text.rfind("\n", 0, begin) + 1 : begin])
    found: list[Span] = []
    for start, end in _lines(text, first):
        line = text[start:end].rstrip(_BEHIND_A_LINE)
        head = line.rstrip(_BASE64)
        if not _stands_before(head, mark):
            told = _KEY_END.search(line)
            if told or found or not _KEY_HEADER.search(line):
                return found if told else _without_end(text, found)
        elif len(head) < len(line):
            found.append((start + len(head), start + len(line)))
    return _without_end(text, found)


def _lines(text: str, start: int) -> Iterator[Span]:
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1


def _stands_before(head: str, mark: str) -> bool:
    return not head.strip() or mark.startswith(_DIGITS.sub("0", head))


def _without_end(text: str, found: list[Span]) -> list[Span]:
    """Lines of a key are all of one width, save the last; a word that follows a cut one is not of it."""
    if not found:
        return []
    width = found[0][1] - found[0][0]
    whole = list(takewhile(lambda span: span[1] - span[0] == width >= _OF_A_KEY, found))
    last = found[len(whole) : len(whole) + 1]
    return whole + [span for span in last if span[1] - span[0] >= _OF_A_KEY or _is_cut(text, *span)]


def _is_cut(text: str, start: int, end: int) -> bool:
    """Return whether the text breaks off with this piece, and it is no word."""
    return _NOTHING_MORE.match(text, end) is not None and not _WORD.fullmatch(text, start, end)
