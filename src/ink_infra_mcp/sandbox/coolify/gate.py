"""Coolify's gate: who asks, how often, from where, and with which abilities.

The order is Laravel's: the token, the rate limit, the role, the switch and the allow-list, then the ability.
"""

import ipaddress
from dataclasses import dataclass

from ink_infra_mcp.sandbox.coolify.call import Answer, JsonObject, Refusal, refusal
from ink_infra_mcp.sandbox.state_coolify import CoolifyState, RateWindow, Token

ELEVATED = frozenset({"root", "write", "write:sensitive", "deploy", "read:sensitive"})
WINDOW_S = 60.0
HEALTH_LIMIT = 1000
EVERYONE = "0.0.0.0"  # noqa: S104 - an entry of the allow-list; nothing binds to it


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: the Authorization header and the address."""

    authorization: str
    address: str


def token_of(coolify: CoolifyState, visitor: Visitor, now: float) -> Token:
    """Return the token that the visitor shows, which must have its number in front.

    Raises:
        Refusal: 401, also for an expired token.
    """
    shown = visitor.authorization
    token = next((t for t in coolify.tokens if shown == f"Bearer {t.id}|{t.secret}"), None)
    if token is None or _is_expired(token, now):
        raise refusal(401, "Unauthenticated.")
    return token


def _is_expired(token: Token, now: float) -> bool:
    return token.expires_at is not None and token.expires_at <= now


def count(coolify: CoolifyState, who: str, now: float, *, limit: int) -> dict[str, str]:
    """Count a request and return the headers that say how many are left in this minute.

    Raises:
        Refusal: 429 with Retry-After, when none was left.
    """
    window = coolify.rate.get(who)
    if window is None or now >= window.began + WINDOW_S:
        window = coolify.rate[who] = RateWindow(began=now)
    wait = str(max(1, round(window.began + WINDOW_S - now)))
    if window.hits >= limit:
        headers = {**_limits(limit, 0), "Retry-After": wait, "X-RateLimit-Reset": str(int(window.began + WINDOW_S))}
        raise Refusal(Answer({"message": "Too Many Attempts."}, 429, headers))
    window.hits += 1
    return _limits(limit, limit - window.hits)


def check_role(token: Token) -> None:
    """Let a member pass only with a token that can do nothing but read.

    Raises:
        Refusal: 403.
    """
    if token.role == "member" and ELEVATED & set(token.abilities):
        raise refusal(403, "Missing required team role.")


def check_open(coolify: CoolifyState, visitor: Visitor) -> None:
    """Let requests pass while the API is on, from addresses on the allow-list.

    Raises:
        Refusal: 403 whose body says `success: true`, as Coolify's does.
    """
    if not coolify.is_api_enabled:
        raise _success_403("API is disabled.")
    if not _is_allowed(visitor.address, coolify.allowed_ips):
        raise _success_403("You are not allowed to access the API.")


def check_ability(token: Token, ability: str) -> None:
    """Let a token with exactly that ability, or root, pass.

    Raises:
        Refusal: 403 that names the ability.
    """
    if not {"root", ability} & set(token.abilities):
        raise refusal(403, f"Missing required permissions: {ability}")


def _limits(limit: int, left: int) -> dict[str, str]:
    return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left)}


def _success_403(message: str) -> Refusal:
    body: JsonObject = {"success": True, "message": message}
    return Refusal(Answer(body, 403))


def _is_allowed(address: str, allowed_ips: str) -> bool:
    """An empty list allows everyone."""
    allowed = _entries(allowed_ips)
    if not allowed or EVERYONE in allowed:
        return True
    own = ipaddress.ip_address(address)
    return any(own in ipaddress.ip_network(entry, strict=False) for entry in allowed)


def _entries(allowed_ips: str) -> list[str]:
    return [entry for entry in allowed_ips.replace(" ", "").split(",") if entry]
