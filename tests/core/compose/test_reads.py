"""Which variables a compose file reads: as Docker Compose reads `${...}`, which names it cannot do without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.preparing import prepared
from ink_infra_mcp.core.compose.reads import Reads, defaults_of, kept_by_coolify, odd_reads, reads_of
from ink_infra_mcp.core.isolation import Isolation


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


@pytest.mark.parametrize(
    ("environment", "kept"),
    [
        (
            {"KEY": "${SERVICE_PASSWORD_DB}", "URL": "$SERVICE_URL_WEB", "OTHER": "x${SERVICE_USER_A}", "N": 1},
            ("KEY", "URL"),
        ),
        (["KEY=${SERVICE_PASSWORD_DB}", "PLAIN=${OTHER}", "SERVICE_FQDN_WEB"], ("KEY",)),
        (None, ()),
    ],
)
def test_variables_that_are_coolify_s_own_ones_are_known(environment: JsonValue, kept: tuple[str, ...]) -> None:
    """Coolify keeps a row for each and writes it anew whenever it reads the file."""
    assert kept_by_coolify({"services": {"web": {"environment": environment}}}) == kept


BREAKS_OUT = "${EE:-a\nDOCKER_BUILDKIT=0\nGIT_CONFIG_COUNT=1\nGIT_CONFIG_VALUE_0=!id > /tmp/x;}"


@pytest.mark.parametrize(
    "text",
    [BREAKS_OUT, "${EE-a\nX=1}", "${EE:?a\nX=1}", "${EE:+a\nX=1}", "${D:+x}", "${D+x}", "${A:-a b # c}", "${A:-a\tb}",
     "${A:-${B}}", "${A-$B}", "${A-${B:?m}}", "${A:?${B}}", "${A?$B}", "${A:+${B}}",
     "${A:-'x'}", '${A:-"x"}', "${A:-\\x}", "${A:- x}", "${A:-x }", "${A:-a  b}", "${A!}", "${",
     "${}", "${1}", "${A", "${A:-x$y}", "${A:-\u00e9}", "x$$${A:-\n}"],
)  # fmt: skip
def test_a_default_that_would_be_lines_of_its_own_or_arrive_otherwise_is_refused(text: str) -> None:
    """Coolify writes defaults into the app's `.env` as they are, and Docker Compose obeys what stands there."""
    policy = Isolation(runtime="runsc", pids_limit=512, cap_drop=("ALL",), cap_add=(), forbidden={})
    made = prepared({"services": {"web": {"image": "a:1", "environment": {"A": text}}}}, policy, memory="1g", cpus="1")
    assert any("is none of ${NAME}" in problem for problem in compose_problems(made.document, policy))


@pytest.mark.parametrize(
    "text",
    ["${A}", "$A", "$${A:-\n}", "${A:-}", "${A:-http://localhost:3000/x?y=1&z=2}", "${A-a b}", "${A:?say it}",
     "a ${B:-1} c"],
)  # fmt: skip
def test_what_arrives_as_it_is_passes(text: str) -> None:
    """Names, plain defaults and plain complaints."""
    assert odd_reads([text]) == ()


def test_a_name_has_one_default_in_a_file() -> None:
    """Coolify keeps one value for the whole app."""
    assert odd_reads(["${A:-x}", "${A:-y}"]) == ("${A} has two defaults, and Coolify keeps one for the whole app",)
    assert defaults_of(["${A:-x} ${A-x}", "${B:?no}", "${C:-a-b}"]) == {"A": "x", "C": "a-b"}


@given(st.text(max_size=20))
def test_no_default_with_a_character_that_ends_a_line_or_a_word_passes(default: str) -> None:
    """Whatever else stands there: no control character, quote, backslash, `#`, `$` or brace gets into `.env`."""
    if odd_reads([f"${{A:-{default}}}"]) == ():
        written = default.partition("}")[0]
        assert not set(written) & set("\"'\\#$`{\n\r\t\x0b\x0c\x1c\x85\u2028\0")
        assert written == written.strip()
