"""Fleets and their files for tests."""

from pathlib import Path

from hypothesis import strategies as st

from ink_infra_mcp.core.fleet import (
    Access,
    AppDefaults,
    Approvals,
    CoolifySettings,
    Domains,
    Fleet,
    Fork,
    Host,
    Muscle,
    State,
)

SMALLEST = """\
[coolify]
url = "https://coolify.example.com"

[factory]
name = "factory"
address = "192.0.2.10"
"""


def written(folder: Path, text: str) -> Path:
    """Write a fleet.toml and return its path."""
    path = folder / "fleet.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return path


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="$"), max_size=12).filter(
    lambda text: "=" not in text and ":" not in text
)
LABELS = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
DOMAINS = LABELS.map(lambda label: f"{label}.example.com")
NETWORKS = st.lists(
    st.sampled_from(["198.51.100.0/28", "203.0.113.7", "2001:db8:1::/48", "10.250.0.0/16"]), max_size=3
).map(tuple)
KEYS = st.sampled_from(
    ["", f"ssh-ed25519 {'A' * 43}=", f"ssh-rsa {'B' * 40} root@s1\necdsa-sha2-nistp256 {'C' * 40}\n"]
)


def _host(number: int, model: type[Host], bastions: st.SearchStrategy[str | None]) -> st.SearchStrategy[Host]:
    own: dict[str, st.SearchStrategy[object]] = {}
    if model is Muscle:
        own = {"wildcard_domain": st.none() | st.just(f"s{number}.example.org"), "production": st.booleans()}
    return st.builds(
        model,
        name=LABELS.map(lambda label: f"{label}-{number}"),
        address=st.just(f"192.0.2.{number}") | st.just(f"2001:db8::{number}"),
        ssh_user=st.sampled_from(["root", "deploy"]),
        ssh_port=st.integers(1, 65535),
        bastion=bastions,
        host_key=KEYS,
        provider=st.sampled_from(["hetzner_cloud", "hetzner_robot", "other"]),
        provider_id=WORDS,
        private_address=st.none() | st.just(f"198.51.100.{number}"),
        **own,
    )


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Draw a fleet that fits together."""
    door = draw(st.lists(_host(200, Host, st.none()), max_size=1))
    behind: st.SearchStrategy[str | None] = st.sampled_from([None, *(host.name for host in door)])
    muscles = [draw(_host(number, Muscle, behind)) for number in range(1, draw(st.integers(0, 3)) + 1)]
    return Fleet(
        coolify=CoolifySettings(
            url=draw(
                st.sampled_from(["https://coolify.example.com", "http://192.0.2.10:8000", "http://[2001:db8::1]"])
            ),
            project=draw(WORDS),
            environment=draw(WORDS),
        ),
        factory=draw(_host(100, Host, behind)),
        muscles=tuple(muscle for muscle in muscles if isinstance(muscle, Muscle)),
        bastions=tuple(door),
        domains=draw(
            st.builds(Domains, fleet=st.none() | DOMAINS, dns=st.sampled_from(["hetzner", "cloudflare", "none"]))
        ),
        fork=draw(st.builds(Fork, image=WORDS, upstream_pull_request=st.sampled_from(["", "a/b#1"]))),
        defaults=draw(
            st.builds(
                AppDefaults,
                memory=st.sampled_from(["512m", "2g"]),
                cpus=st.sampled_from(["1", "0.5"]),
                port=st.integers(1, 65535),
                branch=WORDS,
            )
        ),
        access=draw(st.builds(Access, admin=NETWORKS, private=NETWORKS, proof_from=st.sampled_from(["", "here"]))),
        approvals=draw(
            st.builds(Approvals, ttl_minutes=st.integers(1, 1440), channel=st.sampled_from(["any", "ticket"]))
        ),
        state=draw(st.builds(State, url=st.sampled_from(["", "sqlite:////srv/state.db", "postgresql://ink@db/ink"]))),
    )
