"""dns.toml: the packaged rules, and what an operator may change of them."""

from pathlib import Path

import pytest

from ink_infra_mcp.core.dns.rules import DnsRules
from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.settings.policy_files import load_dns

PACKAGED = DnsRules(wildcard_ttl=300, app_ttl=60, dashboard_ttl=300, base_name=True, propagation_s=180)


def test_the_packaged_rules_are_whole() -> None:
    """Every rule is there."""
    assert load_dns(None) == PACKAGED


def test_an_operator_changes_one_rule_and_keeps_the_others(tmp_path: Path) -> None:
    """The file holds only what is changed."""
    (tmp_path / "dns.toml").write_text('wildcard_ttl = { value = 3600, why = "nothing ever moves here" }\n')
    assert load_dns(tmp_path) == PACKAGED.model_copy(update={"wildcard_ttl": 3600})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('app_ttl = { value = 5, why = "fast" }', "app_ttl.value"),
        ("app_ttl = { value = 120 }", "app_ttl.why"),
        ('ttl = { value = 120, why = "x" }', "ttl"),
    ],
)
def test_a_rule_that_no_provider_takes_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """Out of range, without a reason, or unknown: the file and the key are named."""
    (tmp_path / "dns.toml").write_text(f"{text}\n")
    with pytest.raises(ConfigError) as failed:
        load_dns(tmp_path)
    assert (words in str(failed.value), "dns.toml" in str(failed.value)) == (True, True), str(failed.value)
