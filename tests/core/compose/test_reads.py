"""Which variables a compose file reads: as Docker Compose reads `${...}`, which names it cannot do without."""

import pytest

from ink_infra_mcp.core.compose.reads import Reads, reads_of


@pytest.mark.parametrize(
    ("text", "needed", "plain"),
    [
        ("${A}", (), ("A",)),
        ("$A$B-x", (), ("A", "B")),
        ("${A:?say A} ${B?}", ("A", "B"), ()),
        ("${A:-x} ${B-} ${C:+y} ${D+z}", (), ()),
        ("$$A $${B} $$$C", (), ("C",)),
        ("${A:-${B}} ${C}", (), ("C",)),
        ("${A:-${B:?${C}}}} ${D}", (), ("D",)),
        ("${A:?${B}} $A", ("A",), ()),
        ("${SERVICE_PASSWORD_DB} $COOLIFY_URL", (), ()),
        ("} ${A} }", (), ("A",)),
        ("${", (), ()),
        ("$1 $-", (), ()),
    ],
)
def test_what_is_read_whatever_the_values(text: str, needed: tuple[str, ...], plain: tuple[str, ...]) -> None:
    """With a default, or inside of one, a name needs no value; Coolify's own it fills in; `$$` is a dollar."""
    assert reads_of({"services": {"web": {"command": [text]}}}) == Reads(needed, plain)
