"""The policy of sshd: an overlay may be stricter, and is looser only with a reason that every plan shows."""

from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.login.policy import SshdPolicy
from ink_infra_mcp.settings.policy_files import load_sshd


def overlaid(folder: Path, text: str) -> SshdPolicy:
    """Return the policy with this overlay."""
    (folder / "sshd.toml").write_text(text, encoding="utf-8")
    return load_sshd(folder)


def test_the_packaged_policy_lets_only_keys_in() -> None:
    """No password, by whatever name, and root with a key only; each rule says why."""
    policy = load_sshd()
    words = {name: rule.value for name, rule in policy.words.items()}
    assert words["PasswordAuthentication"] == words["KbdInteractiveAuthentication"] == "no"
    assert words["PermitRootLogin"] == "prohibit-password"
    assert not [name for rule in policy.algorithms.values() for name in rule.value if "sha1" in name or "nistp" in name]
    assert policy.overrides == ()


def test_an_overlay_is_stricter_without_a_word(tmp_path: Path) -> None:
    """Fewer tries, fewer algorithms, no root at all."""
    policy = overlaid(
        tmp_path,
        '[words]\nPermitRootLogin = { value = "no", why = "sudo" }\n'
        '[limits]\nMaxAuthTries = { at_most = 2, why = "one key" }\n'
        '[algorithms]\nCiphers = { value = ["aes256-gcm@openssh.com"], why = "one" }\n',
    )
    assert (policy.words["PermitRootLogin"].value, policy.limits["MaxAuthTries"].at_most) == ("no", 2)
    assert policy.algorithms["Ciphers"].value == ("aes256-gcm@openssh.com",)
    assert policy.keywords == load_sshd().keywords


@pytest.mark.parametrize(
    ("entry", "was", "now"),
    [
        ('[words]\nPasswordAuthentication = {{ value = "yes", why = "w"{} }}\n', "no", "yes"),
        ('[limits]\nMaxAuthTries = {{ at_most = 9, why = "w"{} }}\n', "4", "9"),
        ('[algorithms]\nMACs = {{ value = ["hmac-sha1"], why = "w"{} }}\n', "not allowed", "hmac-sha1"),
    ],
)
def test_a_looser_rule_needs_a_reason(entry: str, was: str, now: str, tmp_path: Path) -> None:
    """Without one it is refused by line; with one it stands among the overrides."""
    with pytest.raises(ConfigError, match=r'loosens the packaged policy .* add override = "the reason"'):
        overlaid(tmp_path, entry.format(""))
    assert (
        overlaid(tmp_path, entry.format(', override = "old clients"'))
        .overrides[0]
        .endswith(f"{was} -> {now} (old clients)")
    )


def test_a_rule_that_the_baseline_does_not_know_is_named(tmp_path: Path) -> None:
    """A slip of the pen is no rule without effect."""
    with pytest.raises(ConfigError, match=r"no such rule; did you mean `PasswordAuthentication`"):
        overlaid(tmp_path, '[words]\nPasswordAuthentification = { value = "no", why = "w" }\n')
