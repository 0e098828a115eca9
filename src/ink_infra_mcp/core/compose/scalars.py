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
_SIGN_INSIDE = re.compile(r"0(?P<base>[ob])(?P<digits>[-+][0-7]+)", re.ASCII)
"""`0o-7`: go-yaml cuts the prefix off and lets the rest have its sign."""
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
        return _word(text)
    if text[0] not in "+-0123456789":
        return float(text) if _DOT_FLOAT.fullmatch(text) else text
    return _date(text) or _number(text.replace("_", ""), text)


def _word(text: str) -> Scalar:
    word = _WORDS[text]
    if isinstance(word, float):
        raise ValueError(f"{text} is no number that a compose file can hold")
    return word


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
    whole = _whole(plain)
    if whole is not None:
        return whole
    if not _FLOAT.fullmatch(plain):
        return text
    number = float(plain)
    return text if math.isinf(number) else number


def _whole(plain: str) -> int | None:
    """Return a whole number that Go has a type for, None for anything else."""
    found = _INT.fullmatch(plain)
    if found is None:
        return _with_sign_inside(plain)
    number = _int(found)
    most = _MOST_SIGNED if found["sign"] else _MOST_INT
    return number if _LEAST_INT <= number <= most else None


def _with_sign_inside(plain: str) -> int | None:
    found = _SIGN_INSIDE.fullmatch(plain)
    if found is None or (found["base"] == "b" and set(found["digits"]) - set("+-01")):
        return None
    return int(found["digits"], 2 if found["base"] == "b" else 8)


def _int(match: re.Match[str]) -> int:
    bases = (("hex", 16), ("bin", 2), ("oct", 8), ("dec", 10))
    digits, base = next((match[name], base) for name, base in bases if match[name] is not None)
    return int(digits, base) * (-1 if match["sign"] == "-" else 1)


def _go_float(value: float) -> str:
    """Go's %v: the shortest digits that give the value back, with an exponent below -4 and from 6 on."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    digits, power = _shortest(abs(value))
    return sign + (_fixed(digits, power) if -4 <= power < 6 else _exponential(digits, power))


def _fixed(digits: str, power: int) -> str:
    if power < 0:
        return f"0.{'0' * (-power - 1)}{digits}"
    whole, rest = digits[: power + 1].ljust(power + 1, "0"), digits[power + 1 :]
    return f"{whole}.{rest}" if rest else whole


def _exponential(digits: str, power: int) -> str:
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{power:+03d}"


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
    """Return what Go writes for a date; an empty text for what go-yaml takes for none."""
    found = _DATE.fullmatch(text)
    if found is None or _has_odd_zone(found):
        return ""
    parts = found.groupdict("0")
    try:
        day = date(int(parts["y"]), int(parts["mo"]), int(parts["d"]))
        hour = time(int(parts["h"]), int(parts["mi"]), int(parts["s"]))
    except ValueError:
        return ""
    return f"{day:%Y-%m-%d} {hour:%H:%M:%S}{_fraction(found['f'])} {_zone(found['z'] or 'Z')}"


def _has_odd_zone(found: re.Match[str]) -> bool:
    """A `T` has a zone behind it, a space has none."""
    return found["t"] is not None and (found["t"] == " ") == bool(found["z"])


def _fraction(text: str | None) -> str:
    digits = (text or "")[1:].rstrip("0")
    return f".{digits}" if digits else ""


def _zone(text: str) -> str:
    if text == "Z":
        return "+0000 UTC"
    offset = text.replace(":", "")
    return f"{offset} {offset}"
