"""What others' errors say, in our words: pydantic's of arguments and files, the system's and OpenSSL's of the net."""

import errno
import re
from collections.abc import Mapping
from typing import Any

_ERRNO = re.compile(r"^\[Errno (-?\d+)\] ")
_CALL_FAILED = "Connect call failed"
"""What asyncio says in place of the system's own words."""
_BY_NUMBER: Mapping[int, str] = {
    errno.ECONNREFUSED: "the connection is refused",
    errno.EHOSTUNREACH: "no way leads there",
    errno.ENETUNREACH: "no way leads there",
    errno.ETIMEDOUT: "no answer in time",
}
_SSL = re.compile(r"^\[(?:SSL|X509)[:\w ]*\] |\s*\(_ssl\.c:\d+\)$")
_MEANS: tuple[tuple[str, str], ...] = (
    ("name or service not known", "no name server knows that name"),
    ("nodename nor servname", "no name server knows that name"),
    ("no address associated with hostname", "that name has no address"),
    ("temporary failure in name resolution", "the name could not be looked up: no name server answered"),
    ("all connection attempts failed", "no connection could be made"),
    ("connection refused", "the connection is refused"),
    ("wrong version number", "what stands there speaks no TLS (https to a port of plain http?)"),
    ("record layer failure", "what stands there speaks no TLS (https to a port of plain http?)"),
    ("unexpected eof while reading", "the connection was closed while TLS began"),
    ("eof occurred in violation of protocol", "the connection was closed while TLS began"),
)
"""What the C library, anyio and OpenSSL 3 say, lower-case, as seen on Debian 12 and macOS, and what it means."""
_UNTRUSTED = "certificate verify failed: "

_FAULTS: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "there is no such argument",
    "string_type": "must be text, in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "timezone_aware": "must have a zone, such as Z or +01:00",
    "union_tag_not_found": "must say its {discriminator}",
    "union_tag_invalid": "must have as {discriminator} one of {expected_tags}",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "string_too_long": "has more than {max_length} characters",
    "too_long": "has more than {max_length} entries",
    "string_pattern_mismatch": "must be of the form {pattern}",
}
"""Pydantic's kinds of error (pydantic.dev, Validation Errors) as the end of a sentence about an argument."""


def of_connection(text: str) -> str:
    """Return what the error of a connection says, without the system's numbers and file names; no text: no words."""
    if _CALL_FAILED in text:
        return _by_number(text)
    bare = _SSL.sub("", _SSL.sub("", _ERRNO.sub("", text.strip()))).strip().rstrip(".")
    low = bare.lower()
    if means := next((means for said, means in _MEANS if said in low), ""):
        return means
    if low.startswith(_UNTRUSTED):
        return f"its certificate is not trusted: {bare[len(_UNTRUSTED) :]}"
    return bare


def _by_number(text: str) -> str:
    number = _ERRNO.match(text)
    return _BY_NUMBER.get(int(number[1]) if number else 0, "no connection could be made")


def of_fault(fault: Mapping[str, Any]) -> str:
    """Return what is wrong with one value, as pydantic's `errors()` has it, and never the value itself."""
    kind: str = fault["type"]
    context: Mapping[str, Any] = fault.get("ctx", {})
    if kind in ("string_too_short", "too_short"):
        return _short(context)
    if kind in _FAULTS:
        return _FAULTS[kind].format_map(context).replace("'", "`")
    return own_words(fault["msg"])


def own_words(message: str) -> str:
    """Return a message of pydantic's without the frame that it puts around a check's own words."""
    said = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return re.sub(r"^(?:Input|Value|String|Tuple|List|Dictionary) should be", "must be", said)


def _short(context: Mapping[str, Any]) -> str:
    least = context.get("min_length", 1)
    return "is empty" if least == 1 else f"has fewer than {least}"
