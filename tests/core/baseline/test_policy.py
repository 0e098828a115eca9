"""The baseline as policy: whole as it is packaged, and what an operator may say otherwise."""

from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.settings.policy_files import load_baseline


def overlay(folder: Path, text: str) -> Path:
    """Write an operator's baseline.toml; return its folder."""
    (folder / "baseline.toml").write_text(text, encoding="utf-8")
    return folder


def test_the_packaged_baseline_is_whole_and_says_why_of_each_entry() -> None:
    """Every section has entries, each role has parts, and nothing is changed in it."""
    baseline = load_baseline()
    assert baseline.overrides == ()
    assert baseline.parts_of("muscle")[-1] == "gvisor"
    assert [*baseline.releases] == ["debian 12", "debian 13", "ubuntu 22.04", "ubuntu 24.04"]


def test_a_word_that_is_another_needs_a_reason_which_is_then_shown(tmp_path: Path) -> None:
    """Without `override` the file is refused by line; with it the change stands in every plan."""
    text = '[swap]\nmib = { value = 512, why = "small disks" }\n'
    with pytest.raises(ConfigError, match=r"swap\.mib.*value 2048 -> value 512"):
        load_baseline(overlay(tmp_path, text))
    found = load_baseline(overlay(tmp_path, text.replace(" }", ', override = "tiny" }')))
    assert found.swap["mib"].value == 512
    assert found.overrides == ("swap.mib: value 2048 -> value 512 (tiny)",)


def test_an_entry_is_added_with_its_why_and_taken_away_with_a_reason(tmp_path: Path) -> None:
    """A package more, a kernel setting less."""
    text = (
        '[packages]\nhtop = { why = "people look" }\n[sysctls]\n'
        '"fs.suid_dumpable" = { value = "0", wanted = false, why = "dumps", override = "we debug" }\n'
    )
    found = load_baseline(overlay(tmp_path, text))
    assert ("htop" in found.packages, "fs.suid_dumpable" in found.sysctls) == (True, False)


@pytest.mark.parametrize(
    "name",
    [
        "net.ipv4.ip_forward",
        "net.ipv6.conf.all.forwarding",
        "net.bridge.bridge-nf-call-iptables",
        "user.max_net_namespaces",
    ],
)
def test_what_docker_needs_cannot_be_hardened_away(tmp_path: Path, name: str) -> None:
    """Such a key is refused whatever its value and reason."""
    text = f'[sysctls]\n"{name}" = {{ value = "0", why = "a guide says so", override = "a guide" }}\n'
    with pytest.raises(ConfigError, match=r"baseline\.toml"):
        load_baseline(overlay(tmp_path, text))


def test_pools_that_overlap_each_other_are_refused(tmp_path: Path) -> None:
    """Docker would take one network twice."""
    text = '[pools]\nmore = { base = "172.21.0.0/16", size = 24, why = "more" }\n'
    with pytest.raises(ConfigError, match="pools overlap each other"):
        load_baseline(overlay(tmp_path, text))


def test_a_waiver_is_for_a_test_that_lynis_has(tmp_path: Path) -> None:
    """A misspelt id would waive nothing and read as if it did: it is refused; a real one is added with its why."""
    text = '[waivers]\nPKGS-7392 = { why = "patched at night" }\n'
    assert "PKGS-7392" in load_baseline(overlay(tmp_path, text)).waivers
    with pytest.raises(ConfigError, match="lynis has no test of that id"):
        load_baseline(overlay(tmp_path, text.replace("PKGS-7392", "PKGS-9999")))
    with pytest.raises(ConfigError, match="why"):
        load_baseline(overlay(tmp_path, "[waivers]\nPKGS-7392 = {}\n"))


def test_a_bar_is_moved_only_with_a_reason(tmp_path: Path) -> None:
    """Without `override` a lower bar is refused."""
    text = '[bars]\nlynis_index = { value = 60, why = "old images" }\n'
    with pytest.raises(ConfigError, match=r"bars\.lynis_index.*value 80 -> value 60"):
        load_baseline(overlay(tmp_path, text))
