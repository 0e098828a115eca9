"""What policy says of secrets in what is stored: which variables may be plain all the same, and how long plans keep."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.policy import Loosened, Rule, admitted

DAY_S = 86_400.0
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,254}$")]


class DaysRule(Rule):
    """A span of whole days."""

    value: Annotated[int, Field(ge=1, le=3650)]


class PlainRule(Rule):
    """Whether a variable of that very name may have a plain value that looks like a secret."""

    allowed: bool


class SecrecyRules(Frozen):
    """secrets.toml as it is written: the packaged baseline has the retention, an overlay only what it changes."""

    retention_days: DaysRule | None = None
    plain: dict[VariableName, PlainRule] = {}


class Secrecy(Frozen):
    """The rules in force. `plain` are names of variables; `overrides` lists, in words, what the overlay loosens."""

    retention_days: int
    plain: frozenset[str] = frozenset()
    overrides: tuple[str, ...] = ()

    @property
    def retention_s(self) -> float:
        """Return for how many seconds an ended operation keeps the values and the text that ran."""
        return self.retention_days * DAY_S


def baseline(rules: SecrecyRules) -> Secrecy:
    """Return the rules of the packaged file alone.

    Raises:
        ValueError: the retention is missing.
    """
    if rules.retention_days is None:
        raise ValueError("retention_days is needed")
    return Secrecy(retention_days=rules.retention_days.value, plain=_allowed(frozenset(), rules))


def tighten(base: Secrecy, overlay: SecrecyRules) -> Secrecy:
    """Return `base` with the overlay's entries in place of its own.

    Raises:
        Loosens: an entry keeps plans longer, or lets a variable be plain, and carries no `override`.
    """
    overrides = admitted(_loosened(base, overlay))
    days = overlay.retention_days
    return Secrecy(
        retention_days=base.retention_days if days is None else days.value,
        plain=_allowed(base.plain, overlay),
        overrides=(*base.overrides, *overrides),
    )


def _allowed(base: frozenset[str], rules: SecrecyRules) -> frozenset[str]:
    return frozenset({*base - rules.plain.keys(), *(name for name, rule in rules.plain.items() if rule.allowed)})


def _loosened(base: Secrecy, overlay: SecrecyRules) -> Iterator[Loosened]:
    days = overlay.retention_days
    if days is not None and days.value > base.retention_days:
        was, now = f"{base.retention_days} days", f"{days.value} days"
        yield Loosened(path=("retention_days",), was=was, now=now, override=days.override)
    for name, rule in overlay.plain.items():
        if rule.allowed and name not in base.plain:
            yield Loosened(path=("plain", name), was="refused", now="allowed", override=rule.override)
