"""Form bodies as PHP reads them: the spellings that nest, and those that only look like it."""

import pytest

from ink_infra_mcp.sandbox.robot.forms import Nested, parse_form


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        ("status=active", {"status": "active"}),
        ("rules[input][0][name]=rule+1", {"rules": {"input": {"0": {"name": "rule 1"}}}}),
        ("rules%5Binput%5D%5B0%5D%5Bname%5D=a%26b%3Dc", {"rules": {"input": {"0": {"name": "a&b=c"}}}}),
        ("rules=%7B%22input%22%3A%5B%5D%7D", {"rules": '{"input":[]}'}),
        ("a[]=1&a[]=2&a[7]=3&a[]=4", {"a": {"0": "1", "1": "2", "7": "3", "8": "4"}}),
        ("a=1&a=2", {"a": "2"}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
        ("a[b]=1&a=2", {"a": "2"}),
        ("a[b=1", {"a_b": "1"}),
        ("a[b]junk[c]=1", {"a": {"b": "1"}}),
        ("a.b=1&c d=2", {"a_b": "1", "c_d": "2"}),
        ("=1&[x]=2&&a", {"a": ""}),
    ],
)
def test_a_form_is_read_as_php_reads_it(raw: str, form: Nested) -> None:
    """Only closed brackets after a name nest; what follows them is dropped; later values win."""
    assert parse_form(raw) == form
