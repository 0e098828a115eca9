"""Labels and label selectors, by the grammar that the Cloud API documents."""

import re
from collections.abc import Callable, Mapping

from ink_infra_mcp.sandbox.hetzner.call import ApiError, invalid

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"^(?:[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}$")
_VALUE = re.compile(rf"^(?:{_NAME})?$")
_SPLIT = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"^(?P<key>\S+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^=!\s]+)\s*(?P<op>==|=|!=)\s*(?P<value>\S*)$")
_EXISTS = re.compile(r"^(?P<not>!?)\s*(?P<key>[^=!\s(),]+)$")

Labels = Mapping[str, str]
Term = Callable[[Labels], bool]


def check_labels(labels: Labels) -> None:
    """Let good labels pass.

    Raises:
        ApiError: 422 on a malformed key or value, and on the reserved prefix hetzner.cloud/.
    """
    for key, value in labels.items():
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value) or key.startswith("hetzner.cloud/"):
            raise invalid({"labels": f"label {key}={value} is not valid"})


def selector(text: str) -> Term:
    """Return the test that a label selector stands for: terms joined by commas, all of which must hold.

    Raises:
        ApiError: 422 on bad syntax.
    """
    terms = [_term(part.strip()) for part in _SPLIT.split(text) if part.strip()]
    return lambda labels: all(term(labels) for term in terms)


def _term(text: str) -> Term:
    for shape, make in _TERMS:
        if match := shape.fullmatch(text):
            return make(match)
    raise ApiError(422, "invalid_input", "invalid label selector", {"fields": [{"name": "label_selector"}]})


def _in_set(match: re.Match[str]) -> Term:
    values = {value.strip() for value in match["values"].split(",")}
    return _one_of(match["key"], values, wanted=match["op"] == "in")


def _equal(match: re.Match[str]) -> Term:
    return _one_of(match["key"], {match["value"]}, wanted=match["op"] != "!=")


def _one_of(key: str, values: set[str], *, wanted: bool) -> Term:
    return lambda labels: (labels.get(key) in values) == wanted


def _exists(match: re.Match[str]) -> Term:
    key, wanted = match["key"], not match["not"]
    return lambda labels: (key in labels) == wanted


_TERMS = ((_SET, _in_set), (_EQUAL, _equal), (_EXISTS, _exists))
