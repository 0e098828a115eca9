"""Plain scalars of YAML as Docker Compose reads them (go-yaml 3), and how Go writes the values in text.

The rules are those of go-yaml's `resolve.go` (v3, the reader of compose-go): YAML 1.2's core with octal numbers of both
spellings, and dates. `yes`, `no`, `on`, `off` and numbers to the base of sixty are text.
"""

import math
import re
from datetime import date, time

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_MOST_INT, _MOST_SIGNED, _LEAST_INT = 2**64 - 1, 2**63 - 1, -(2**63)
_INT = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))",
    re.ASCII,
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_DOT_FLOAT = re.compile(r"\.[0-9]+([eE][-+]?[0-9]+)?", re.ASCII)
_DATE = re.compile(
    r"(?P<y>[0-9]{4})-(?P<mo>[0-9]{1,2})-(?P<d>[0-9]{1,2})"
    r"(?:(?P<t>[Tt ])(?P<h>[0-9]{1,2}):(?P<mi>[0-9]{1,2}):(?P<s>[0-9]{1,2})(?P<f>\.[0-9]{1,9})?"
    r"(?P<z>Z|[-+][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)


def resolved(text: str) -> Scalar:
    """Return the value of a plain scalar; a date is the text that Go writes for it.

    Raises:
        ValueError: it is a number that no text can hold, such as `.inf`.
    """
    if text in _WORDS:
        word = _WORDS[text]
        if isinstance(word, float):
            raise ValueError(f"{text} is no number that a compose file can hold")
        return word
    if text[0] == ".":
        return float(text) if _DOT_FLOAT.fullmatch(text) else text
    if text[0] not in "+-0123456789":
        return text
    return _date(text) or _number(text.replace("_", ""), text)


def go_text(value: Scalar) -> str:
    """Return a value in the text that Go's fmt gives it: what an environment variable holds."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return _go_float(value)
        case _:
            return str(value)


def _number(plain: str, text: str) -> Scalar:
    whole = _INT.fullmatch(plain)
    if whole is not None:
        number = _int(whole)
        if _LEAST_INT <= number <= (_MOST_SIGNED if whole["sign"] else _MOST_INT):
            return number
    if not _FLOAT.fullmatch(plain):
        return text
    number = float(plain)
    if math.isinf(number):
        return text
    return number


def _int(match: re.Match[str]) -> int:
    bases = (("hex", 16), ("bin", 2), ("oct", 8), ("dec", 10))
    digits, base = next((match[name], base) for name, base in bases if match[name] is not None)
    return int(digits, base) * (-1 if match["sign"] == "-" else 1)


def _go_float(value: float) -> str:
    """Go's %v: the shortest digits that give the value back, with an exponent below -4 and from 6 on."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    digits, power = _shortest(abs(value))
    if -4 <= power < 6:
        whole = digits[: power + 1].ljust(power + 1, "0") if power >= 0 else "0"
        rest = digits[power + 1 :] if power >= 0 else "0" * (-power - 1) + digits
        return f"{sign}{whole}{'.' + rest if rest else ''}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _shortest(value: float) -> tuple[str, int]:
    """Return the shortest digits that give the value back, and the power of ten of the first one."""
    if value == 0:
        return "0", 0
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, rest = mantissa.partition(".")
    digits = (whole + rest).lstrip("0")
    power = len(whole) - 1 if whole.strip("0") else -(len(rest) - len(rest.lstrip("0"))) - 1
    return digits.rstrip("0"), power + int(exponent or 0)


def _date(text: str) -> str:
    """Return what Go writes for a date; an empty text for what go-yaml takes for none (a `T` has a zone behind it)."""
    found = _DATE.fullmatch(text)
    if found is None or (found["t"] is not None and (found["t"] == " ") == bool(found["z"])):
        return ""
    try:
        day = date(int(found["y"]), int(found["mo"]), int(found["d"]))
        hour = time(int(found["h"] or 0), int(found["mi"] or 0), int(found["s"] or 0))
    except ValueError:
        return ""
    fraction = (found["f"] or "")[1:].rstrip("0")
    return f"{day:%Y-%m-%d} {hour:%H:%M:%S}{'.' + fraction if fraction else ''} {_zone(found['z'] or 'Z')}"


def _zone(text: str) -> str:
    if text == "Z":
        return "+0000 UTC"
    offset = text.replace(":", "")
    return f"{offset} {offset}"
