"""The documentation of fleet.toml is the models', word for word."""

import re
from pathlib import Path

from pydantic import BaseModel

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.settings.fleet_file import load_fleet
from ink_infra_mcp.settings.keys import HINTS, KEY_WORDS, LISTS, SECTION_WORDS, SECTIONS
from ink_infra_mcp.settings.policy_files import load_isolation, load_policy
from ink_infra_mcp.settings.reference import config_table
from ink_infra_mcp.settings.secret_names import NAMES
from tests.settings.fleets import written

DOCUMENT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")


def examples() -> list[str]:
    """Return the TOML examples of the document in order."""
    return re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)


def test_the_document_holds_exactly_the_generated_tables() -> None:
    """docs/configuration.md lists every key with type, default and meaning as the models have them."""
    assert config_table() in DOCUMENT


def test_every_key_of_the_models_has_its_words() -> None:
    """No section and no key is without an explanation, and no explanation without its key."""
    assert list(SECTIONS) == list(Fleet.model_fields) == list(SECTION_WORDS)
    assert {part: list(KEY_WORDS[part]) for part in SECTIONS} == {
        part: list(model.model_fields) for part, model in SECTIONS.items()
    }
    assert {part for part, field in Fleet.model_fields.items() if "tuple" in str(field.annotation)} == LISTS


def test_every_section_is_described_by_its_own_model() -> None:
    """The section's model is the one that the fleet reads it with."""
    for part, model in SECTIONS.items():
        assert issubclass(model, BaseModel)
        assert model.__name__ in str(Fleet.model_fields[part].annotation)


def test_every_hint_is_about_a_key_that_exists() -> None:
    """A hint for a renamed key would never be shown."""
    assert [path for path in HINTS if path[1] not in SECTIONS[str(path[0])].model_fields] == []


def test_the_example_of_the_document_is_a_fleet(tmp_path: Path) -> None:
    """The smallest file that people copy from the document loads."""
    fleet = load_fleet(written(tmp_path, examples()[0]))
    assert (fleet.factory.name, [muscle.name for muscle in fleet.muscles]) == ("factory", ["s1"])


def test_the_overlay_of_the_document_is_a_policy(tmp_path: Path) -> None:
    """The policy that people copy from the document loads, with its one override shown."""
    (tmp_path / "risk.toml").write_text(examples()[1], encoding="utf-8")
    policy = load_policy(tmp_path)
    assert policy.overrides == ("kinds.coolify.deploy: disruptive -> safe (test fleet until the launch)",)
    assert policy.freeze == "holidays until 7 January"


def test_the_document_names_every_secret() -> None:
    """Each secret that the product looks for is in the table of secrets."""
    assert [name for name in (*NAMES, "app:NAME") if f"`{name}`" not in DOCUMENT] == []


def test_the_packaged_isolation_is_what_the_model_says() -> None:
    """The packaged file fills every field of the isolation but the overrides."""
    assert load_isolation().model_fields_set == set(Isolation.model_fields) - {"overrides"}
