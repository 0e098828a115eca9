"""images.toml: the packaged rules, and what an operator may change of them."""

from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.settings.policy_files import load_images

DIGEST = f"sha256:{'a' * 64}"


def test_as_packaged_any_image_that_a_person_says_yes_to_may_run() -> None:
    """Both rules are there, and refuse nothing by themselves."""
    assert load_images(None) == ImageRules(least_age_h=0, digests=())


def test_an_operator_sets_an_age_and_a_list(tmp_path: Path) -> None:
    """The file holds only what is changed."""
    (tmp_path / "images.toml").write_text(f'digests = {{ value = ["{DIGEST}"], why = "released" }}\n')
    assert load_images(tmp_path) == ImageRules(least_age_h=0, digests=(DIGEST,))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('digests = { value = ["latest"], why = "x" }', "digests.value"),
        ('least_age_h = { value = -1, why = "x" }', "least_age_h.value"),
        ("least_age_h = { value = 24 }", "least_age_h.why"),
        ('signature = { value = true, why = "x" }', "signature"),
    ],
)
def test_a_rule_that_would_have_no_effect_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """A tag in place of a digest, no age, no reason, or an unknown rule: the file and the key are named."""
    (tmp_path / "images.toml").write_text(f"{text}\n")
    with pytest.raises(ConfigError) as failed:
        load_images(tmp_path)
    assert (words in str(failed.value), "images.toml" in str(failed.value)) == (True, True), str(failed.value)
